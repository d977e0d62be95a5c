# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks to and from a pool: each way in which a host says, or does not say, what became of one."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.failures import XapiFailure
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.session import Pool
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.transfer import get, put
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PoolUnderTest, content, disk_file

SIZE = 16 * MIB
CHUNKED = {"format": "raw", "chunked": "true"}
IMPORT, EXPORT = "/import_raw_vdi", "/export_raw_vdi"


@pytest.fixture
def session(pool: PoolUnderTest) -> Iterator[Pool]:
    with Pool({"username": "root", "timeout": 10, **pool.options()}) as session:
        yield session


@pytest.fixture
def vdi(pool: PoolUnderTest, session: Pool) -> Iterator[str]:
    """An empty disk; that it can be destroyed at once shows that nobody holds it any more, and no task is left."""
    with pool.nothing_left():
        ref = new_disk(session, session.default_sr() or "")
        yield ref
        session.call("VDI.destroy", ref)


def new_disk(session: Pool, sr: str) -> str:
    given = {"SR": sr, "virtual_size": SIZE, "type": "user", "sharable": False, "read_only": False, "other_config": {}, "name_label": "transfer"}
    return str(session.call("VDI.create", given))


def record(offset: int, data: bytes) -> bytes:
    return struct.pack("<QI", offset, len(data)) + data


def test_a_disk_there_and_back(pool: PoolUnderTest, session: Pool, vdi: str) -> None:
    data = random.Random(1).randbytes(3 * MIB)
    assert put(session, IMPORT, {"vdi": vdi, **CHUNKED}, [record(MIB, data), bytes(12)], None, "disk") == vdi
    wanted = bytes(MIB) + data + bytes(SIZE - 4 * MIB)
    assert content(disk_file(pool.server, pool.api, vdi)) == wanted
    with get(session, EXPORT, {"vdi": vdi, "format": "raw"}, "disk") as download:
        assert b"".join(download.blocks()) == wanted
    # Who does not read to the end is not wrong.
    with get(session, EXPORT, {"vdi": vdi, "format": "vhd"}, "disk") as download:
        assert download.read(8) == b"conectix"


def test_a_failure_after_the_200_is_the_tasks(session: Pool, vdi: str) -> None:
    with pytest.raises(XapiFailure, match="VDI_IO_ERROR"):
        put(session, IMPORT, {"vdi": vdi, "format": "vhd"}, [bytes(4096)], 4096, "disk")


def test_a_host_that_gives_up_is_not_sent_the_rest(session: Pool, vdi: str) -> None:
    sent = 0

    def blocks() -> Iterator[bytes]:
        nonlocal sent
        yield record(3, b"x" * 512)
        for _number in range(4096):
            sent += 1
            yield record(0, bytes(MIB))

    with pytest.raises(XapiFailure, match="VDI_IO_ERROR"):
        put(session, IMPORT, {"vdi": vdi, **CHUNKED}, blocks(), None, "disk")
    assert sent < 64


def test_a_failure_at_the_very_end_is_noticed(pool: PoolUnderTest, session: Pool, vdi: str) -> None:
    pool.fault(kind="fail_task", error=["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""])
    with pytest.raises(XapiFailure, match="SR_BACKEND_FAILURE_44"):
        put(session, IMPORT, {"vdi": vdi, **CHUNKED}, [bytes(12)], None, "disk")


@pytest.mark.parametrize("after", [0, 100_000, 5 * MIB])
def test_a_connection_that_breaks(pool: PoolUnderTest, session: Pool, vdi: str, after: int) -> None:
    pool.fault(kind="drop", method="import_raw_vdi", after=after)
    blocks = (record(number % 8 * MIB, bytes(MIB)) for number in range(1000))
    with pytest.raises(XapiFailure, match="VDI_IO_ERROR"):
        put(session, IMPORT, {"vdi": vdi, **CHUNKED}, blocks, None, "disk")
    pool.fault(kind="drop", method="export_raw_vdi", after=after)
    with pytest.raises(XapiFailure, match="VDI_IO_ERROR"), get(session, EXPORT, {"vdi": vdi, "format": "raw"}, "disk") as download:
        for _block in download.blocks():
            pass


def test_a_host_that_waits_for_ever_ends_in_a_sentence(pool: PoolUnderTest, session: Pool, vdi: str) -> None:
    with Pool({"username": "root", **pool.options(timeout=1)}) as impatient, pytest.raises(ImageServicesError) as excinfo:
        put(impatient, IMPORT, {"vdi": vdi, "format": "raw"}, [bytes(MIB)], 2 * MIB, "disk")
    assert str(excinfo.value).startswith("Cannot finish task 'disk': all data is sent, and for 1 seconds the host has neither ended nor gone on.")


def test_another_host_of_the_pool_reaches_the_disk(pool: PoolUnderTest, session: Pool) -> None:
    member = next(ref for ref in session.records("host") if ref != session.coordinator)
    with pool.nothing_left():
        sr = session.call("SR.create", member, {"device": "/dev/sdb"}, 0, "of the member", "", "ext", "user", False, {})
        try:
            vdi = new_disk(session, sr)
            data = random.Random(2).randbytes(MIB)
            put(session, IMPORT, {"vdi": vdi, **CHUNKED}, [record(0, data), bytes(12)], None, "disk")
            with get(session, EXPORT, {"vdi": vdi, "format": "raw"}, "disk") as download:
                assert b"".join(download.blocks()) == data + bytes(SIZE - MIB)
            session.call("VDI.destroy", vdi)
        finally:
            for pbd in session.call("SR.get_PBDs", sr):
                session.call("PBD.unplug", pbd)
            session.call("SR.destroy", sr)


def test_a_source_that_breaks_keeps_its_own_words(session: Pool, vdi: str) -> None:
    def blocks() -> Iterator[bytes]:
        yield record(0, bytes(MIB))
        raise ImageServicesError("Cannot read it.")

    with pytest.raises(ImageServicesError, match=r"^Cannot read it\.$"):
        put(session, IMPORT, {"vdi": vdi, **CHUNKED}, blocks(), None, "disk")


def test_a_reader_that_breaks_keeps_its_own_words(session: Pool, vdi: str) -> None:
    with pytest.raises(ZeroDivisionError), get(session, EXPORT, {"vdi": vdi, "format": "raw"}, "disk") as download:
        assert 1 / (len(download.read(1)) - 1)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"vdi": "OpaqueRef:gone", "format": "raw"}, "HANDLE_INVALID"),
        ({"format": "raw"}, "VDI_MISSING"),
        ({"vdi": "", "format": "vmdk"}, "INTERNAL_ERROR"),
    ],
)
def test_an_answer_in_place_of_the_200(session: Pool, vdi: str, query: dict[str, str], code: str) -> None:
    with pytest.raises(XapiFailure, match=code):
        put(session, IMPORT, query, [b"x"], 1, "disk")


def test_a_request_that_is_too_long_is_not_sent(session: Pool, vdi: str) -> None:
    with pytest.raises(ImageServicesError, match=r"the request takes \d+ bytes, and hosts take 1024"):
        put(session, IMPORT, {"vdi": vdi, "format": "x" * 900}, [], 0, "disk")


def test_a_session_that_ended_meanwhile(pool: PoolUnderTest, vdi: str) -> None:
    with Pool({"username": "root", **pool.options(timeout=5)}) as session:

        ref = session.session_ref
        session.call("task.get_all")
        # What the task was made with is gone when the host is asked for the disk.
        connect = session.connection
        session.connection = lambda address=None: (session.ask("session.logout", ref), connect(address))[1]  # type: ignore[method-assign]
        with pytest.raises((XapiFailure, ImageServicesError)) as excinfo:
            put(session, IMPORT, {"vdi": vdi, **CHUNKED}, [bytes(12)], None, "disk")
        session.connection = connect  # type: ignore[method-assign]
    assert getattr(excinfo.value, "code", "") == "SESSION_INVALID"
    assert ref not in str(excinfo.value)


def test_a_host_that_takes_no_more_data(pool: PoolUnderTest, vdi: str) -> None:
    """It is slow before it reads, so that what fits between both ends is soon full."""
    pool.fault(kind="slow", method="import_raw_vdi", seconds=3)
    blocks = (record(number % 8 * MIB, bytes(MIB)) for number in range(1000))
    with Pool({"username": "root", **pool.options(timeout=1)}) as impatient, pytest.raises(ImageServicesError, match="it took no data for 1 seconds"):
        put(impatient, IMPORT, {"vdi": vdi, **CHUNKED}, blocks, None, "disk")

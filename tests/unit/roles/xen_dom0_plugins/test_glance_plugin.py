# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The historic calls, with their arguments and answers; no pickle of theirs runs anything."""

from __future__ import annotations

import base64
import os
import pickle
import random
import uuid
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.dom0 import Dom0, pythons, run_inside
from ansible_collections.xenstack.image_services.tests.support.glance_double import GlanceDouble, Plan
from ansible_collections.xenstack.image_services.tests.support.xapi import error


def historic(dom0: Dom0, function: str, nested: bool = True, **given: Any) -> Any:
    """As Nova and Cinder called it: pickles of the oldest protocol, both ways."""
    params = pickle.dumps({"args": (), "kwargs": given} if nested else given, 0).decode("ascii")
    answer = dom0.pool.api.host.call_plugin(dom0.pool.api.host.get_all()[0], "glance", function, {"params": params, "host_uuid": "x"})
    return pickle.loads(answer.encode("ascii"))


def place(glance: GlanceDouble) -> dict[str, Any]:
    host, _colon, port = glance.url.removeprefix("http://").partition(":")
    return {"glance_host": host, "glance_port": int(port), "glance_use_ssl": False}


@pytest.mark.parametrize("form", ["auth_token", "extra_headers", "flat", "successor"])
def test_the_historic_calls_move_an_image_there_and_back(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes], form: str) -> None:
    glance.put("historic", images["chain.gz"])
    stack = [str(uuid.uuid4()) for _number in range(5)]
    token = {"auth_token": "the-token"} if form == "auth_token" else {"extra_headers": {"X-Auth-Token": "the-token", "x-tenant-id": "t"}}
    where = {"endpoint": glance.url, "api_version": 2} if form == "successor" else place(glance)
    end = "2" if form == "successor" else ""
    common = where | token | {"sr_path": str(dom0.directory)}
    made = historic(dom0, f"download_vhd{end}", form != "flat", image_id="historic", uuid_stack=stack, **common)
    assert made == {"root": {"uuid": stack[-1]}}
    # The parents have the names that the caller gave, in its order.
    assert dom0.files() == sorted(f"{each}.vhd" for each in stack[-3:])
    assert dom0.holds(stack[-1], images["raw"])
    glance.queue("back")
    properties = {"os_type": "linux", "auto_disk_config": True, "xenapi_image_compression_level": "1"}
    sent = historic(dom0, f"upload_vhd{end}", form != "flat", image_id="back", vdi_uuids=stack[:-4:-1], properties=properties, **common)
    assert sent is None
    assert glance.records["back"]["status"] == "active"
    told = {"container_format": "ovf", "disk_format": "vhd", "visibility": "private", "os_type": "linux", "auto_disk_config": "True"}
    assert glance.described["back"] == told | {"xenapi_image_compression_level": "1"}
    assert {headers.get("x-auth-token") for _method, _path, headers in glance.requests} == {"the-token"}


def test_failures_are_of_the_kind_that_callers_look_for(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    glance.put("failing", images["chain.gz"])
    given: dict[str, Any] = place(glance) | {
        "image_id": "failing",
        "uuid_stack": [str(uuid.uuid4())],
        "sr_path": str(dom0.directory),
        "auth_token": "the-token",
    }
    glance.plans += [Plan(status=404)]
    kinds = {
        "RetryableError": [{}, {"image_id": "none"}, {"glance_port": 1}],
        "PluginError": [
            {"sr_path": "/etc"},
            {"sr_path": f"/tmp/{dom0.sr}"},
            {"sr_path": f"{dom0.directory}/../../../../etc"},
            {"uuid_stack": []},
            {"uuid_stack": "text"},
            {"uuid_stack": ["../../x"]},
            {"image_id": "../x"},
            {"glance_host": "a/b"},
            {"glance_port": "x"},
            {"extra_headers": {"X": "a\r\nb"}},
        ],
    }
    for kind, wrongs in kinds.items():
        for wrong in wrongs:
            found = error(historic, dom0, "download_vhd", **(given | wrong))
            assert found[:3] == ["XENAPI_PLUGIN_FAILURE", "download_vhd", kind], (wrong, found)
            assert "the-token" not in str(found)
    assert dom0.files() == []


class Runs:
    """A pickle of this makes a file where it is loaded by Python."""

    def __init__(self, path: Path, function: Any = os.mkdir) -> None:
        self.path, self.function = path, function

    def __reduce__(self) -> Any:
        return (self.function, (str(self.path),))


def exploits(path: Path) -> list[bytes]:
    made = [pickle.dumps(value, protocol) for protocol in range(5) for value in (Runs(path), {"kwargs": {"a": [Runs(path)]}}, {Runs(path, eval): 1})]
    text = str(path).encode()
    made += [
        b"cos\nsystem\n(S'mkdir " + text + b"'\ntR.",
        b"(S'mkdir " + text + b"'\nios\nsystem\n.",
        b"(cos\nsystem\nS'mkdir " + text + b"'\no.",
        b'c__builtin__\neval\n(S\'__import__("os").mkdir("' + text + b"\")'\ntR.",
        b"cbuiltins\nexec\n(V__import__('os').mkdir('" + text + b"')\ntR.",
        b"Pos.system\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02]q\x00}q\x01b.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.",
        b"\x80\x02ccopy_reg\n_reconstructor\n.",
        b"\x80\x05\x97.",
        b"r\xff\xff\xff\xff.",
        b"]r\xff\xff\xff\xff.",
        b"\x8d" + b"\xff" * 8 + b".",
        b"\x8b\xff\xff\xff\x7f.",
        b"(" * 60_000 + b".",
        b"](" * 30_000 + b".",
        b"}(((](dddd.",
        b"(lp0\ng0\na.",
        b"\x80\x02}(]]u.",
        b"I1\nI2\n.",
        b"0.",
        b"2.",
        b"",
        b".",
        b"N",
        b"g9\n.",
    ]
    return made


LOAD = """
import base64, os, resource
import plain_pickle
resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
def load(data):
    try:
        plain_pickle.loads(base64.b64decode(data))
    except plain_pickle.Refused as error:
        return str(error)
    return None
"""


@pytest.mark.parametrize("version", pythons())
def test_a_pickle_of_more_than_plain_data_is_refused(version: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    given = exploits(trap)
    found = run_inside(pythons()[version], LOAD + "result = [load(each) for each in given]\n", [base64.b64encode(each).decode() for each in given], ("glance",))
    # A list in itself and a high number in the memo are plain data, however odd.
    taken = [data for data, said in zip(given, found, strict=True) if said is None]
    assert taken == [b"]r\xff\xff\xff\xff.", b"(lp0\ng0\na."]
    assert not trap.exists()
    # Each of the first fifteen works where Python's own unpickler takes it.
    pickle.loads(given[0])
    assert trap.exists()


def test_an_exploit_ends_in_a_sentence(dom0: Dom0, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    host = dom0.pool.api.host.get_all()[0]
    for params in (exploits(trap)[0].decode(), "cos\nsystem\n(S'mkdir " + str(trap) + "'\ntR.", "ü", "", "x" * 100_000, pickle.dumps([1], 0).decode()):
        found = error(dom0.pool.api.host.call_plugin, host, "glance", "upload_vhd", {"params": params})
        assert found[:3] == ["XENAPI_PLUGIN_FAILURE", "upload_vhd", "PluginError"], found
    assert not trap.exists()
    assert error(dom0.pool.api.host.call_plugin, host, "glance", "copy_kernel_vdi", {}) == ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "copy_kernel_vdi"]


PLAIN: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1 << 70,
    1.5,
    "text",
    "ü",
    [],
    [1, [2]],
    (),
    (1,),
    (1, 2),
    (1, 2, 3),
    (1, 2, 3, 4),
    {},
    {"a": {"b": ["c"]}, "d": 1},
]
SAME = LOAD + "result = [plain_pickle.loads(base64.b64decode(each)) for each in given]\n"


@pytest.mark.parametrize("version", pythons())
def test_plain_data_of_every_protocol_is_read(version: str) -> None:
    expected = [value for _protocol in range(5) for value in PLAIN]
    given = [base64.b64encode(pickle.dumps(value, protocol)).decode() for protocol in range(5) for value in PLAIN]
    protocols = 5
    if version == "2.7":
        # Its table of operations ends with the second protocol.
        protocols = 3
    most = len(PLAIN) * protocols
    found = run_inside(pythons()[version], SAME, given[:most], ("glance",))
    assert found == [list(value) if isinstance(value, tuple) else value for value in expected[:most]]


@pytest.mark.parametrize("version", pythons())
def test_what_python_2_writes_is_read(version: str) -> None:
    """The callers of then ran Python 2: bytes for text, and its own form of whole numbers and truth values."""
    data = b"(dp0\nS'kwargs'\np1\n(dp2\nS'a'\np3\nVb\np4\nsS'c'\nL5L\nsS'd'\nI01\nsS'e'\n(lp5\nI1\naF1.5\nasS'f'\n(S'g'\nNtp6\nss."
    found = run_inside(pythons()[version], SAME, [base64.b64encode(data).decode()], ("glance",))
    assert found == [{"kwargs": {"a": "b", "c": 5, "d": True, "e": [1, 1.5], "f": ["g", None]}}]


@pytest.mark.parametrize("version", pythons())
def test_damaged_pickles_end_in_a_refusal(version: str) -> None:
    chooser, given = random.Random(3), []
    for _number in range(1500):
        data = bytearray(pickle.dumps({"kwargs": {"a": ["b", 1, None], "c": ("d", 2.5)}}, chooser.randrange(3)))
        for _change in range(chooser.randint(1, 4)):
            data[chooser.randrange(len(data))] = chooser.randrange(256)
        given.append(base64.b64encode(bytes(data)).decode())
    found = run_inside(pythons()[version], LOAD + "result = [load(each) for each in given]\n", given, ("glance",))
    assert sum(said is not None for said in found) > 500

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Dom0 plugin pulls images into an SR: what comes out is the image, and what cannot come leaves nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import signal
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import XenAPI
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd
from ansible_collections.xenstack.image_services.tests.support.dom0 import Dom0, install, pythons, run_inside
from ansible_collections.xenstack.image_services.tests.support.glance_double import GlanceDouble, Plan
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest, content, error

SIZE = 8 * MIB
IDLE_TIMEOUT = 60


@contextlib.contextmanager
def meanwhile(function: Callable[[], Any]) -> Iterator[list[Any]]:
    """Runs it beside the test; what it gave or raised is in the list afterwards."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(function())
        except XenAPI.Failure as exc:
            found.append(exc.details)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield found
    finally:
        thread.join(IDLE_TIMEOUT)
        assert not thread.is_alive()


def await_true(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + IDLE_TIMEOUT
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it never came")


def plugin_process(dom0: Dom0) -> int:
    """The process that owns the one staging directory."""
    (name,) = [name for name in dom0.files() if name.endswith(".staging")]
    return int(name.split(".")[2])


def test_it_says_what_it_is(dom0: Dom0, python: str) -> None:
    found = dom0.call("version", sr=None)
    assert found.pop("python").startswith(f"{python}.")
    functions = ["cancel", "cleanup", "download", "upload", "version"]
    assert found == {"name": "imagestore", "version": "1.0.0", "api": 1, "functions": functions}


@pytest.mark.parametrize(
    ("name", "form", "length"),
    [
        ("chain.gz", "vhd tarball", 3),
        ("chain", "vhd tarball", 3),
        ("tarball", "vhd tarball", 1),
        ("vhd", "vhd", 1),
        ("vhd-descending", "vhd", 1),
        ("raw", "raw", 1),
    ],
)
def test_an_image_becomes_a_disk(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes], name: str, form: str, length: int) -> None:
    image = glance.put("the-image", images[name])
    vdi = str(uuid.uuid4())
    made = dom0.download(image, glance.source("the-image"), form=form, vdi=vdi)
    assert (made["vdi"], made["chain"][0], len(made["chain"])) == (vdi, vdi, length)
    assert (made["virtual_size"], made["bytes_received"], made["digest"]) == (SIZE, len(images[name]), image["digest"])
    assert dom0.holds(vdi, images["raw"])
    assert dom0.files() == sorted(f"{each}.vhd" for each in made["chain"])
    record = dom0.pool.api.VDI.get_record(dom0.pool.api.VDI.get_by_uuid(vdi))
    assert (record["managed"], record["name_label"]) == (True, "")
    for parent in made["chain"][1:]:
        assert not dom0.pool.api.VDI.get_managed(dom0.pool.api.VDI.get_by_uuid(parent))


def test_others_read_what_it_makes_of_a_raw_disk(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes], tmp_path: Path) -> None:
    made = dom0.download(glance.put("raw", images["raw"]), glance.source("raw"), form="raw")
    path = tmp_path / "copy.vhd"
    path.write_bytes((dom0.directory / f"{made['vdi']}.vhd").read_bytes())
    same = content(path)[:SIZE] == images["raw"]
    assert same
    assert (dom0.directory / f"{made['vdi']}.vhd").stat().st_blocks * 512 < SIZE


@pytest.mark.parametrize(("name", "form"), [("chain.gz", "vhd tarball"), ("raw", "raw")])
def test_a_disk_grows_and_never_shrinks(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes], name: str, form: str) -> None:
    image = glance.put("grown", images[name])
    for wanted, expected in ((20 * MIB - 5, 20 * MIB), (MIB, SIZE)):
        made = dom0.download(image, glance.source("grown"), form=form, virtual_size=wanted)
        assert made["virtual_size"] == expected
        assert dom0.holds(made["vdi"], images["raw"] + bytes(expected - SIZE))


def test_an_odd_size_is_rounded_as_the_sr_wants_it(dom0: Dom0, glance: GlanceDouble) -> None:
    data = build_vhd(3 * MIB + 512, {1: {0: b"data"}})
    made = dom0.download(glance.put("odd", data), glance.source("odd"), form="vhd")
    assert made["virtual_size"] == 4 * MIB
    assert dom0.holds(made["vdi"], (bytes(2 * MIB) + b"data").ljust(4 * MIB, b"\0"))


def test_a_broken_connection_is_taken_up_where_it_broke(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    image = glance.put("far", images["chain.gz"])
    glance.plans += [Plan(drop_after=300_000), Plan(status=503), Plan(drop_after=200_000), Plan(chunked=True, drop_after=300_000), Plan(ranges=False)]
    made = dom0.download(image, glance.source("far"))
    assert dom0.holds(made["vdi"], images["raw"])
    asked = [headers.get("range") for headers in glance.asked("GET")]
    assert asked[0] is None
    assert len(asked) == 5
    # What the kernel had not delivered when the connection was reset comes again; nothing else does.
    assert all(int(each.removeprefix("bytes=").removesuffix("-")) > 0 for each in asked[1:] if each)
    assert made["bytes_received"] == len(images["chain.gz"])


def test_tries_without_progress_end(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    image = glance.put("dying", images["raw"])
    glance.plans += [Plan(drop_after=1) for _number in range(50)]
    sentence = dom0.refused_download("IMAGESTORE_SOURCE", image, glance.source("dying"), form="raw")
    assert "no source gives it" in sentence
    assert len(glance.asked("GET")) == 3


@pytest.mark.parametrize("wrong", [{"wrong_range": True}, {"wrong_end": True}], ids=str)
def test_another_part_than_the_one_asked_for_is_not_taken(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes], wrong: dict[str, bool]) -> None:
    image = glance.put("part", images["raw"])
    glance.plans += [Plan(drop_after=2 * MIB), Plan(**wrong)]
    assert "another part" in dom0.refused_download("IMAGESTORE_SOURCE", image, glance.source("part"), form="raw")


def test_the_second_source_gives_what_the_first_does_not(dom0: Dom0, glance: GlanceDouble, secure: GlanceDouble, images: dict[str, bytes]) -> None:
    image = glance.put("twice", images["chain.gz"])
    nowhere = {"url": "http://127.0.0.1:1/v2/images/twice/file", "headers": {"X-Auth-Token": "the-token"}}
    glance.plans += [Plan(status=401)]
    made = dom0.download(image, secure.source("twice"), nowhere, glance.source("twice"), glance.source("twice"))
    assert dom0.holds(made["vdi"], images["raw"])
    # The certificate was not verified, so that nothing was sent there.
    assert not secure.requests
    secure.put("twice", images["chain.gz"])
    glance.plans += [Plan(drop_after=300_000)]
    made = dom0.download(image, glance.source("twice"), secure.source("twice", verify=False))
    assert dom0.holds(made["vdi"], images["raw"])
    assert "range" in secure.asked("GET")[0]


def test_what_no_source_has_is_told_with_every_cause(dom0: Dom0, glance: GlanceDouble, secure: GlanceDouble) -> None:
    image = {"id": "nothing", "size": None, "digest": None}
    url = f"{glance.url}/v2/images/nothing/file?signature=the-token"
    sentence = dom0.refused_download("IMAGESTORE_SOURCE", image, {"url": url}, secure.source("nothing"))
    assert f"{glance.url}/v2/images/nothing/file: it answers with status 404" in sentence
    assert "its certificate cannot be verified" in sentence


def test_a_certificate_is_verified(dom0: Dom0, secure: GlanceDouble, images: dict[str, bytes]) -> None:
    image = secure.put("safe", images["tarball"])
    assert secure.certificate
    pem = secure.certificate.read_text()
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    for trusted in (
        {"ca": pem},
        {"fingerprint": fingerprint},
        {"fingerprint": ":".join([fingerprint.upper()[at : at + 2] for at in range(0, 64, 2)])},
        {"verify": False},
    ):
        assert dom0.download(image, secure.source("safe", **trusted))["virtual_size"] == SIZE
    asked = len(secure.requests)
    words = {"fingerprint": "another fingerprint", "ca": "the CA given for it is not readable"}
    for name, value in (("fingerprint", "0" * 64), ("ca", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")):
        assert words[name] in dom0.refused_download("IMAGESTORE_SOURCE", image, secure.source("safe", **{name: value}))
    assert len(secure.requests) == asked


def test_a_token_does_not_follow_a_redirect_to_another_host(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    store = GlanceDouble()
    try:
        image = store.put("moved", images["tarball"])
        glance.put("moved", b"")
        glance.plans += [Plan(redirect=f"{glance.url}/v2/images/moved/file?again"), Plan(redirect=f"{store.url}/v2/images/moved/file?signed=1")]
        assert dom0.download(image, glance.source("moved"))["virtual_size"] == SIZE
    finally:
        store.close()
    assert [headers.get("x-auth-token") for headers in glance.asked("GET")] == ["the-token"] * 2
    assert [headers.get("x-auth-token") for headers in store.asked("GET")] == [None]
    assert store.requests[0][1].endswith("?signed=1")


def test_a_redirect_never_leaves_tls_or_goes_on_for_ever(dom0: Dom0, glance: GlanceDouble, secure: GlanceDouble, images: dict[str, bytes]) -> None:
    image = glance.put("lost", images["tarball"])
    secure.put("lost", images["tarball"])
    secure.plans += [Plan(redirect=f"{glance.url}/v2/images/lost/file")]
    assert "without TLS" in dom0.refused_download("IMAGESTORE_SOURCE", image, secure.source("lost", verify=False))
    glance.plans += [Plan(redirect=f"{glance.url}/v2/images/lost/file") for _number in range(20)]
    assert "without end" in dom0.refused_download("IMAGESTORE_SOURCE", image, glance.source("lost"))
    assert len(glance.requests) == 6
    glance.plans[:] = [Plan(redirect="file:///etc/passwd")]
    assert "no URL of http" in dom0.refused_download("IMAGESTORE_SOURCE", image, glance.source("lost"))


@pytest.mark.parametrize(("name", "form"), [("chain.gz", "vhd tarball"), ("vhd", "vhd"), ("raw", "raw")])
def test_other_data_than_the_image_is_refused(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes], name: str, form: str) -> None:
    image = glance.put("other", images[name])
    wrong = image | {"digest": {"algorithm": "sha256", "value": "0" * 64}}
    assert "The sha256 digest of what came" in dom0.refused_download("IMAGESTORE_BAD_DIGEST", wrong, glance.source("other"), form=form)
    assert "it offers" in dom0.refused_download("IMAGESTORE_SOURCE", image | {"size": image["size"] + 1}, glance.source("other"), form=form)


def test_a_stream_without_a_length_needs_one_for_a_raw_disk_only(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    image = glance.put("chunked", images["chain.gz"]) | {"size": None}
    glance.plans += [Plan(chunked=True)]
    assert dom0.holds(dom0.download(image, glance.source("chunked"))["vdi"], images["raw"])
    raw = glance.put("chunked", images["raw"]) | {"size": None}
    glance.plans += [Plan(chunked=True), Plan(chunked=True)]
    assert "no source tells its size" in dom0.refused_download("IMAGESTORE_SOURCE", raw, glance.source("chunked"), form="raw")
    made = dom0.download(raw | {"size": SIZE}, glance.source("chunked"), form="raw")
    assert dom0.holds(made["vdi"], images["raw"])


def test_progress_is_told_and_a_cancelled_task_stops_the_transfer(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    api = dom0.pool.api
    image = glance.put("slow", images["raw"])
    for stop in ("cancel", "destroy", "flag"):
        glance.stalled.clear()
        glance.plans[:] = [Plan(stall_after=SIZE // 2)]
        task, vdi = api.task.create("pull", ""), str(uuid.uuid4())
        with meanwhile(lambda vdi=vdi, task=task: dom0.apart().download(image, glance.source("slow"), form="raw", vdi=vdi, task=task)) as found:
            assert glance.stalled.wait(IDLE_TIMEOUT)
            await_true(lambda task=task: 0.3 < api.task.get_progress(task) < 0.6)
            if stop == "flag":
                assert dom0.call("cancel", vdi=vdi) == {"cancelled": True}
            else:
                api.task.set_status(task, "cancelled")
                if stop == "destroy":
                    # One that is pending would only be marked.
                    api.task.destroy(task)
        assert found[0][0] == "IMAGESTORE_CANCELLED"
        assert dom0.files() == []
        with contextlib.suppress(XenAPI.Failure):
            api.task.destroy(task)
    assert dom0.call("cancel", vdi=vdi) == {"cancelled": False}


def test_a_full_sr_is_told_in_words(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    """The limit of a file's length stands for the full file system; it is met in the middle of a write too."""
    process = dom0.pool.server.process.pid
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (3 * MIB, before[1]))
    try:
        for name, form in (("raw", "raw"), ("chain.gz", "vhd tarball"), ("vhd", "vhd")):
            sentence = dom0.refused_download("IMAGESTORE_NO_SPACE", glance.put("big", images[name]), glance.source("big"), form=form)
            assert "has no room" in sentence
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)


def test_a_plugin_that_is_told_to_end_cleans_up(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    image = glance.put("ended", images["raw"])
    glance.plans += [Plan(stall_after=SIZE // 2)]
    with meanwhile(lambda: dom0.apart().download(image, glance.source("ended"), form="raw")) as found:
        assert glance.stalled.wait(IDLE_TIMEOUT)
        os.kill(await_true(lambda: plugin_process(dom0)), signal.SIGTERM)
    assert found == [["IMAGESTORE_FAILED", "The plugin was told to end."]]
    assert dom0.files() == []


def test_what_a_killed_plugin_left_goes_with_the_next_start(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    image = glance.put("killed", images["raw"])
    for again in ("download", "cleanup"):
        glance.stalled.clear()
        glance.plans[:] = [Plan(stall_after=SIZE // 2)]
        with meanwhile(lambda: dom0.apart().download(image, glance.source("killed"), form="raw")) as found:
            assert glance.stalled.wait(IDLE_TIMEOUT)
            process = plugin_process(dom0)
            # One that lives is left alone.
            assert dom0.call("cleanup") == {"removed": []}
            os.kill(process, signal.SIGKILL)
        assert found[0][0] == "XENAPI_PLUGIN_FAILURE"
        (name,) = dom0.files()
        if again == "cleanup":
            assert dom0.call("cleanup") == {"removed": [name]}
        else:
            made = dom0.download(image, glance.source("killed"), form="raw")
            assert dom0.files() == [f"{made['vdi']}.vhd"]
            dom0.clear()
    assert dom0.files() == []


def test_files_that_a_killed_plugin_had_moved_go_unless_the_pool_knows_them(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    made = dom0.download(glance.put("moving", images["chain.gz"]), glance.source("moving"))
    stranger = [str(uuid.uuid4()) for _number in range(2)]
    for number, chain in enumerate((made["chain"], stranger)):
        staging = dom0.directory / f"imagestore.{this_host()}.{2**22 + number}.1.{chain[0]}.staging"
        staging.mkdir()
        (staging / "moving").write_text(json.dumps([f"{each}.vhd" for each in chain] + ["../../pool.sqlite"]))
    for each in stranger:
        (dom0.directory / f"{each}.vhd").write_bytes(b"half")
    assert len(dom0.call("cleanup")["removed"]) == 4
    assert dom0.files() == sorted(f"{each}.vhd" for each in made["chain"])
    assert dom0.holds(made["vdi"], images["raw"])


def this_host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]


def test_staging_of_another_host_is_left_alone_while_it_beats(dom0: Dom0) -> None:
    staging = dom0.directory / f"imagestore.{'0' * 12}.1.1.{uuid.uuid4()}.staging"
    staging.mkdir()
    (staging / "lock").touch()
    assert dom0.call("cleanup") == {"removed": []}
    os.utime(staging / "lock", (0, 0))
    assert dom0.call("cleanup") == {"removed": [staging.name]}


def test_what_the_sr_does_not_take_goes(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    image = glance.put("unwanted", images["chain.gz"])
    dom0.pool.fault(kind="fail_call", method="SR.scan", error=["SR_BACKEND_FAILURE_40", "", "The SR scan failed", ""])
    sentence = dom0.refused_download("IMAGESTORE_SR", image, glance.source("unwanted"), virtual_size=2 * SIZE)
    assert "SR_BACKEND_FAILURE_40" in sentence
    assert not dom0.pool.waiting_faults()


def test_the_hosts_own_tool_is_asked(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes], python: str, tmp_path: Path) -> None:
    tool, log = tmp_path / "vhd-util", tmp_path / "log"
    image = glance.put("judged", images["chain.gz"])
    for status in (0, 1):
        tool.write_text(f'#!/bin/sh\necho "$@" >> {log}\necho the-verdict\nexit {status}\n')
        tool.chmod(0o755)
        install(dom0.pool, pythons()[python], vhd_util=str(tool))
        try:
            if status:
                assert "vhd-util refuses what was written of the image: the-verdict" in dom0.refused_download(
                    "IMAGESTORE_BAD_IMAGE", image, glance.source("judged")
                )
            else:
                chain = dom0.download(image, glance.source("judged"))["chain"]
                lines = log.read_text().splitlines()
                assert [Path(line.split()[2]).stem for line in lines] == chain[::-1]
                assert lines[-1].endswith(" -p")
        finally:
            install(dom0.pool, pythons()[python])


def test_an_sr_that_is_no_directory_of_files_is_refused(dom0: Dom0, glance: GlanceDouble, images: dict[str, bytes]) -> None:
    api = dom0.pool.api
    host = api.host.get_all()[0]
    image = glance.put("anywhere", images["tarball"])
    lvm = api.SR.create(host, {"device": "/dev/sdz"}, "0", "blocks", "", "lvm", "", False, {})
    try:
        sentence = dom0.refused_download("IMAGESTORE_SR", image, glance.source("anywhere"), sr=api.SR.get_uuid(lvm))
        assert "is of the type lvm" in sentence
    finally:
        (pbd,) = api.SR.get_PBDs(lvm)
        api.PBD.unplug(pbd)
        api.SR.forget(lvm)
    assert "is not in the pool" in dom0.refused_download("IMAGESTORE_SR", image, glance.source("anywhere"), sr=str(uuid.uuid4()))
    existing = dom0.download(image, glance.source("anywhere"))["vdi"]
    found = error(dom0.download, image, glance.source("anywhere"), vdi=existing)
    assert found == ["IMAGESTORE_BAD_REQUEST", f"The VDI {existing} exists. Give the uuid of one that does not."]


IMAGE: dict[str, Any] = {"id": "i", "size": 1, "digest": None}
SOURCE: dict[str, Any] = {"url": "http://127.0.0.1:1/file"}
WRONG: list[dict[str, Any]] = [
    {"vdi": "../../../etc/passwd"},
    {"vdi": "0A000000-0000-0000-0000-000000000000"},
    {"vdi": f"{uuid.UUID(int=1)}\n"},
    {"vdi": None},
    {"sr": ".."},
    {"sr": ["x"]},
    {"format": "qcow2"},
    {"format": None},
    {"virtual_size": "1"},
    {"virtual_size": True},
    {"virtual_size": -1},
    {"virtual_size": 1 << 60},
    {"task": "OpaqueRef:../"},
    {"task": 1},
    {"unknown": 1},
    {"image": IMAGE | {"id": "a/../b"}},
    {"image": IMAGE | {"size": 1.5}},
    {"image": IMAGE | {"digest": "abc"}},
    {"image": IMAGE | {"digest": {"algorithm": "sha512", "value": "abc"}}},
    {"image": IMAGE | {"digest": {"algorithm": "crc32", "value": "abc"}}},
    {"image": []},
    {"sources": []},
    {"sources": [SOURCE] * 33},
    {"sources": {"url": "http://x/"}},
    {"sources": [SOURCE | {"url": "file:///etc/passwd"}]},
    {"sources": [SOURCE | {"url": "http://user:pw@host/"}]},
    {"sources": [SOURCE | {"url": "http://host:99999/"}]},
    {"sources": [SOURCE | {"url": "http://host/ HTTP/1.1\r\nX: y"}]},
    {"sources": [SOURCE | {"url": "http:///x"}]},
    {"sources": [SOURCE | {"headers": {"X-Auth-Token": "a\r\nHost: b"}}]},
    {"sources": [SOURCE | {"headers": {"Host": "b"}}]},
    {"sources": [SOURCE | {"headers": {"a b": "c"}}]},
    {"sources": [SOURCE | {"headers": [1]}]},
    {"sources": [SOURCE | {"ca": "/etc/passwd"}]},
    {"sources": [SOURCE | {"fingerprint": "zz"}]},
    {"sources": [SOURCE | {"verify": "no"}]},
]


CHECK = """
import checks, failures
def verdict(given):
    try:
        checks.download(given)
    except failures.Failure as error:
        return error.code
    return "good"
result = [verdict(each) for each in given]
"""


def test_a_wrong_request_is_refused_before_anything_is_touched(dom0: Dom0, python: str) -> None:
    good = {"image": IMAGE, "format": "raw", "sources": [SOURCE], "vdi": str(uuid.uuid4()), "sr": dom0.sr}
    verdicts = run_inside(pythons()[python], CHECK, [good, *(good | wrong for wrong in WRONG)])
    assert verdicts.pop(0) == "good"
    assert [wrong for wrong, verdict in zip(WRONG, verdicts, strict=True) if verdict != "IMAGESTORE_BAD_REQUEST"] == []
    for wrong in WRONG[:3]:
        dom0.refused("IMAGESTORE_BAD_REQUEST", "download", **(good | wrong))
    call = dom0.pool.api.host.call_plugin
    host = dom0.pool.api.host.get_all()[0]
    for params in ("", "[]", "{", "null", '"text"'):
        assert error(call, host, "imagestore", "download", {"params": params})[0] == "IMAGESTORE_BAD_REQUEST"
    assert error(call, host, "imagestore", "__init__", {}) == ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "__init__"]
    assert dom0.files() == []


def test_settings_that_are_none_are_told(dom0: Dom0, python: str, plugin_pool: PoolUnderTest) -> None:
    path = plugin_pool.server.state / "imagestore.json"
    try:
        for wrong in ("{", "[]", '{"unknown": "x"}', '{"xapi": 1}'):
            path.write_text(wrong)
            assert "the settings in" in dom0.refused("IMAGESTORE_FAILED", "cleanup")
        path.write_text(json.dumps({"sr_base_path": str(plugin_pool.server.state / "sr-mount"), "xapi": str(path.with_name("no.sock"))}))
        assert "XAPI does not answer" in dom0.refused("IMAGESTORE_FAILED", "cleanup")
    finally:
        install(plugin_pool, pythons()[python])

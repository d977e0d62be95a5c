# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What plugins say of themselves, what they are called with, and which images and pools they can serve."""

from __future__ import annotations

import json
import xmlrpc.client
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._plugins.plan import (
    MAX_ARGUMENTS,
    HostFacts,
    PluginFacts,
    as_arguments,
    choose_host,
    facts_of,
    size_of_arguments,
    unfit_data,
    unfit_hosts,
    unfit_image,
    unfit_source,
    unfit_sr,
)

NEEDED = ("cancel", "download")


def host(name: str, **facts: Any) -> HostFacts:
    given = {"name": "imagestore", "present": True, "version": "1.0.0", "api": 1, "functions": ("cancel", "download", "version"), **facts}
    return HostFacts(f"ref of {name}", f"uuid of {name}", name, name == "xen-1", (PluginFacts(**given),))


@pytest.mark.parametrize(
    ("said", "version", "api", "functions"),
    [
        (json.dumps({"name": "imagestore", "version": "1.2.3", "api": 1, "python": "3.6.15", "functions": ["version"]}), "1.2.3", 1, ("version",)),
        (json.dumps({"version": 7, "api": "1", "functions": "version"}), "7", None, None),
        ("1.0\n", "1.0", None, None),
        ("2.5", "2.5", None, None),
        ('["1"]', "['1']", None, None),
        ("", None, None, None),
        ("x" * 5000, "x" * 200, None, None),
    ],
)
def test_a_version_may_be_told_in_many_ways(said: str, version: str | None, api: int | None, functions: tuple[str, ...] | None) -> None:
    found = facts_of("imagestore", said)
    assert (found.present, found.version, found.api, found.functions, found.error) == (True, version, api, functions, None)


def test_arguments_are_texts() -> None:
    given = {"text": " as it is ", "number": 5, "flag": True, "nothing": None, "list": [1, "ü"], 7: {"deep": None}}
    made = as_arguments(given)
    assert made == {"text": " as it is ", "number": "5", "flag": "true", "nothing": "", "list": '[1, "\\u00fc"]', "7": '{"deep": null}'}


@pytest.mark.parametrize("text", ["plain", '{"a": "<&>"}', "ü'\"", "\n"])
def test_the_size_of_arguments_is_never_counted_too_small(text: str) -> None:
    arguments = {f"key{number}": text * 400 for number in range(3)}
    call = xmlrpc.client.dumps(("OpaqueRef:" + "0" * 36, arguments), "download")
    compact = call.replace("\n<", "<")
    assert len(compact.encode()) - 600 < size_of_arguments(arguments)
    assert MAX_ARGUMENTS < 128 * 1024 - 600


@pytest.mark.parametrize(
    ("params", "words"), [({"image": "x"}, None), ({"src": "/x"}, "named by src"), ({"uri": "https://x"}, "named by uri"), ({"src": None, "uri": None}, None)]
)
def test_only_glance_is_pulled_from(params: dict[str, Any], words: str | None) -> None:
    found = unfit_source(params)
    assert (found is None) == (words is None)
    assert found is None or (words in found.cause and found.advice == "Use transport auto or http")


@pytest.mark.parametrize(
    ("disk", "container", "words"),
    [
        ("raw", "bare", None),
        ("iso", "bare", None),
        ("vhd", "bare", None),
        ("vhd", "ovf", None),
        ("qcow2", "bare", "disk_format is 'qcow2'"),
        ("vmdk", "bare", "disk_format is 'vmdk'"),
        (None, "bare", "disk_format is 'None'"),
        ("raw", "compressed", "container_format is 'compressed'"),
        ("raw", "docker", "container_format is 'docker'"),
    ],
)
def test_what_is_declared_of_an_image(disk: str | None, container: str, words: str | None) -> None:
    found = unfit_image(disk, container, "sha512")
    assert (found is None) == (words is None)
    assert found is None or words in found.cause
    assert unfit_image("raw", "bare", None) is None
    assert unfit_image("raw", "bare", "blake2b") is not None


@pytest.mark.parametrize(
    ("form", "compression", "fits"),
    [
        ("raw", None, True),
        ("iso", None, True),
        ("vhd", None, True),
        ("vhd tarball", None, True),
        ("vhd tarball", "gzip", True),
        ("vhd tarball", "xz", False),
        ("vhd", "gzip", False),
        ("raw", "gzip", False),
        ("qcow2", None, False),
    ],
)
def test_what_the_bytes_are(form: str, compression: str | None, fits: bool) -> None:
    assert (unfit_data(form, compression) is None) == fits


@pytest.mark.parametrize(("kind", "fits"), [("nfs", True), ("ext", True), ("file", True), ("smb", True), ("lvm", False), ("lvmoiscsi", False), ("iso", False)])
def test_only_srs_of_files_take_files(kind: str, fits: bool) -> None:
    found = unfit_sr("images", kind)
    assert (found is None) == fits
    assert found is None or f"SR 'images' is of type {kind}" in found.cause


@pytest.mark.parametrize(
    ("hosts", "cause"),
    [
        ([host("xen-1")], None),
        ([host("xen-1"), host("xen-2")], None),
        ([host("xen-1"), host("xen-2", functions=None)], None),
        # A host that is down does not see the SR.
        ([host("xen-1"), host("xen-2", present=None, version=None, error="it is down")], None),
        ([], "no host is connected to the SR"),
        ([host("xen-1", present=None, error="it is down")], "no host that sees the SR answers (xen-1: it is down)"),
        ([host("xen-1"), host("xen-2", present=False)], "host xen-2 has no plugin imagestore"),
        ([host("xen-2", present=False), host("xen-1", present=False)], "the hosts xen-1, xen-2 have no plugin imagestore"),
        ([host("xen-1"), host("xen-2", version="1.1.0")], "the hosts have different versions of the plugin imagestore: xen-1 has 1.0.0, xen-2 has 1.1.0"),
        ([host("xen-1"), host("xen-2", version=None)], "the hosts have different versions of the plugin imagestore: xen-1 has 1.0.0, xen-2 has unknown"),
        ([host("xen-1", error="the plugin ended with an error of its own")], "the plugin imagestore of host xen-1 does not run: the plugin ended with"),
        ([host("xen-1", api=2)], "version 1.0.0 of the plugin imagestore, of interface 2, and this module knows interface 1"),
        ([host("xen-1", api=None)], "of an unknown interface"),
        ([host("xen-1", functions=("download",))], "the plugin imagestore 1.0.0 has no function cancel"),
    ],
)
def test_every_host_that_sees_the_sr_must_have_the_same_plugin(hosts: list[HostFacts], cause: str | None) -> None:
    found = unfit_hosts(hosts, NEEDED)
    assert (found is None) == (cause is None), found
    assert found is None or (found.cause.startswith(cause) or cause in found.cause)


def test_the_coordinator_pulls_where_it_can() -> None:
    assert choose_host([host("xen-0"), host("xen-1"), host("xen-2")]).name == "xen-1"
    assert choose_host([host("xen-3"), host("xen-1", present=None), host("xen-2")]).name == "xen-2"

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of a real Glance that a host pulls by the real plugin: bit for bit, once, and by that way only where it can be."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.tests.support.deployment import free_port
from ansible_collections.xenstack.image_services.tests.support.disks import MIB, build_vhd, qemu_img, summed, tarball_of
from ansible_collections.xenstack.image_services.tests.support.imports import NAME, disks_of, imported
from ansible_collections.xenstack.image_services.tests.support.pulls import SR, Setting, rounded, scripted

Upload = Callable[[bytes, str, str], str]


@pytest.fixture
def uploaded(setting: Setting) -> Iterator[Upload]:
    """Makes images of Glance; gives the id."""
    glance = Connection(setting.cloud.auth("alice")).glance
    made = []

    def upload(data: bytes, disk_format: str, container_format: str) -> str:
        ident = str(uuid.uuid4())
        made.append(ident)
        glance.create({"id": ident, "name": "dom0 upload", "disk_format": disk_format, "container_format": container_format})
        glance.upload(ident, data, len(data))
        return ident

    yield upload
    for ident in made:
        glance.delete(ident)


@pytest.mark.parametrize("name", ["raw", "vhd-descending", "chain", "chain.gz"])
def test_a_host_pulls_what_the_module_would_send(setting: Setting, name: str) -> None:
    image = setting.images[name]
    predicted = setting.pull(name, check=True)
    assert (predicted["changed"], predicted["transport"], predicted["vdi"]["uuid"]) == (True, "dom0", None)
    assert not disks_of(setting.pool)
    done = setting.pull(name, verify=name == "chain")
    assert (done["changed"], done["transport"], done["transport_reason"], done["upload_format"]) == (True, "dom0", None, None)
    assert done["format"] == {"raw": "raw", "vhd-descending": "vhd"}.get(name, "vhd tarball")
    assert done["verified"] == (name == "chain")
    assert done["bytes_transferred"] == setting.paths[name].stat().st_size
    assert done["vdi"]["other_config"] == {
        "image_services_source": f"glance:{image['id']}",
        "image_services_digest": f"{image['os_hash_algo']}:{image['os_hash_value']}",
    }
    assert setting.stored() == rounded(setting.paths["raw"].read_bytes())
    # By whatever way, it is there.
    for transport in ("dom0", "http", "auto"):
        again = setting.pull(name, transport=transport)
        assert (again["changed"], again["bytes_transferred"], again["transport"], again["upload_format"]) == (False, 0, None, None)
        assert again["vdi"] == done["vdi"]


def test_what_the_module_has_sent_is_not_pulled(setting: Setting) -> None:
    assert setting.pull(transport="http")["transport"] == "http"
    assert setting.pull()["changed"] is False


def test_attributes_and_size_are_as_declared(setting: Setting) -> None:
    declared = {"description": "pulled", "tags": ["b", "a"], "size": "33M", "read_only": True}
    done = setting.pull(**declared)
    vdi = done["vdi"]
    assert (vdi["description"], vdi["tags"], vdi["virtual_size"], vdi["read_only"], vdi["sharable"]) == ("pulled", ["a", "b"], 34 * MIB, True, False)
    assert setting.stored() == setting.paths["raw"].read_bytes().ljust(34 * MIB, b"\0")
    assert setting.pull(**declared)["changed"] is False
    assert setting.pull(**{**declared, "transport": "http"})["changed"] is False


def test_a_sharable_disk_is_created_by_the_module(setting: Setting) -> None:
    text = setting.refused("the VDI is to be sharable, which only a VDI can be that the module creates, and transport is dom0", sharable=True)
    assert text.endswith("Use transport auto or http.")
    done = setting.pull(sharable=True, transport="auto")
    assert (done["transport"], done["vdi"]["sharable"]) == ("http", True)
    assert "the module creates" in done["transport_reason"]


def test_new_content_replaces_the_old_one(setting: Setting) -> None:
    old = setting.pull("raw", tags=["kept"])["vdi"]
    setting.pool.api.VDI.add_to_other_config(disks_of(setting.pool)[0], "owner", "somebody")
    done = setting.pull("chain.gz", on_replace="delete", verify=True)
    assert done["replaced_vdi"] == old["uuid"] != done["vdi"]["uuid"]
    assert done["vdi"]["tags"] == ["kept"]
    assert done["vdi"]["other_config"]["owner"] == "somebody"
    assert setting.stored() == rounded(setting.paths["raw"].read_bytes())


def test_the_next_endpoint_is_asked_where_one_does_not_answer(setting: Setting) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with setting.cloud.proxy() as proxy:
        assert setting.pull(dom0_endpoints=[dead, f"{proxy.url}/v2/"])["transport"] == "dom0"
        assert [request for request in proxy.requests if request.endswith("/file")]
    text = setting.refused(name=f"{NAME} 2", dom0_endpoints=[dead])
    assert dead in text
    assert "See that the host reaches Glance" in text


# What is taken, and why


def test_auto_takes_dom0_where_it_can(setting: Setting) -> None:
    done = setting.pull(transport="auto")
    assert (done["transport"], done["transport_reason"]) == ("dom0", "every host that sees SR 'dom0 tests' has the plugin imagestore 1.0.0")


@pytest.fixture
def lvm(setting: Setting) -> Iterator[str]:
    api = setting.pool.api
    sr = api.SR.create(api.host.get_all()[0], {"device": "/dev/dom0"}, "0", "dom0 lvm", "", "lvm", "", False, {})
    yield "dom0 lvm"
    for vdi in api.SR.get_VDIs(sr):
        api.VDI.destroy(vdi)
    for pbd in api.SR.get_PBDs(sr):
        api.PBD.unplug(pbd)
    api.SR.destroy(sr)


def without_plugin(setting: Setting) -> str:
    """One of the hosts has none any more; its name."""
    record = list(setting.pool.api.host.get_all_records().values())[1]
    (setting.plugins / record["uuid"]).mkdir()
    return str(record["name_label"])


def with_another_version(setting: Setting) -> str:
    """One of the hosts has a plugin that says 0.9.0; its name."""
    name = without_plugin(setting)
    (record,) = [each for each in setting.pool.api.host.get_all_records().values() if each["name_label"] == name]
    said = json.dumps({"name": "imagestore", "version": "0.9.0", "api": 1, "python": "2.7.5", "functions": ["cancel", "download", "version"]})
    scripted(setting.plugins / record["uuid"] / "imagestore", f"value = {said!r}")
    return name


def test_what_stands_against_it_is_an_error_or_a_reason(setting: Setting, lvm: str) -> None:
    def both(words: str, advice: str, options: dict[str, Any]) -> None:
        setting.refused(f"{words}, and transport is dom0. {advice}", **options)
        with setting.pool.nothing_left("VDI"):
            done = imported(setting.pool, **{**setting.options(), **options, "transport": "auto"})
        assert (done["changed"], done["transport"], done["upload_format"]) == (True, "http", "chunked")
        assert words in done["transport_reason"]
        assert imported(setting.pool, **{**setting.options(), "state": "absent", "sr": options.get("sr", SR)})["changed"]

    both("its disk_format is 'qcow2', and hosts pull raw disks and VHDs", "Use transport auto or http.", {"image": setting.images["qcow2"]["id"]})
    local = {"image": None, "src": str(setting.paths["raw"])}
    both("the content is named by src, and a host pulls images of Glance alone", "Use transport auto or http.", local)
    both("SR 'dom0 lvm' is of type lvm, and a host can put files only into SRs of the types ext, file, nfs, smb", "Use transport auto or http.", {"sr": lvm})
    host = without_plugin(setting)
    both(f"host {host} has no plugin imagestore", "Install it with the role xen_dom0_plugins, or use transport auto or http.", {})
    shutil.rmtree(next(path for path in setting.plugins.iterdir() if path.is_dir()))
    host = with_another_version(setting)
    other = next(each["name_label"] for each in setting.pool.api.host.get_all_records().values() if each["name_label"] != host)
    listed = ", ".join(f"{name} has {version}" for name, version in sorted({host: "0.9.0", other: "1.0.0"}.items()))
    both(f"the hosts have different versions of the plugin imagestore: {listed}", "Install one version on all of them", {})


def test_a_ca_file_that_is_too_large_for_a_call(setting: Setting, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("words\n-----BEGIN CERTIFICATE-----\n" + ("A" * 64 + "\n") * 2200 + "-----END CERTIFICATE-----\n")
    glance = setting.glance
    glance["cloud"]["cacert"] = str(bundle)
    options = {"glance": glance, "dom0_endpoints": ["https://127.0.0.1:9"]}
    text = setting.refused("Cannot call plugin 'imagestore': the arguments take", **options)
    assert "Have the cloud's settings name a file of the one authority" in text
    done = setting.pull(**{**options, "transport": "auto"})
    assert done["transport"] == "http"
    assert "the arguments take" in done["transport_reason"]


def test_what_is_no_endpoint(setting: Setting) -> None:
    for address in ("glance", "ftp://x", "https://user:word@x", "https://x?y=z", "http://"):
        text = setting.refused("it is not the address of an image service", dom0_endpoints=[address])
        assert "word" not in text


def test_a_size_that_is_too_small(setting: Setting) -> None:
    for name in ("raw", "vhd-descending", "chain"):
        setting.refused("disks are not made smaller", name=f"{NAME} {name}", image=setting.images[name]["id"], size="10M")


# What a host does not read, and the module does


def refused_by_hosts(folder: Path, raw: bytes) -> dict[str, tuple[bytes, str, str]]:
    """Images of the disk that the plugin refuses, each with its container format and the words for it."""
    sectors = {start: raw[start : start + 512] for start in range(0, len(raw), 512) if any(raw[start : start + 512])}

    def blocks(size: int) -> dict[int, dict[int, bytes]]:
        found: dict[int, dict[int, bytes]] = {}
        for start, data in sectors.items():
            found.setdefault(start // size, {})[start % size // 512] = data
        return found

    small = build_vhd(len(raw), blocks(512 * 1024), block_size=512 * 1024)
    path = folder / "fixed.vhd"
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on", folder / "disk.raw", path)
    fixed = path.read_bytes()
    leaf = build_vhd(len(raw), {}, kind=4, parent=fixed[-512:][68:84])
    return {
        "small blocks": (small, "bare", "has blocks of 524288 bytes; Xen reads blocks of 2 MiB"),
        "fixed base": (tarball_of([("0.vhd", leaf), ("1.vhd", fixed)]), "ovf", "The footer of 1.vhd is missing"),
    }


def test_auto_sends_what_the_host_refuses(setting: Setting, tmp_path: Path, uploaded: Upload) -> None:
    raw = setting.paths["raw"].read_bytes()
    (tmp_path / "disk.raw").write_bytes(raw)
    for name, (data, container, words) in refused_by_hosts(tmp_path, raw).items():
        image = uploaded(data, "vhd", container)
        text = setting.refused(words, image=image)
        assert text.endswith("Use transport auto, by which the module sends what hosts do not read, or give another image."), text
        with setting.pool.nothing_left("VDI"):
            done = setting.pull(image=image, transport="auto", size="100MiB")
        assert (done["changed"], done["transport"], done["upload_format"], done["vdi"]["virtual_size"]) == (True, "http", "chunked", 100 * MIB), name
        assert words in done["transport_reason"]
        assert setting.stored() == raw.ljust(100 * MIB, b"\0")
        assert setting.pull(image=image, transport="auto", size="100MiB")["changed"] is False
        assert setting.pull(image=image, state="absent")["changed"]


def test_vhds_of_any_creator_grow_to_the_declared_size_once(setting: Setting, tmp_path: Path, uploaded: Upload) -> None:
    """A size that is no multiple of 2 MiB, by creators whose VHDs the host's own tool does not grow, by either transport."""
    raw = setting.paths["raw"].read_bytes()
    (tmp_path / "disk.raw").write_bytes(raw)
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", tmp_path / "disk.raw", tmp_path / "qemu.vhd")
    caml = setting.paths["vhd-descending"].read_bytes()
    of_the_future = bytearray(caml[:512])
    of_the_future[24:28] = b"\xff\xff\xff\xff"
    of_the_future[28:36] = b"tap\0\0\1\0\3"
    sealed = summed(bytes(of_the_future), 64)
    for data in ((tmp_path / "qemu.vhd").read_bytes(), caml, sealed + caml[512:-512] + sealed):
        image = uploaded(data, "vhd", "bare")
        for transport in ("dom0", "http"):
            options = {"image": image, "transport": transport, "size": "100MiB"}
            done = setting.pull(**options)
            assert (done["transport"], done["vdi"]["virtual_size"]) == (transport, 100 * MIB)
            assert setting.stored() == raw.ljust(100 * MIB, b"\0")
            assert setting.pull(**options)["changed"] is False
            assert setting.pull(**{**options, "size": "102MiB"})["vdi"]["virtual_size"] == 102 * MIB
            assert setting.pull(image=image, state="absent")["changed"]


def test_a_warning_of_the_plugin_is_one_of_the_task(setting: Setting, uploaded: Upload) -> None:
    image = uploaded(setting.paths["vhd-descending"].read_bytes()[:-512], "vhd", "bare")
    assert setting.pull(image=image)["warnings"] == ["The image has no footer at its end, as a crash leaves it. The copy at its beginning was used."]
    assert setting.pull(image=image)["warnings"] == []

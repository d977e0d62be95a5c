# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in the documentation of the xen modules run as they stand. Replaced is only where things are: pools, files, addresses and uuids."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support import dom0
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, run_playbook
from ansible_collections.xenstack.image_services.tests.support.disks import qemu_img
from ansible_collections.xenstack.image_services.tests.support.mirror import Mirror
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.receiver import Receiver
from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PASSWORD, PoolUnderTest, run_pool

PREFIX = "xenstack.image_services."
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("xen_*.py"))
# Examples that do not run here, by module and name, with the reason.
EXCEPTIONS = {
    ("xen_dom0_plugin", None): "they are plays for hosts behind ssh; test_xen_dom0_plugin.py runs such plays",
    ("xen_vdi_export", "Keep the disk of an instance of Nova as an image that belongs to it"): "needs the filter in Glance; test_related_images.py has it",
}
DEBIAN = "https://cloud.debian.org"
INVENTORY = """#!/bin/sh
echo '<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value></member>
<member><name>Value</name><value>[]</value></member></struct></value></param></params></methodResponse>'
"""


@dataclass
class World:
    """What the examples of one module find, and what stands for the names in them."""

    pool: PoolUnderTest
    cloud: Cloud
    files: Path
    others: dict[str, PoolUnderTest] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)

    @property
    def api(self) -> Any:
        return self.pool.api

    def sr(self, name: str, kind: str = "file", pool: PoolUnderTest | None = None, **config: str) -> str:
        api = (pool or self.pool).api
        given = config or {"location": f"/{name}"}
        return str(api.SR.create(api.host.get_all()[0], given, "0", name, "", kind, "", True, {}))

    def disk(self, name: str, sr: str | None = None, **options: Any) -> str:
        done = run_module("xen_vdi_import", self.pool.options(name=name, src=str(self.files / "disk.raw"), disk_format="raw", sr=sr, **options)).succeeded()
        return str(self.api.VDI.get_by_uuid(done["vdi"]["uuid"]))

    def machine(self, name: str, *disks: str, state: str = "running") -> None:
        self.disk(f"{name} root")
        options = {"name": name, "boot_disk": f"{name} root", "disks": [{"vdi": disk} for disk in disks], "state": state}
        run_module("xen_vm", self.pool.options(**options)).succeeded()


def _for_export(world: World) -> None:
    world.machine("golden")
    world.disk("database data")
    world.machine("database", "database data")
    web = world.disk("web")
    for stated in ("3c4d1f5e-7a50-4b8f-9c3d-2f0f3f6f8a10", "9a0b5c5e-3f52-4d0e-8d25-51a8f0f3f1c2"):
        world.replaced[stated] = world.api.VDI.get_uuid(world.api.VDI.snapshot(web, {}))


def _for_import(world: World) -> None:
    world.sr("images")
    world.sr("shared")
    world.disk("debian-11", "images")
    dom0.install(world.pool)


def _for_plugins(world: World) -> None:
    plugins = dom0.install(world.pool)
    (plugins / "inventory").write_text(INVENTORY, encoding="utf-8")
    (plugins / "inventory").chmod(0o755)
    world.api.host.set_name_label(world.api.host.get_all()[1], "xen-2")
    world.replaced["2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11"] = world.api.SR.get_uuid(world.sr("shared"))


def _for_srs(world: World) -> None:
    """The storage of the SR that is introduced: the second pool has had it."""
    second = world.others["xen2.example.org"]
    sr = world.sr("images", "nfs", second, server="nfs.example.org", serverpath="/export/images")
    world.replaced["2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11"] = second.api.SR.get_uuid(sr)
    for pbd in second.api.SR.get_PBDs(sr):
        second.api.PBD.unplug(pbd)
    second.api.SR.forget(sr)
    world.sr("scratch")


def _for_machines(world: World) -> None:
    for name in ("debian-13", "web-1 data", "legacy-root"):
        world.disk(name)


def _for_lists(world: World) -> None:
    world.sr("images", "nfs", server="nfs.example.org", serverpath="/export/images")
    world.disk("debian-13", "images")


def _for_copies(world: World) -> None:
    """The first SR is the default one, into which the examples import."""
    api = world.api
    api.SR.set_name_label(api.pool.get_default_SR(api.pool.get_all()[0]), "local storage of xen-1")
    world.sr("local storage of xen-2")


PREPARED: dict[str, Callable[[World], object]] = {
    "xen_plugin": _for_plugins,
    "xen_sr": _for_srs,
    "xen_sr_info": _for_lists,
    "xen_vdi_copy": _for_copies,
    "xen_vdi_export": _for_export,
    "xen_vdi_import": _for_import,
    "xen_vdi_info": _for_lists,
    "xen_vm": _for_machines,
}


def examples_of(name: str) -> list[dict[str, Any]]:
    text = (ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")
    found = re.search(r'^EXAMPLES = r"""\n(.*?)^"""', text, re.MULTILINE | re.DOTALL)
    assert found is not None
    tasks: list[dict[str, Any]] = yaml.safe_load(found[1])
    return tasks


def located(value: Any, world: World) -> Any:
    """The same, with its pool, its files and its uuids where they are here."""
    if isinstance(value, list):
        return [located(each, world) for each in value]
    if isinstance(value, dict):
        return {key: _option(key, located(each, world), world) for key, each in value.items()}
    if isinstance(value, str):
        for stated, here in world.replaced.items():
            value = value.replace(stated, here)
    return value


def _option(key: str, value: Any, world: World) -> Any:
    if key in ("hostname", "ca_path"):
        pool = world.others.get(value, world.pool)
        return pool.options()[key]
    if key in ("src", "dest"):
        return f"{world.files}{value}"
    return value


def leaves(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        if "block" in task:
            yield from leaves(task["block"])
        else:
            yield task


def without_exceptions(name: str, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = [task for task in tasks if (name, task["name"]) not in EXCEPTIONS]
    return [{**task, "block": without_exceptions(name, task["block"])} if "block" in task else task for task in kept]


@pytest.fixture
def images(cloud: Cloud, tmp_path: Path) -> Iterator[Path]:
    """The directory of the examples' files, and the images that Glance has."""
    files = tmp_path / "files"
    (files / "srv" / "images").mkdir(parents=True)
    (files / "srv" / "backup").mkdir()
    raw = files / "disk.raw"
    raw.write_bytes(os.urandom(510) + b"\x55\xaa" + os.urandom(MIB).ljust(4 * MIB - 512, b"\0"))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, files / "disk.qcow2")
    qemu_img("convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", raw, files / "srv" / "images" / "appliance.vhd")
    made = {"debian-13": ("disk.qcow2", "qcow2"), "debian-13-xen": ("srv/images/appliance.vhd", "vhd")}
    for name, (path, disk_format) in made.items():
        run_module("glance_image", {**cloud.auth("admin"), "name": name, "src": str(files / path), "disk_format": disk_format}).succeeded()
    yield files
    for name in (*made, "golden", "database data"):
        cloud.remove_images(name)


def test_the_examples_of_all_xen_modules_run(cloud: Cloud, images: Path, tmp_path: Path) -> None:
    names = [name for name in MODULES if (name, None) not in EXCEPTIONS]
    for module, task in EXCEPTIONS:
        assert task is None or task in [each["name"] for each in leaves(examples_of(module))], "an exception for what is not there"
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(yaml.safe_dump({"clouds": {"production": cloud.auth("admin")["cloud"]}}), encoding="utf-8")
    with ExitStack() as stack:
        mirror, receiver = stack.enter_context(Mirror()), stack.enter_context(Receiver())

        def pool(name: str) -> PoolUnderTest:
            running = run_pool(tmp_path / name / "state")
            stack.callback(running.close)
            return next(running)

        qcow2 = (images / "disk.qcow2").read_bytes()
        directory = "/images/cloud/trixie/latest"
        mirror.files[f"{directory}/debian-13-genericcloud-amd64.qcow2"] = qcow2
        mirror.files[f"{directory}/SHA512SUMS"] = checksums(qcow2)
        blocks, expected, certificates = [], 0, ""
        variables: dict[str, Any] = {"signed_address": receiver.uri("/signed?signature=x")}
        for name in names:
            world = World(pool(name), cloud, images, replaced={DEBIAN: mirror.uri(""), "https://glance.internal:9292": f"http://127.0.0.1:{cloud.glance_port}"})
            if name == "xen_sr":
                world.others["xen2.example.org"] = pool("xen2")
            certificates += world.pool.certificate.read_text(encoding="ascii")
            PREPARED.get(name, lambda world: None)(world)
            tasks = without_exceptions(name, examples_of(name))
            expected += len(list(leaves(tasks)))
            fingerprint = world.others.get("xen2.example.org", world.pool).fingerprint
            blocks.append({"name": f"Examples of {name}", "block": located(tasks, world), "vars": {"pool_fingerprint": fingerprint}})
        # Examples without ca_path are of pools whose certificate the system trusts.
        trusted = tmp_path / "trusted.pem"
        trusted.write_text(certificates, encoding="ascii")
        run = play(tmp_path, blocks, {**variables, **passwords(blocks)}, OS_CLIENT_CONFIG_FILE=str(clouds), SSL_CERT_FILE=str(trusted))
    recap = re.search(r"^localhost\s+: ok=(\d+).* failed=0 +skipped=0 ", run, re.MULTILINE)
    assert recap is not None, run
    assert int(recap[1]) == expected, run


def checksums(content: bytes) -> bytes:
    return f"{hashlib.sha512(content).hexdigest()}  debian-13-genericcloud-amd64.qcow2\n".encode()


def passwords(blocks: list[dict[str, Any]]) -> dict[str, str]:
    """Every variable of the examples that is called a password is that of the pools."""
    return dict.fromkeys(re.findall(r"\{\{ (\w*password) \}\}", str(blocks)), PASSWORD)


def play(directory: Path, blocks: list[dict[str, Any]], variables: Mapping[str, Any], **environment: str) -> str:
    plays = [{"name": "Run the examples", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": blocks}]
    path = directory / "examples.yml"
    path.write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
    interpreter = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    return run_playbook(path, {**variables, **interpreter}, more={"ANSIBLE_NOCOLOR": "1", **environment}).succeeded().output

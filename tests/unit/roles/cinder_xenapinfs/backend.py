# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend with its volumes, and an image service of files."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xapi
from cinder import context, objects
from cinder.volume import configuration, driver
from cinder_xenapinfs.driver import XenAPINFSDriver
from oslo_config import cfg

ROOT = Path(__file__).parents[4]
MIB, GIB = 1 << 20, 1 << 30
SECTION = """
[{name}]
volume_backend_name = {name}
volume_driver = cinder_xenapinfs.driver.XenAPINFSDriver
xenapi_connection_url = {url}
xenapi_connection_password = {password}
xenapi_nfs_server = nfs.example.org
xenapi_nfs_serverpath = /srv/{name}
xenapi_ca_path = {ca}
"""


def configure(directory: Path, pool: xapi.PoolUnderTest) -> None:
    text = f"[DEFAULT]\nenabled_backends = first,second\nstate_path = {directory}\nimage_conversion_dir = {directory}/conversion\n"
    for name in ("first", "second"):
        text += SECTION.format(name=name, url=pool.server.url, password=xapi.PASSWORD, ca=pool.certificate)
    path = directory / "cinder.conf"
    path.write_text(text, encoding="utf-8")
    cfg.CONF(["--config-file", str(path)], project="cinder")


def install_plugin(state: Path) -> Path:
    """The Dom0 plugin in the pool, for this Python; its file."""
    spec = importlib.util.spec_from_file_location("dom0_archive", ROOT / "plugins/plugin_utils/dom0_archive.py")
    assert spec
    assert spec.loader
    archive = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(archive)
    (state / "plugins").mkdir(exist_ok=True)
    plugin = state / "plugins/imagestore"
    plugin.write_bytes(archive.build(str(ROOT / "roles/xen_dom0_plugins/files/imagestore"), [sys.executable]))
    plugin.chmod(0o755)
    (state / "imagestore.json").write_text(json.dumps({"sr_base_path": str(state / "sr-mount"), "xapi": str(state / "xapi.sock")}))
    return plugin


class Backend:
    """One backend, as cinder-volume sets it up."""

    def __init__(self, name: str, pool: xapi.PoolUnderTest, options: dict[str, Any]) -> None:
        self.name, self.pool = name, pool
        self.context = context.get_admin_context()
        conf = configuration.Configuration(driver.volume_opts, config_group=name)
        self.driver = XenAPINFSDriver(configuration=conf, host=f"node@{name}")
        for option, value in options.items():
            cfg.CONF.set_override(option, value, group=name)

    def set_up(self) -> XenAPINFSDriver:
        self.driver.do_setup(self.context)
        self.driver.check_for_setup_error()
        self.driver.set_initialized()
        return self.driver

    def volume(self, size: int = 1, **fields: Any) -> Any:
        given = {
            "id": str(uuid.uuid4()),
            "_name_id": None,
            "size": size,
            "host": f"node@{self.name}#{self.name}",
            "display_name": "a volume",
            "display_description": None,
            "attach_status": "detached",
            "status": "creating",
            "provider_location": None,
            "volume_type": objects.VolumeType(context=self.context, extra_specs={}),
            "glance_metadata": {},
        }
        return objects.Volume(self.context, **given | fields)

    def snapshot(self, volume: Any, **fields: Any) -> Any:
        given = {"id": str(uuid.uuid4()), "volume_size": volume.size, "volume": volume, "volume_id": volume.id, "provider_location": None}
        return objects.Snapshot(self.context, **given | fields)

    def made(self, size: int = 1, **fields: Any) -> Any:
        """A volume that exists."""
        volume = self.volume(size, **fields)
        volume.update(self.driver.create_volume(volume))
        volume.status = "available"
        return volume

    @property
    def share(self) -> list[str]:
        """The files on the NFS share."""
        root = self.pool.server.state / "devices/nfs" / f"at-nfs.example.org%3A%2Fsrv%2F{self.name}"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) if root.is_dir() else []

    def path(self, volume: Any) -> Path:
        root = self.pool.server.state / "devices/nfs" / f"at-nfs.example.org%3A%2Fsrv%2F{self.name}"
        return root / f"{volume.provider_location}.vhd"

    def size(self, volume: Any) -> int:
        return int(json.loads(subprocess.check_output(["qemu-img", "info", "--output=json", "-f", "vpc", self.path(volume)]))["virtual-size"])

    def holds(self, volume: Any, data: bytes) -> bool:
        """Whether the disk begins with the data and has nothing else, as qemu-img reads the file on the share."""
        raw = self.path(volume).with_suffix(".read")
        try:
            subprocess.run(["qemu-img", "convert", "-f", "vpc", "-O", "raw", self.path(volume), raw], check=True)
            with raw.open("rb") as file:
                if file.read(len(data)) != data:
                    return False
                try:
                    more = os.lseek(file.fileno(), len(data), os.SEEK_DATA)
                except OSError as exc:
                    if exc.errno == errno.ENXIO:
                        return True
                    raise
                file.seek(more)
                return not file.read().strip(b"\0")
        finally:
            raw.unlink(missing_ok=True)


class ImageService:
    """Images in files, as Cinder's client of Glance offers them."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.data: dict[str, bytes] = {}
        self.temp_images: Any = None

    def add(self, data: bytes, disk_format: str, container_format: str = "bare", **more: Any) -> str:
        identity = str(uuid.uuid4())
        meta = {"id": identity, "name": "an image", "disk_format": disk_format, "container_format": container_format, "size": len(data), "properties": {}}
        self.images[identity], self.data[identity] = meta | more, data
        return identity

    def empty(self, disk_format: str, container_format: str = "bare") -> dict[str, Any]:
        return self.images[self.add(b"", disk_format, container_format)]

    def show(self, dummy: Any, image_id: str) -> dict[str, Any]:
        return dict(self.images[image_id])

    def download(self, dummy: Any, image_id: str, data: Any = None) -> Iterator[bytes] | None:
        chunks = (self.data[image_id][at : at + 65536] for at in range(0, len(self.data[image_id]), 65536))
        if data is None:
            return chunks
        data.writelines(chunks)
        return None

    def update(self, dummy: Any, image_id: str, meta: dict[str, Any], data: Any = None, **_more: Any) -> None:
        parts = []
        while chunk := data.read(65536):
            parts.append(chunk)
        self.data[image_id] = b"".join(parts)
        self.images[image_id] |= meta | {"size": len(self.data[image_id])}

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Temporary raw files through which cinder-backup, which has no connector for disks of a pool, reads and writes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from cinder import exception
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import fileutils, units

from . import stream
from .location import Location
from .session import Session
from .volumes import Volumes

LOG = logging.getLogger(__name__)
READING = ("backing-up",)
# A new volume that is restored from a backup has the status creating.
WRITING = ("restoring-backup", "creating")


class Backups:
    def __init__(self, volumes: Volumes, backend: str) -> None:
        self.volumes, self.backend = volumes, backend

    def path(self, volume: Any) -> Path:
        """The name ends in the name of the backend: Cinder removes such files when it starts."""
        directory = cfg.CONF.image_conversion_dir
        fileutils.ensure_tree(directory)
        return Path(directory) / f"xenapinfs_backup_{volume['id']}_{self.backend.replace('/', '_')}"

    def handles(self, volume: Any) -> bool:
        return volume["status"] in READING + WRITING

    def begin(self, volume: Any, where: Location) -> dict[str, Any]:
        """Create the file that is read or written in place of the disk."""
        path = self.path(volume)
        path.unlink(missing_ok=True)
        try:
            with path.open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                if volume["status"] in WRITING:
                    file.truncate(volume["size"] * units.Gi)
                else:
                    with self.volumes.disk(where) as (session, _repository, vdi):
                        self.fill(file, session, vdi)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return {"driver_volume_type": "local", "data": {"device_path": str(path)}}

    def fill(self, file: BinaryIO, session: Session, vdi: str) -> None:
        with stream.receive(session, vdi, "raw") as received:
            stream.write_sparse(file, received)

    def end(self, volume: Any, where: Location) -> None:
        """Write what was restored into the disk, and remove the file."""
        path = self.path(volume)
        try:
            if volume["status"] not in WRITING:
                return
            size = volume["size"] * units.Gi
            try:
                file = path.open("rb")
            except FileNotFoundError as exc:
                sentence = f"Cannot restore volume '{volume['name']}': the file that held its data is missing. Restore it again."
                raise exception.VolumeBackendAPIException(data=sentence) from exc
            # Zeros must overwrite the content that the disk had.
            dense = volume["status"] != "creating"
            with file, self.volumes.disk(where) as (session, _repository, vdi):
                stream.send(session, vdi, "raw", stream.records(stream.extents(file, size if dense else 0), size, dense=dense))
        finally:
            path.unlink(missing_ok=True)

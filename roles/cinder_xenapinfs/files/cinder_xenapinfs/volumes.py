# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes and snapshots as VDIs, which do not differ here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from oslo_log import log as logging
from oslo_utils import units

from .errors import PoolError, PoolFailure
from .location import Location
from .repository import MARK, Repositories, Repository
from .session import LONG, Pool, Session

LOG = logging.getLogger(__name__)
# Errors of the storage manager of an NFS SR for a chain of disks that is too long.
CHAIN_TOO_LONG = ("SR_BACKEND_FAILURE_109", "SR_BACKEND_FAILURE_132")


class DiskInUse(PoolError):
    """The VDI is attached."""


class Volumes:
    def __init__(self, pool: Pool, repositories: Repositories) -> None:
        self.pool, self.repositories = pool, repositories

    @contextlib.contextmanager
    def disk(self, location: Location) -> Iterator[tuple[Session, Repository, str]]:
        """A session, and the VDI in its SR."""
        with self.pool.session() as session, self.repositories.attached(session, location.sr) as repository:
            yield session, repository, repository.require(session, location.vdi)

    def create(self, name: str, description: str, size: int) -> Location:
        """Create an empty disk of ``size`` GiB in an SR of its own."""
        with self.pool.session() as session, self.repositories.new(session, name) as repository:
            return Location(repository.uuid, self.create_in(session, repository, name, description, size * units.Gi)[1])

    def create_in(self, session: Session, repository: Repository, name: str, description: str, size: int) -> tuple[str, str]:
        record = {
            "name_label": name,
            "name_description": description,
            "SR": repository.ref,
            "virtual_size": str(size),
            "type": "user",
            "sharable": False,
            "read_only": False,
            "other_config": {MARK: self.repositories.owner},
        }
        ref = session.call("VDI.create", record)
        return ref, session.call("VDI.get_uuid", ref)

    def delete(self, location: Location) -> None:
        """Delete the disk, and its SR with the last disk in it. A missing disk is no error."""
        with self.pool.session() as session:
            try:
                with self.repositories.attached(session, location.sr, destroy_when_empty=True) as repository:
                    vdi = repository.find(session, location.vdi)
                    if vdi:
                        self.destroy(session, vdi)
            except PoolFailure:
                if location.sr in self.repositories.on_share(session):
                    raise
                LOG.warning("SR %s is no longer on the share, so there is nothing to delete.", location.sr)

    def destroy(self, session: Session, vdi: str) -> None:
        try:
            session.call("VDI.destroy", vdi)
        except PoolFailure as exc:
            if exc.code == "VDI_IN_USE":
                raise DiskInUse(exc.sentence) from exc
            raise

    def extend(self, location: Location, size: int) -> None:
        with self.disk(location) as (session, _repository, vdi):
            self.grow(session, vdi, size * units.Gi)

    def grow(self, session: Session, vdi: str, size: int) -> None:
        if int(session.call("VDI.get_virtual_size", vdi)) < size:
            session.call("VDI.resize", vdi, str(size), timeout=LONG)

    def size(self, location: Location) -> int:
        """In bytes."""
        with self.disk(location) as (session, _repository, vdi):
            return int(session.call("VDI.get_virtual_size", vdi))

    def duplicate(self, location: Location, name: str, size: int, in_use: bool = False) -> Location:
        """Create a disk of ``size`` GiB with the same content: a clone in the same SR, or a copy where the source may be written."""
        with self.disk(location) as (session, repository, vdi):
            if not in_use:
                try:
                    return self.clone(session, repository, vdi, name, size * units.Gi)
                except PoolFailure as exc:
                    if exc.code not in CHAIN_TOO_LONG:
                        raise
                    LOG.info("VDI %s has too many parents for another clone; it is copied.", location.vdi)
            return self.copy(session, vdi, name, size * units.Gi)

    def clone(self, session: Session, repository: Repository, vdi: str, name: str, size: int) -> Location:
        with repository.lock:
            before = repository.disks(session)
            try:
                new = session.call("VDI.clone", vdi, {}, timeout=LONG)
                session.call("VDI.set_name_label", new, name)
                self.grow(session, new, size)
                return Location(repository.uuid, session.call("VDI.get_uuid", new))
            except BaseException:
                session.keep_trying(f"remove the unfinished clone for {name}", lambda: self.destroy_since(session, repository, before))
                raise

    def destroy_since(self, session: Session, repository: Repository, before: set[str]) -> None:
        """Destroy the disks that were created since; the hidden parent of a clone and its source stays."""
        for vdi in repository.disks(session) - before:
            if session.call("VDI.get_managed", vdi):
                session.call("VDI.destroy", vdi)

    def copy(self, session: Session, vdi: str, name: str, size: int) -> Location:
        with self.repositories.new(session, name) as target:
            new = session.call("VDI.copy", vdi, target.ref, timeout=LONG)
            session.call("VDI.set_name_label", new, name)
            self.grow(session, new, size)
            return Location(target.uuid, session.call("VDI.get_uuid", new))

    def capacity(self) -> tuple[int, int]:
        """The size of the share and its free space in bytes, read from an empty SR on it."""
        with self.pool.session() as session, self.repositories.new(session, "capacity", keep=False) as repository:
            session.call("SR.scan", repository.ref, timeout=LONG)
            size = int(session.call("SR.get_physical_size", repository.ref))
            return size, max(0, size - int(session.call("SR.get_physical_utilisation", repository.ref)))

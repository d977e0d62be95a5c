# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SRs of volumes: introduced to the pool only during an operation, and plugged on one host."""

from __future__ import annotations

import contextlib
import re
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from oslo_log import log as logging

from .errors import PoolError, PoolFailure
from .options import Settings
from .session import ACTIVE_TASKS, LONG, Session

LOG = logging.getLogger(__name__)
MARK = "cinder_xenapinfs"


@dataclass
class Repository:
    """An SR that is attached to a host now. Hold the lock to create a VDI in it or to list its VDIs."""

    uuid: str
    ref: str = ""
    introduced_by_others: bool = False
    users: int = 0
    holders: int = 0
    destroy_when_empty: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def find(self, session: Session, vdi: str) -> str | None:
        """The VDI with that uuid, or None."""
        try:
            ref = str(session.call("VDI.get_by_uuid", vdi))
        except PoolFailure as exc:
            if exc.code == "UUID_INVALID":
                return None
            raise
        return ref

    def require(self, session: Session, vdi: str) -> str:
        ref = self.find(session, vdi)
        if ref is None:
            raise PoolError(f"Cannot find VDI {vdi} in SR {self.uuid}: its file is not on the share. Check the share, or delete the volume.")
        return ref

    def disks(self, session: Session) -> set[str]:
        return set(session.call("SR.get_VDIs", self.ref))


@dataclass(frozen=True)
class Leftover:
    """An SR to remove from the pool, identified by its uuid or by its unique name."""

    key: str
    by_name: bool
    destroy: bool


class Repositories:
    """The SRs of one backend."""

    def __init__(self, settings: Settings, owner: str) -> None:
        self.settings, self.owner = settings, owner
        self.lock = threading.Lock()
        self.known: dict[str, Repository] = {}
        self.creating: set[str] = set()
        self.left = False

    def mark(self, kind: str) -> str:
        """The description of each SR of this driver: the owner, and whether the driver created or only introduced it."""
        return f"{MARK} {self.owner} {kind}"

    @contextlib.contextmanager
    def attached(self, session: Session, sr: str, destroy_when_empty: bool = False) -> Iterator[Repository]:
        """Attach the SR with that uuid until its last user in this process is done."""
        with self.lock:
            repository = self.known.setdefault(sr, Repository(sr))
            repository.holders += 1
        try:
            with repository.lock:
                if not repository.users:
                    self.attach(session, repository)
                repository.users += 1
            try:
                yield repository
                repository.destroy_when_empty |= destroy_when_empty
            finally:
                with repository.lock:
                    repository.users -= 1
                    if not repository.users:
                        self.detach(session, repository)
        finally:
            with self.lock:
                repository.holders -= 1
                if not repository.holders:
                    del self.known[sr]

    def attach(self, session: Session, repository: Repository) -> None:
        # Both may be set from the previous use.
        repository.introduced_by_others, repository.destroy_when_empty = False, False
        try:
            try:
                given: tuple[Any, ...] = (repository.uuid, repository.uuid, self.mark("introduced"), "nfs", "user", False, {})
                repository.ref = session.call("SR.introduce", *given)
            except PoolFailure as exc:
                if exc.code not in ("SR_UUID_EXISTS", "UUID_NOT_UNIQUE"):
                    raise
                self.adopt(session, repository)
                if repository.introduced_by_others:
                    return
            self.plug(session, repository)
            session.call("SR.scan", repository.ref, timeout=LONG)
        except PoolError:
            self.remove(session, Leftover(repository.uuid, by_name=False, destroy=False))
            raise

    def adopt(self, session: Session, repository: Repository) -> None:
        """Use an SR that the pool knows already: a leftover of this driver, or one that others introduced."""
        repository.ref = session.call("SR.get_by_uuid", repository.uuid)
        if session.call("SR.get_name_description", repository.ref).startswith(self.mark("")):
            return
        repository.introduced_by_others = True
        if not any(session.call("PBD.get_currently_attached", pbd) for pbd in session.call("SR.get_PBDs", repository.ref)):
            raise PoolError(
                f"Cannot use SR {repository.uuid}: it was introduced to the pool by others, and is not plugged on any host. Forget it, or plug its PBD."
            )

    def plug(self, session: Session, repository: Repository) -> None:
        for pbd in session.call("SR.get_PBDs", repository.ref):
            session.call("PBD.plug", pbd, timeout=LONG)
            return
        given = {"host": session.host, "SR": repository.ref, "device_config": self.settings.device_config, "other_config": {MARK: self.owner}}
        session.call("PBD.plug", session.call("PBD.create", given), timeout=LONG)

    def detach(self, session: Session, repository: Repository) -> None:
        """Remove the SR from the pool; ``sweep`` retries later what fails."""
        if repository.introduced_by_others:
            return
        destroy = False

        def find_disks() -> None:
            nonlocal destroy
            destroy = not any(session.call("VDI.get_managed", vdi) for vdi in repository.disks(session))

        if repository.destroy_when_empty:
            session.keep_trying(f"list the disks of SR {repository.uuid}", find_disks)
        self.remove(session, Leftover(repository.uuid, by_name=False, destroy=destroy))

    @contextlib.contextmanager
    def new(self, session: Session, purpose: str, keep: bool = True) -> Iterator[Repository]:
        """Create an SR on the share. It is removed with its content on failure, or where ``keep`` is false."""
        name = f"{MARK} {purpose} {uuid.uuid4()}"
        created = Leftover(name, by_name=True, destroy=True)
        with self.lock:
            self.creating.add(name)
        try:
            try:
                given: tuple[Any, ...] = (session.host, self.settings.device_config, "0", name, self.mark("created"), "nfs", "user", False, {})
                ref = session.call("SR.create", *given, timeout=LONG)
                yield Repository(session.call("SR.get_uuid", ref), ref)
            except BaseException:
                self.remove(session, created)
                raise
            if not keep:
                self.remove(session, created)
            elif not self.remove(session, Leftover(name, by_name=True, destroy=False)):
                # Cinder does not learn its location, so its mark has sweep remove it.
                raise PoolError(f"Cannot detach the new SR for {purpose}: the pool refuses to remove it. The driver removes it later; try again.")
        finally:
            with self.lock:
                self.creating.discard(name)

    def remove(self, session: Session, leftover: Leftover) -> bool:
        done = session.keep_trying(f"remove SR {leftover.key}", lambda: self.remove_once(session, leftover))
        self.left |= not done
        return done

    def remove_once(self, session: Session, leftover: Leftover) -> None:
        for sr in self.refs(session, leftover):
            connections = session.call("SR.get_PBDs", sr)
            if leftover.destroy:
                disks = session.call("SR.get_VDIs", sr)
                for pbd in connections if disks else []:
                    session.call("PBD.plug", pbd, timeout=LONG)
                for vdi in disks:
                    if session.call("VDI.get_managed", vdi):
                        session.call("VDI.destroy", vdi)
            for pbd in connections:
                session.call("PBD.unplug", pbd, timeout=LONG)
            # An SR without a PBD cannot be destroyed.
            session.call("SR.destroy" if leftover.destroy and connections else "SR.forget", sr, timeout=LONG)

    def refs(self, session: Session, leftover: Leftover) -> list[str]:
        """The SRs that match and have the mark of this backend."""
        try:
            found = session.call("SR.get_by_name_label", leftover.key) if leftover.by_name else [session.call("SR.get_by_uuid", leftover.key)]
            return [ref for ref in found if session.call("SR.get_name_description", ref).startswith(self.mark(""))]
        except PoolFailure as exc:
            if exc.code in ("UUID_INVALID", "HANDLE_INVALID"):
                return []
            raise

    def sweep(self, session: Session) -> None:
        """Remove what an earlier process or an earlier failure left in the pool."""
        self.left = False
        for record in session.call("SR.get_all_records").values():
            if not record["name_description"].startswith(self.mark("")):
                continue
            with self.lock:
                if record["uuid"] in self.known or record["name_label"] in self.creating:
                    continue
            created = record["name_description"] == self.mark("created")
            LOG.warning("SR %s is a leftover of this backend and is removed from the pool.", record["uuid"])
            self.remove(
                session, Leftover(record["name_label"], by_name=True, destroy=True) if created else Leftover(record["uuid"], by_name=False, destroy=False)
            )
        session.remove_tasks(lambda each: each.startswith(f"{session.originator} ") and each not in ACTIVE_TASKS)

    def on_share(self, session: Session) -> set[str]:
        """The uuids of the SRs on the share, whether the pool knows them or not."""
        found = session.call("SR.probe", session.host, self.settings.device_config, "nfs", {}, timeout=LONG)
        return set(re.findall(r"<UUID>\s*([0-9a-f-]{36})\s*</UUID>", found))

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SRs of volumes: known to the pool only while something is done to them, and to one host of it."""

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
from .session import LIVING, LONG, Session

LOG = logging.getLogger(__name__)
MARK = "cinder_xenapinfs"


@dataclass
class Repository:
    """An SR that a host reaches now. Who makes a VDI in it, or counts them, holds the lock."""

    uuid: str
    ref: str = ""
    foreign: bool = False
    users: int = 0
    holders: int = 0
    destroy_when_empty: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def find(self, session: Session, vdi: str) -> str | None:
        """The VDI of that uuid, if this SR has it."""
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
            raise PoolError(f"Cannot find VDI {vdi} in SR {self.uuid}: its file is not on the share.")
        return ref

    def disks(self, session: Session) -> set[str]:
        return set(session.call("SR.get_VDIs", self.ref))


@dataclass(frozen=True)
class Leftover:
    """An SR that has to go from the pool: by its uuid, or by its unique name."""

    key: str
    by_name: bool
    destroy: bool


class Repositories:
    """Those of one backend."""

    def __init__(self, settings: Settings, owner: str) -> None:
        self.settings, self.owner = settings, owner
        self.lock = threading.Lock()
        self.known: dict[str, Repository] = {}
        self.making: set[str] = set()
        self.left = False

    def mark(self, kind: str) -> str:
        """Stands in the description of every SR of ours: whose it is, and whether it was made or only introduced."""
        return f"{MARK} {self.owner} {kind}"

    @contextlib.contextmanager
    def attached(self, session: Session, sr: str, destroy_when_empty: bool = False) -> Iterator[Repository]:
        """The SR of that uuid, for as long as anybody in this process needs it."""
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
        # The last user may have left it with other settings.
        repository.foreign, repository.destroy_when_empty = False, False
        try:
            try:
                given: tuple[Any, ...] = (repository.uuid, repository.uuid, self.mark("introduced"), "nfs", "user", False, {})
                repository.ref = session.call("SR.introduce", *given)
            except PoolFailure as exc:
                if exc.code not in ("SR_UUID_EXISTS", "UUID_NOT_UNIQUE"):
                    raise
                self.adopt(session, repository)
                if repository.foreign:
                    return
            self.plug(session, repository)
            session.call("SR.scan", repository.ref, timeout=LONG)
        except PoolError:
            self.remove(session, Leftover(repository.uuid, by_name=False, destroy=False))
            raise

    def adopt(self, session: Session, repository: Repository) -> None:
        """An SR that the pool knows already: a dead one of ours, or one that somebody else uses."""
        repository.ref = session.call("SR.get_by_uuid", repository.uuid)
        if session.call("SR.get_name_description", repository.ref).startswith(self.mark("")):
            return
        repository.foreign = True
        if not any(session.call("PBD.get_currently_attached", pbd) for pbd in session.call("SR.get_PBDs", repository.ref)):
            raise PoolError(f"Cannot use SR {repository.uuid}: somebody else introduced it to the pool, and no host reaches it. Forget it, or plug its PBD.")

    def plug(self, session: Session, repository: Repository) -> None:
        for pbd in session.call("SR.get_PBDs", repository.ref):
            session.call("PBD.plug", pbd, timeout=LONG)
            return
        given = {"host": session.host, "SR": repository.ref, "device_config": self.settings.device_config, "other_config": {MARK: self.owner}}
        session.call("PBD.plug", session.call("PBD.create", given), timeout=LONG)

    def detach(self, session: Session, repository: Repository) -> None:
        """Takes it from the pool again; what fails is tried again later."""
        if repository.foreign:
            return
        destroy = False

        def look() -> None:
            nonlocal destroy
            destroy = not any(session.call("VDI.get_managed", vdi) for vdi in repository.disks(session))

        if repository.destroy_when_empty:
            session.patiently(f"look into SR {repository.uuid}", look)
        self.remove(session, Leftover(repository.uuid, by_name=False, destroy=destroy))

    @contextlib.contextmanager
    def new(self, session: Session, purpose: str, keep: bool = True) -> Iterator[Repository]:
        """A new SR on the share. It goes with all that is in it when it cannot be completed, or is not to be kept."""
        name = f"{MARK} {purpose} {uuid.uuid4()}"
        made = Leftover(name, by_name=True, destroy=True)
        with self.lock:
            self.making.add(name)
        try:
            try:
                given: tuple[Any, ...] = (session.host, self.settings.device_config, "0", name, self.mark("made"), "nfs", "user", False, {})
                ref = session.call("SR.create", *given, timeout=LONG)
                yield Repository(session.call("SR.get_uuid", ref), ref)
            except BaseException:
                self.remove(session, made)
                raise
            if not keep:
                self.remove(session, made)
            elif not self.remove(session, Leftover(name, by_name=True, destroy=False)):
                # Cinder will not know it: its mark says that it has to go.
                raise PoolError(f"Cannot detach the new SR for {purpose}: the pool does not let it go. It will be removed later.")
        finally:
            with self.lock:
                self.making.discard(name)

    def remove(self, session: Session, leftover: Leftover) -> bool:
        done = session.patiently(f"remove SR {leftover.key}", lambda: self.take_away(session, leftover))
        self.left |= not done
        return done

    def take_away(self, session: Session, leftover: Leftover) -> None:
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
            # An SR that no host was ever told of cannot be destroyed.
            session.call("SR.destroy" if leftover.destroy and connections else "SR.forget", sr, timeout=LONG)

    def refs(self, session: Session, leftover: Leftover) -> list[str]:
        """Only of ours."""
        try:
            found = session.call("SR.get_by_name_label", leftover.key) if leftover.by_name else [session.call("SR.get_by_uuid", leftover.key)]
            return [ref for ref in found if session.call("SR.get_name_description", ref).startswith(self.mark(""))]
        except PoolFailure as exc:
            if exc.code in ("UUID_INVALID", "HANDLE_INVALID"):
                return []
            raise

    def sweep(self, session: Session) -> None:
        """Removes what an earlier process, or an earlier failure, left in the pool."""
        self.left = False
        for record in session.call("SR.get_all_records").values():
            if not record["name_description"].startswith(self.mark("")):
                continue
            with self.lock:
                if record["uuid"] in self.known or record["name_label"] in self.making:
                    continue
            made = record["name_description"] == self.mark("made")
            LOG.warning("SR %s is a leftover of this backend and is removed from the pool.", record["uuid"])
            self.remove(session, Leftover(record["name_label"], by_name=True, destroy=True) if made else Leftover(record["uuid"], by_name=False, destroy=False))
        session.remove_tasks(lambda each: each.startswith(f"{session.originator} ") and each not in LIVING)

    def on_share(self, session: Session) -> set[str]:
        """The SRs that lie on the share, whether the pool knows them or not."""
        found = session.call("SR.probe", session.host, self.settings.device_config, "nfs", {}, timeout=LONG)
        return set(re.findall(r"<UUID>\s*([0-9a-f-]{36})\s*</UUID>", found))

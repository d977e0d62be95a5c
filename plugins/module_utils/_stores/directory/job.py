# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Look at one store's directory, and make it what is declared."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..._core.errors import ImageServicesError
from ..._core.runner import Job, Params
from ..paths import normal, within
from . import mounts, owners, paths, probe, selinux
from .failures import directory_error, explain_probe
from .plan import (
    Contents,
    DirectoryAttributes,
    DirectoryPlan,
    Requirements,
    Volume,
    check_neighbours,
    check_path,
    check_volume,
    parse_mode,
    parse_size,
    plan_absent,
    plan_present,
    refuse,
    summary,
)
from .tree import Ownership, Pass

ABSENT = DirectoryAttributes(exists=False)


class Seen(NamedTuple):
    """``desired`` is None where the directory is to be absent."""

    path: str
    location: paths.Location
    volume: Volume
    current: DirectoryAttributes
    # Counted before the plan only where the directory is to be removed: of 200,000 files, each is looked at once.
    contents: Contents
    desired: DirectoryAttributes | None = None


class StoreDirectoryJob(Job[Seen, DirectoryPlan, Contents]):
    """The work of the module glance_store_dir; every refusal that can be foreseen comes before the first change."""

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.path = check_path(params["path"])

    def look(self) -> Seen:
        with _explained(self.path):
            path = check_path(os.path.realpath(self.path)) if self.params["follow"] else self.path
            return self._look_absent(path) if self.params["state"] == "absent" else self._look_present(path)

    def plan(self, seen: Seen) -> DirectoryPlan:
        with _explained(self.path):
            if seen.desired is None:
                return plan_absent(seen.path, seen.current, seen.contents, bool(mounts.at_or_below(seen.path)), self.params["force"])
            return plan_present(seen.path, seen.desired, seen.current, seen.contents)

    def must_apply(self, plan: DirectoryPlan) -> bool:
        # Counting and repairing what is below is one pass, which apply makes.
        return plan.remove or self.params["state"] != "absent"

    def apply(self, seen: Seen, plan: DirectoryPlan) -> Contents:
        with _explained(self.path):
            if seen.desired is not None:
                contents = self._below(seen, repair=True)
                _apply(seen.path, plan, seen.desired, seen.volume, self.params["probe"])
                return contents
            try:
                shutil.rmtree(seen.path) if self.params["force"] else os.rmdir(seen.path)
            except OSError as exc:
                raise directory_error(seen.path, exc, seen.volume, exc.filename) from exc
            return Contents()

    def result(self, seen: Seen, plan: DirectoryPlan, done: Contents | None) -> dict[str, Any]:
        with _explained(self.path):
            if seen.desired is None:
                return _result(seen.path, ABSENT, Contents() if plan.remove else seen.contents, seen.volume, plan)
            contents = self._below(seen, repair=False) if done is None else done
            complete = plan_present(seen.path, seen.desired, seen.current, contents)
            if done is None and self.params["probe"] and seen.current.exists and not complete.changed:
                _probe(seen.path, seen.current, seen.volume, write=False)
            return _result(seen.path, planned(complete), contents, mounts.volume(paths.locate(seen.path).existing), complete)

    def _look_present(self, path: str) -> Seen:
        params = self.params
        requirements = Requirements(
            require_mount=params["require_mount"],
            mount_point=check_mount_point(path, params["mount_point"]),
            min_free=parse_size(path, params["min_free"]),
            other_stores=[os.path.realpath(other) for other in params["other_stores"]],
        )
        mode = parse_mode(path, params["mode"])
        location = paths.locate(path)
        check_neighbours(path, requirements.other_stores)
        volume = mounts.volume(location.existing)
        check_volume(path, volume, requirements)
        uid, gid = owners.resolve(path, params["owner"], params["group"])
        desired = DirectoryAttributes(True, uid, gid, mode, params["setype"] if selinux.enabled() else None)
        _check_rights(path, desired)
        if not location.exists:
            desired = DirectoryAttributes(True, os.geteuid() if uid is None else uid, os.getegid() if gid is None else gid, mode, desired.setype)
            return Seen(path, location, volume, ABSENT, Contents(), desired)
        current = _observe(path, volume, desired.setype is not None)
        _check_identity(path, requirements)
        return Seen(path, location, volume, current, Contents(), desired)

    def _below(self, seen: Seen, repair: bool) -> Contents:
        """What is in a directory that exists; with ``repair``, everything below gets its owner."""
        wanted = seen.desired if self.params["recurse"] else None
        ownership = None if wanted is None else Ownership(wanted.uid, wanted.gid, wanted.setype)
        return _pass(seen.path, seen.volume, ownership, repair) if seen.location.exists else Contents()

    @staticmethod
    def _look_absent(path: str) -> Seen:
        location = paths.locate(path)
        volume = mounts.volume(location.existing)
        if not location.exists:
            return Seen(path, location, volume, ABSENT, Contents())
        return Seen(path, location, volume, _observe(path, volume, labels=False), _pass(path, volume, None, repair=False))


class StoreDirectoriesJob(Job["list[Seen]", "list[DirectoryPlan]", "list[Contents | None]"]):
    """The work of the module glance_store_dirs: all directories are looked at and planned before the first one changes."""

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        entries: list[Params] = params["directories"]
        present = [normal(each["path"]) for each in entries if each["state"] == "present"]
        for path in {path for path in present if present.count(path) > 1}:
            raise refuse(path, "it is declared twice", "Give each store a directory of its own", "overlap")
        self._jobs = [StoreDirectoryJob({**each, "other_stores": _others(each, present)}) for each in entries]

    def look(self) -> list[Seen]:
        return [job.look() for job in self._jobs]

    def plan(self, seen: list[Seen]) -> list[DirectoryPlan]:
        return [job.plan(each) for job, each in zip(self._jobs, seen)]

    def must_apply(self, plan: list[DirectoryPlan]) -> bool:
        return any(job.must_apply(each) for job, each in zip(self._jobs, plan))

    def apply(self, seen: list[Seen], plan: list[DirectoryPlan]) -> list[Contents | None]:
        done: list[Contents | None] = []
        try:
            for job, each, of_each in zip(self._jobs, seen, plan):
                done.append(job.apply(each, of_each) if job.must_apply(of_each) else None)
        except ImageServicesError as exc:
            exc.result = self._results(seen, plan, done)
            raise
        return done

    def result(self, seen: list[Seen], plan: list[DirectoryPlan], done: list[Contents | None] | None) -> dict[str, Any]:
        return self._results(seen, plan, done or [None] * len(seen))

    def _results(self, seen: list[Seen], plan: list[DirectoryPlan], done: list[Contents | None]) -> dict[str, Any]:
        results = [job.result(each, of_each, contents) for job, each, of_each, contents in zip(self._jobs, seen, plan, done)]
        return {
            "changed": any(each["changed"] for each in results),
            "directories": [{**each["directory"], "changed": each["changed"], "repaired": each["repaired"]} for each in results],
            "diff": [each["diff"] for each in results if each["changed"]],
        }


def _others(entry: Params, present: list[str]) -> list[str]:
    """Directories that one must not overlap with, those of the same task included."""
    own = normal(entry["path"])
    return [*entry["other_stores"], *(path for path in present if path != own)] if entry["state"] == "present" else entry["other_stores"]


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        # Looking at the path failed; changes explain themselves with what is known of the volume.
        raise directory_error(path, exc, at=exc.filename if isinstance(exc.filename, str) else None) from exc


def check_mount_point(path: str, mount_point: str | None) -> str | None:
    if mount_point is None:
        return None
    if not within(path, mount_point):
        raise refuse(path, f"it is not at or below mount_point '{mount_point}'", "Correct one of the two", "bad_mount_point")
    return os.path.normpath(mount_point)


def planned(plan: DirectoryPlan) -> DirectoryAttributes:
    """The attributes after the plan, the same in check mode."""
    after = plan.after
    return DirectoryAttributes(True, after["uid"], after["gid"], int(after["mode"], 8), after.get("setype"))


def _observe(path: str, volume: Volume, labels: bool) -> DirectoryAttributes:
    try:
        status = os.lstat(path)
    except OSError as exc:
        raise directory_error(path, exc, volume) from exc
    return DirectoryAttributes(True, status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode), selinux.get_type(path) if labels else None)


def _check_identity(path: str, requirements: Requirements) -> None:
    """A bind mount can give one directory two names."""
    for other in requirements.other_stores:
        if os.path.isdir(other) and os.path.samefile(path, other):
            raise refuse(path, f"it is the directory of another store, '{other}', under a second name", "Give each store a directory of its own", "overlap")


def _check_rights(path: str, desired: DirectoryAttributes) -> None:
    """Only root can give a directory away; say so before anything is created."""
    if os.geteuid() == 0 or desired.uid in (None, os.geteuid()):
        return
    cause = f"it should belong to user {desired.uid}, and only root can give it to another user than {os.geteuid()} or write there as that user"
    raise refuse(path, cause, "Run the task with become: true, or leave out the owner", "no_rights")


def _pass(path: str, volume: Volume, wanted: Ownership | None, repair: bool) -> Contents:
    walk = Pass(wanted, repair)
    try:
        top = paths.open_directory(path)
        try:
            return walk.run(top, path)
        finally:
            os.close(top)
    except OSError as exc:
        raise directory_error(path, exc, volume, exc.filename) from exc


def _apply(path: str, plan: DirectoryPlan, desired: DirectoryAttributes, volume: Volume, with_probe: bool) -> None:
    created: list[str] = []
    try:
        if plan.create:
            # Another directory of the task may have created what was missing above this one.
            created = paths.make(paths.locate(path))
        _set_attributes(path, plan, desired)
        if with_probe:
            _probe(path, _observe(path, volume, labels=False), volume, write=True)
    except OSError as exc:
        paths.unmake(created)
        raise directory_error(path, exc, volume, exc.filename if isinstance(exc.filename, str) else None) from exc
    except ImageServicesError:
        paths.unmake(created)
        raise


def _set_attributes(path: str, plan: DirectoryPlan, desired: DirectoryAttributes) -> None:
    directory = paths.open_directory(path)
    try:
        if plan.chown or plan.create:
            os.fchown(directory, -1 if desired.uid is None else desired.uid, -1 if desired.gid is None else desired.gid)
        if plan.chmod or plan.create:
            os.fchmod(directory, int(plan.after["mode"], 8))
        if desired.setype is not None and (plan.relabel or plan.create):
            selinux.set_type(directory, desired.setype)
    finally:
        os.close(directory)


def _probe(path: str, attributes: DirectoryAttributes, volume: Volume, write: bool) -> None:
    uid, gid = attributes.uid or 0, attributes.gid or 0
    try:
        (probe.write_probe if write else probe.access_probe)(path, uid, gid)
    except OSError as exc:
        raise explain_probe(path, exc, volume, uid, gid, owners.supplementary_groups(uid, gid)) from exc


def _result(path: str, shown: DirectoryAttributes, contents: Contents, volume: Volume, plan: DirectoryPlan) -> dict[str, Any]:
    return {
        "changed": plan.changed,
        "diff": {"before": plan.before, "after": plan.after},
        "repaired": contents.strays,
        "directory": summary(path, shown, contents, volume, owners.names(shown.uid, shown.gid)),
    }

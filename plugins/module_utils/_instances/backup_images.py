# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which images are backups that playbooks/instance_backup.yml has created, and which of them belong together. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from .._glance.relation import INSTALLATION, INSTANCE, Relation, parse_instance, parse_uuid

Record = Mapping[str, Any]

DAILY, WEEKLY = "daily", "weekly"
# Property that says that the playbook made the image: the name that it gave it. Nova hands properties on to the images that it makes of an instance,
# and those have other names.
MARK = "image_services_backup"
RUN, VM, SNAPSHOT, DEVICE, DEVICES = (f"image_services_backup_{each}" for each in ("run", "vm", "snapshot", "device", "devices"))
# A date, and what tells two runs of one day apart.
RUN_MARK = re.compile(r"(?P<day>\d{4}-\d{2}-\d{2})(?:[-_.:A-Za-z0-9]{1,40})?")
UNFINISHED = frozenset({"queued", "saving", "uploading", "importing", "killed"})


@dataclass(frozen=True)
class Backup:
    """The images of one snapshot of a VM. ``created`` is the time of the last of them, as Glance says."""

    run: str
    kind: str
    vm: str
    snapshot: str
    devices: tuple[str, ...]
    created: str = ""
    images: tuple[Record, ...] = field(default=(), hash=False)

    @property
    def held(self) -> frozenset[str]:
        """Devices whose image can be used: an image is shown only after its content is verified."""
        return frozenset(_properties(image)[DEVICE] for image in self.images if _usable(image))

    @property
    def complete(self) -> bool:
        return self.held >= set(self.devices)

    @property
    def withheld(self) -> bool:
        """Whether an image of it is kept from being used, or deleted: that is not a matter of rotation."""
        return any(image.get("is_protected") or not (_usable(image) or image.get("status") in UNFINISHED) for image in self.images)

    @property
    def day(self) -> date | None:
        return day_of(self.run)

    def shown(self) -> dict[str, Any]:
        images = [
            {"id": image["id"], "name": image["name"], "device": _properties(image)[DEVICE], "size": image.get("size"), "status": image.get("status")}
            for image in sorted(self.images, key=lambda image: str(_properties(image)[DEVICE]))
        ]
        return {
            "run": self.run,
            "kind": self.kind,
            "complete": self.complete,
            "created_at": self.created,
            "vm": self.vm,
            "devices": list(self.devices),
            "images": images,
        }


def day_of(run: str) -> date | None:
    """The day that a run is for, None where it says none."""
    match = RUN_MARK.fullmatch(run)
    try:
        return date.fromisoformat(match["day"]) if match else None
    except ValueError:
        return None


def relation_of(installation: object, instance: object) -> Relation | None:
    """In Glance's spelling; None where one of the two cannot be what it is called."""
    found = parse_uuid(str(installation)), parse_instance(str(instance))
    return {INSTALLATION: found[0], INSTANCE: found[1]} if found[0] is not None and found[1] is not None else None


def made_here(image: Record, relation: Relation, project: str) -> bool:
    """Whether the playbook made an image for this instance: it has to say so itself, and Glance has to relate it so and to own it as we are."""
    properties = _properties(image)
    return bool(
        image.get("name")
        and properties.get(MARK) == image["name"]
        and properties.get("image_type") == "backup"
        and properties.get("backup_type") in (DAILY, WEEKLY)
        and all(properties.get(key) for key in (RUN, VM, SNAPSHOT, DEVICE, DEVICES))
        and project
        and image.get("owner") == project
        and relation_of(image.get(INSTALLATION), image.get(INSTANCE)) == relation
    )


def backups_of(images: Iterable[Record], relation: Relation, project: str) -> list[Backup]:
    """The newest first; incomplete ones as well."""
    found: dict[tuple[str, ...], list[Record]] = {}
    for image in images:
        if made_here(image, relation, project):
            properties = _properties(image)
            found.setdefault(tuple(str(properties[key]) for key in (RUN, "backup_type", VM, SNAPSHOT, DEVICES)), []).append(image)
    made = [
        Backup(run, kind, vm, snapshot, tuple(devices.split(",")), max(str(image.get("created_at") or "") for image in alike), tuple(alike))
        for (run, kind, vm, snapshot, devices), alike in found.items()
    ]
    return sorted(made, key=age, reverse=True)


def age(backup: Backup) -> tuple[str, ...]:
    """By Glance's clock, which is one for all; what it does not tell apart by the names of the runs."""
    return (backup.created, backup.run, backup.snapshot, backup.kind)


def _usable(image: Record) -> bool:
    return image.get("status") == "active" and not image.get("is_hidden")


def _properties(image: Record) -> Mapping[str, Any]:
    properties = image.get("properties")
    return properties if isinstance(properties, Mapping) else {}

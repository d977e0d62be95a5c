# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What is wrong with the variables of playbooks/instance_backup.yml. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._glance.relation import parse_instance, parse_uuid
from .backup_images import DAILY, WEEKLY, day_of
from .backup_rotation import ALL, WEEKDAYS
from .left_behind import KINDS

_KEYS = frozenset({"vm", "instance_id", "disks"})


def faults(instances: object, installation: object, keep: object, run: object, weekday: object, leave: object = ()) -> list[str]:
    """One sentence for each; none is an empty list."""
    return [*_installation(installation), *_instances(instances), *_keep(keep), *_run(run, weekday), *_leave(leave)]


def _installation(installation: object) -> Iterable[str]:
    if not installation:
        yield "instance_backup_nova_installation_uuid is not given. Set it to the UUID of the Nova installation that the instances belong to."
    elif parse_uuid(str(installation)) is None:
        yield f"instance_backup_nova_installation_uuid is '{installation}', which is no UUID. Correct it."


def _instances(instances: object) -> Iterable[str]:
    if not isinstance(instances, (list, tuple)) or not instances or not all(isinstance(each, Mapping) for each in instances):
        yield "instance_backup_instances is no list of instances. Write it as [{vm: name in the pool, instance_id: id in Nova}, ...]."
        return
    for number, each in enumerate(instances, 1):
        label = f"VM '{each['vm']}'" if each.get("vm") else f"entry {number} of instance_backup_instances"
        yield from (f"{label} {sentence}" for sentence in _instance(each))
    for key in ("vm", "instance_id"):
        values = [(parse_instance(str(each[key])) if key == "instance_id" else None) or str(each[key]) for each in instances if each.get(key) not in (None, "")]
        for twice in sorted({value for value in values if values.count(value) > 1}):
            yield f"{key} '{twice}' stands twice in instance_backup_instances. Remove one of the two."


def _instance(each: Mapping[str, Any]) -> Iterable[str]:
    if not each.get("vm"):
        yield "has no vm. Give the name or uuid of the VM in the pool."
    if each.get("instance_id") in (None, ""):
        yield "has no instance_id. Give the id of the instance in Nova."
    elif parse_instance(str(each["instance_id"])) is None:
        yield f"has instance_id '{each['instance_id']}'. Give a UUID, or a number without leading zeros."
    disks = each.get("disks")
    if "disks" in each and disks != ALL and not (isinstance(disks, (list, tuple)) and disks):
        yield "has disks that are no list of devices. Write it as [0, 1], or as all, or leave it out for the disk that it boots from."
    for key in sorted(str(key) for key in set(each) - _KEYS):
        yield f"has the key '{key}', which means nothing here. Remove it."


def _keep(keep: object) -> Iterable[str]:
    if not isinstance(keep, Mapping) or DAILY not in keep or set(keep) - {DAILY, WEEKLY}:
        yield f"instance_backup_keep is '{keep}'. Write it as {{daily: 7, weekly: 4}}, or without weekly."
        return
    for kind, number in keep.items():
        if isinstance(number, bool) or not re.fullmatch(r"[1-9][0-9]{0,5}", str(number)):
            yield f"instance_backup_keep has {kind}: {number}. Give a number from 1, or leave weekly out to have no weekly backups."


def _leave(leave: object) -> Iterable[str]:
    if not isinstance(leave, (list, tuple)) or not set(map(str, leave)) <= set(KINDS):
        yield f"instance_backup_leave is '{leave}'. Write it as a list of what backups may lack, out of {', '.join(KINDS[:-1])} and {KINDS[-1]}."


def _run(run: object, weekday: object) -> Iterable[str]:
    if day_of(str(run)) is None:
        yield f"instance_backup_run is '{run}'. Give a date as 2026-05-31, and behind it what tells two runs of a day apart."
    if weekday not in WEEKDAYS:
        yield f"instance_backup_weekday is '{weekday}'. Choose {', '.join(WEEKDAYS[:-1])} or {WEEKDAYS[-1]}."

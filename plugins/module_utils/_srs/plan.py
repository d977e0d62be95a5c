# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What has to change in a pool so that a storage repository is as declared. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import ImageServicesError, cannot
from .._xapi.results import is_secret, masked

# What the storage driver of a type must be told.
REQUIRED: dict[str, tuple[str, ...]] = {"nfs": ("server", "serverpath"), "ext": ("device",), "lvm": ("device",), "file": ("location",), "iso": ("location",)}
# Making one of these formats the device.
FORMATTING = frozenset({"ext", "lvm"})
# What a driver does where the key is not given.
DEFAULTS = {"nfsversion": "3"}
# XAPI keeps a secret apart, and under this name only what it is called there.
APART = "_secret"
SHOWN_DISKS = 5


@dataclass(frozen=True)
class DesiredSr:
    """What is declared; None is not managed."""

    name: str | None
    uuid: str | None = None
    type: str | None = None
    device_config: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    content_type: str | None = None
    shared: bool | None = None
    default: bool | None = None
    plugged: bool | None = None
    scan: bool = False
    host: str | None = None  # the reference of the host that makes it and, unless it is shared, has it
    destroy: bool = False
    overwrite: bool = False

    @property
    def title(self) -> str:
        return self.name or self.uuid or ""


@dataclass(frozen=True)
class Pbd:
    """How a host reaches the SR: a PBD."""

    ref: str
    host: str
    attached: bool
    device_config: Mapping[str, str]


@dataclass(frozen=True)
class CurrentSr:
    """An SR that the pool knows."""

    ref: str
    uuid: str
    name: str
    description: str
    type: str
    content_type: str
    shared: bool
    default: bool
    links: tuple[Pbd, ...] = ()
    disks: tuple[str, ...] = ()
    # The pool made it for its own drives or tools.
    built_in: bool = False


@dataclass(frozen=True)
class PoolFacts:
    """The pool around the SR: its hosts by reference with their names, and which of them leads."""

    hosts: Mapping[str, str]
    coordinator: str
    # Uuids of SRs that are on the device that is to be formatted.
    found: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One thing to do, in the words of sr_apply."""

    verb: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SrPlan:
    steps: tuple[Step, ...]
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def changed(self) -> bool:
        """A scan alone changes something where it finds something."""
        return any(step.verb != "scan" for step in self.steps)


def plan(state: str, desired: DesiredSr, current: CurrentSr | None, place: PoolFacts) -> SrPlan:
    if state == "present":
        return _present(desired, current, place) if current is not None else _new(desired, place)
    if current is None:
        return SrPlan((), {}, {})
    if current.built_in:
        verb = "forget" if state == "forgotten" else "remove"
        raise cannot(verb, "SR", desired.title, "it is one of the pool's own, for its drives or tools", "Choose another SR", code="built_in")
    before = _described(current, place)
    leave = (Step("disconnect", {"links": _attached(current)}),) if _attached(current) else ()
    if state == "forgotten":
        return SrPlan((*leave, Step("forget")), before, {})
    _check_removal(desired, current)
    return SrPlan((Step("survey"), Step("disconnect", {"links": tuple(link.ref for link in current.links)}), Step("destroy")), before, {})


def _check_removal(desired: DesiredSr, current: CurrentSr) -> None:
    if not desired.destroy:
        advice = "Choose the state forgotten to keep it there, or set destroy to true to delete it"
        raise cannot("remove", "SR", desired.title, "state absent deletes what is on the storage", advice, code="destroy")
    if current.disks:
        raise not_empty(desired.title, current.disks)
    if not current.links:
        raise cannot(
            "remove", "SR", desired.title, "no host has a connection to it", "Set plugged to true first, or choose the state forgotten", code="no_pbds"
        )


def not_empty(title: str, disks: Iterable[str]) -> ImageServicesError:
    names = sorted(disks)
    shown = ", ".join(names[:SHOWN_DISKS]) + (", ..." if len(names) > SHOWN_DISKS else "")
    advice = "Delete them or move them away first, or choose the state forgotten"
    return cannot("remove", "SR", title, f"there are {len(names)} disks in it ({shown})", advice, code="not_empty", details=names)


def _new(desired: DesiredSr, place: PoolFacts) -> SrPlan:
    kind = desired.type
    if kind is None or desired.name is None:
        missing = "type" if kind is None else "name"
        raise cannot("create", "SR", desired.title, f"the pool has none of this name or uuid, and {missing} is not given", f"Give {missing}")
    lacking = [key for key in REQUIRED.get(kind, ()) if not desired.device_config.get(key)]
    if lacking:
        cause = f"an SR of type {kind} needs {' and '.join(lacking)} in device_config"
        raise cannot("create", "SR", desired.title, cause, "Add it" if len(lacking) == 1 else "Add them", code="device_config")
    introduced = desired.uuid is not None
    if kind in FORMATTING and not introduced and place.found and not desired.overwrite:
        cause = f"the device holds the SR {', '.join(place.found)} and would be formatted"
        raise cannot("create", "SR", desired.title, cause, "Give its uuid to use it as it is, or set overwrite to true to lose what is in it", code="in_use")
    shared = kind == "nfs" if desired.shared is None else desired.shared
    first = desired.host or place.coordinator
    hosts = tuple(place.hosts) if shared else (first,)
    values = {
        "uuid": desired.uuid,
        "host": first,
        "name": desired.name,
        "description": desired.description or "",
        "type": kind,
        "content_type": desired.content_type or ("iso" if kind == "iso" else "user"),
        "shared": shared,
        "device_config": dict(desired.device_config),
    }
    plugged = desired.plugged is not False
    steps = [Step("introduce" if introduced else "create", values), Step("connect", {"hosts": hosts, "config": dict(desired.device_config), "plug": plugged})]
    if not plugged and not introduced:
        # XAPI plugs what it creates.
        steps.append(Step("disconnect", {"links": None}))
    if plugged and (introduced or desired.scan):
        steps.append(Step("scan"))
    if desired.default:
        steps.append(Step("default", {"value": True}))
    shown = {key: value for key, value in values.items() if key not in ("uuid", "host", "device_config")}
    after = {
        **shown,
        **({"uuid": desired.uuid} if introduced else {}),
        "default": bool(desired.default),
        "device_config": masked(desired.device_config),
        "hosts": {place.hosts[host]: plugged for host in sorted(hosts, key=lambda each: place.hosts[each])},
    }
    return SrPlan(tuple(steps), {}, dict(sorted(after.items())))


def _present(desired: DesiredSr, current: CurrentSr, place: PoolFacts) -> SrPlan:
    for what, wanted, fixed in (("type", desired.type, current.type), ("content_type", desired.content_type, current.content_type)):
        if wanted is not None and wanted != fixed:
            cause = f"its {what} is {fixed}, not {wanted}, and cannot be changed"
            raise cannot("change", "SR", desired.title, cause, "Choose another name, or remove the SR first", code=what)
    steps: list[Step] = []
    before, after = _described(current, place), _described(current, place)
    changes: tuple[tuple[str, Any, Any], ...] = (
        ("name", desired.name if desired.uuid is not None else None, current.name),
        ("description", desired.description, current.description),
        ("shared", desired.shared, current.shared),
    )
    for key, value, found in changes:
        if value is not None and value != found:
            steps.append(Step("set", {"field": key, "value": value, "old": found}))
            after[key] = value
    _connections(desired, current, place, steps, after)
    if desired.scan:
        steps.append(Step("scan"))
    if desired.default is not None and desired.default != current.default:
        steps.append(Step("default", {"value": desired.default}))
        after["default"] = desired.default
    return SrPlan(tuple(steps), before, after)


def _connections(desired: DesiredSr, current: CurrentSr, place: PoolFacts, steps: list[Step], after: dict[str, Any]) -> None:
    """PBDs that say something else are replaced; those that are missing are created like the others."""
    changed = [link for link in current.links if differs(desired.device_config, link.device_config)]
    if changed:
        steps.append(
            Step(
                "reconnect",
                {
                    "links": tuple((link.ref, {**link.device_config, **desired.device_config}) for link in changed),
                    "plug": desired.plugged is not False,
                },
            )
        )
        after["device_config"] = masked({**_config(current), **desired.device_config})
    states = dict(after["hosts"])
    if desired.plugged:
        shared = current.shared if desired.shared is None else desired.shared
        hosts = tuple(place.hosts) if shared else tuple(link.host for link in current.links) or (desired.host or place.coordinator,)
        known = {link.host: link.attached for link in current.links}
        lacking = tuple(host for host in hosts if not known.get(host))
        config = {**_config(current), **desired.device_config}
        if lacking:
            if any(host not in known for host in lacking) and not config:
                raise cannot("connect", "SR", desired.title, "no host has a connection to copy", "Give device_config", code="device_config")
            steps.append(Step("connect", {"hosts": lacking, "config": config, "plug": True}))
        states |= {place.hosts[host]: True for host in lacking}
    elif desired.plugged is False and _attached(current):
        steps.insert(0, Step("disconnect", {"links": _attached(current)}))
        states = dict.fromkeys(states, False)
    after["hosts"] = dict(sorted(states.items()))


def differs(wanted: Mapping[str, str], found: Mapping[str, str]) -> bool:
    """Whether something that is given is otherwise; a secret that XAPI keeps apart cannot be compared."""
    return any(found.get(key, DEFAULTS.get(key)) != value for key, value in wanted.items() if not (is_secret(key) and key + APART in found))


def _config(current: CurrentSr) -> Mapping[str, str]:
    return current.links[0].device_config if current.links else {}


def _attached(current: CurrentSr) -> tuple[str, ...]:
    return tuple(link.ref for link in current.links if link.attached)


def _described(current: CurrentSr, place: PoolFacts) -> dict[str, Any]:
    return {
        "content_type": current.content_type,
        "default": current.default,
        "description": current.description,
        "device_config": masked(_config(current)),
        "hosts": dict(sorted((place.hosts.get(link.host, link.host), link.attached) for link in current.links)),
        "name": current.name,
        "shared": current.shared,
        "type": current.type,
        "uuid": current.uuid,
    }

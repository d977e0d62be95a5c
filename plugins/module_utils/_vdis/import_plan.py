# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which VDI of an SR is the declared image, and what is to be done for it. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import ImageServicesError, cannot
from .._images.content import split_digest
from .._xapi.results import READ_ONLY, is_read_only

Record = Mapping[str, Any]

# Marks of this collection in other_config: where the content is from, its digest as «algorithm:hex», and what changes when the source does.
SOURCE = "image_services_source"
DIGEST = "image_services_digest"
FINGERPRINT = "image_services_fingerprint"
# On a VDI whose content is not complete, and on one whose predecessors, by their uuids, are still to be treated.
INCOMING = "image_services_incoming"
REPLACES = "image_services_replaces"
# On a VDI that holds a name while a host pulls the content: the uuid of the VDI that comes of it, and that of the task of the host's call.
PULLS = "image_services_pulls"
TASK = "image_services_task"
# How all our keys in other_config begin.
KEY_PREFIX = "image_services_"
MARKS = frozenset({SOURCE, DIGEST, FINGERPRINT, INCOMING, REPLACES, PULLS, TASK, READ_ONLY})
# The digest of a disk whatever its format; see DiskDigest in _content/digest.py.
DISK = "disk"

MIB = 1024 * 1024
# Hosts round the size of a VDI up to a multiple of this.
SIZE_STEP = 2 * MIB
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# The oldest API of which it is certain that its hosts take raw data in records (XenServer 7.2).
CHUNKED_SINCE = (2, 7)
ATTRIBUTES = ("description", "tags", "read_only", "sharable", "size")
_FIELDS = {"description": "name_description", "tags": "tags", "sharable": "sharable", "size": "virtual_size"}


def unfit_disk(record: Record) -> str | None:
    """What a VDI is instead of a disk of a user, so that no name means it; None for a disk."""
    if record.get("is_a_snapshot"):
        return "it is a snapshot"
    # Hosts before 5.0 do not tell these two.
    if not record.get("managed", True):
        return "it is a hidden copy of the storage manager, which disks are based on"
    if record.get("missing"):
        return "its data is missing from the storage"
    kind = str(record.get("type", "user")).lower()
    return None if kind == "user" else f"it is of type {kind}, and not a disk of a user"


def unfit_machine(record: Record) -> str | None:
    """The same for a VM."""
    flags = {"is_control_domain": "it is a control domain", "is_a_snapshot": "it is a snapshot", "is_a_template": "it is a template"}
    return next((cause for flag, cause in flags.items() if record.get(flag)), None)


def is_ours(other_config: Mapping[str, str]) -> bool:
    """Whether this collection has created it: only that is destroyed by its name."""
    return any(key.startswith(KEY_PREFIX) for key in other_config)


@dataclass(frozen=True)
class Vdi:
    """A VDI as it stands. ``used`` says that a VBD refers to it, ``attached`` that it is plugged now."""

    ref: str
    record: Record
    used: bool = False
    attached: bool = False

    @property
    def uuid(self) -> str:
        return str(self.record["uuid"])

    @property
    def marks(self) -> Mapping[str, str]:
        return dict(self.record["other_config"])

    @property
    def is_ours(self) -> bool:
        return is_ours(self.marks)

    def attribute(self, name: str) -> Any:
        """One of ATTRIBUTES, as a task declares it."""
        if name == "read_only":
            return is_read_only(self.record)
        value = self.record[_FIELDS[name]]
        if name == "tags":
            return sorted(value)
        return int(value) if name == "size" else value


@dataclass(frozen=True)
class Content:
    """What is known of the declared content, as far as it was looked at."""

    source: str
    digests: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str | None = None
    # Whether what the source names never changes, as the data of an image in Glance.
    fixed: bool = False

    @property
    def digest(self) -> str | None:
        """As a mark."""
        return next((f"{algorithm}:{value}" for algorithm, value in self.digests.items()), None)


@dataclass(frozen=True)
class DesiredVdi:
    """The declared image. None means «not managed»."""

    name: str
    state: str = "present"
    attributes: Mapping[str, Any] = field(default_factory=dict)
    content: Content | None = None
    on_replace: str = "keep"


@dataclass(frozen=True)
class Selection:
    """The declared image as it stands, and what an interrupted run has left beside it."""

    current: Vdi | None = None
    incoming: tuple[Vdi, ...] = ()
    superseded: tuple[Vdi, ...] = ()


@dataclass(frozen=True)
class ImportPlan:
    """What is to be done, in this order."""

    # The predecessors of ``successor``, which an interrupted run has not treated.
    retire: tuple[Vdi, ...] = ()
    successor: Vdi | None = None
    remove: tuple[Vdi, ...] = ()
    upload: bool = False
    replaces: Vdi | None = None
    patch: Mapping[str, Any] = field(default_factory=dict)
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.remove or self.upload or self.patch or self.retire or self.successor)


def unmanaged_keys(other_config: Mapping[str, str]) -> dict[str, str]:
    """What others have set in other_config, which a successor or a copy takes along."""
    return {key: value for key, value in other_config.items() if key not in MARKS}


def incoming_name(name: str) -> str:
    """The name of a VDI while its content is not complete."""
    return f"{name} (import not complete)"


def incoming_record(name: str, sr: str, description: str, *, sharable: bool, other_config: Mapping[str, str], tags: Iterable[str] = ()) -> dict[str, Any]:
    """Of a new VDI while its content is not complete, but for its size; ``other_config`` is what it takes along from another."""
    return {
        "name_label": incoming_name(name),
        "name_description": description,
        "SR": sr,
        "type": "user",
        "sharable": sharable,
        "read_only": False,
        "other_config": {**unmanaged_keys(other_config), INCOMING: name},
        "xenstore_data": {},
        "sm_config": {},
        "tags": list(tags),
    }


def retired_name(vdi: Vdi) -> str:
    """The name of a replaced VDI, so that no two are alike; the same when an interrupted run has given it already."""
    name, ending = str(vdi.record["name_label"]), f"-{vdi.uuid[:8]}"
    return name if name.endswith(ending) else name + ending


def rounded(size: int) -> int:
    return max(SIZE_STEP, -(-size // SIZE_STEP) * SIZE_STEP)


def select(name: str, vdis: Iterable[Vdi]) -> Selection:
    """Choose among the VDIs of one SR: those of the name, of its incoming_name(), and those that a successor's mark names."""
    own = []
    for vdi in vdis:
        cause = unfit_disk(vdi.record)
        if cause is None:
            own.append(vdi)
        elif vdi.uuid == name.lower():
            raise cannot("manage", "VDI", name, cause, "Give the name or uuid of a disk", code="no_disk")
    incoming = tuple(vdi for vdi in own if vdi.marks.get(INCOMING) == name)
    complete = [vdi for vdi in own if INCOMING not in vdi.marks]
    named = [vdi for vdi in complete if vdi.record["name_label"] == name or vdi.uuid == name.lower()]
    superseded: tuple[Vdi, ...] = ()
    successors = [vdi for vdi in named if REPLACES in vdi.marks]
    if len(successors) == 1:
        uuids = set(successors[0].marks[REPLACES].split(","))
        superseded = tuple(vdi for vdi in complete if vdi.uuid in uuids)
        named = [vdi for vdi in named if vdi.uuid not in uuids]
    if len(named) > 1:
        listed = ", ".join(sorted(vdi.uuid for vdi in named))
        cause = f"{len(named)} VDIs of the SR have this name: {listed}"
        raise cannot("manage", "VDI", name, cause, "Give the uuid of one of them, or rename or remove the others", code="duplicate")
    return Selection(named[0] if named else None, incoming, superseded)


def same_content(vdi: Vdi, content: Content) -> bool | None:
    """Whether the VDI holds this content; None where what is known does not tell."""
    algorithm, value = _digest_mark(vdi)
    if algorithm and algorithm in content.digests:
        return content.digests[algorithm] == value
    if vdi.marks.get(SOURCE) != content.source:
        return None if algorithm else False
    if content.fixed:
        return True
    if content.fingerprint is not None and vdi.marks.get(FINGERPRINT) == content.fingerprint:
        return True
    return None if algorithm else False


def algorithm_to_compare(vdi: Vdi) -> str:
    """That of the digest that has to be known of the declared content, where same_content() does not tell."""
    return _digest_mark(vdi)[0]


def _digest_mark(vdi: Vdi) -> tuple[str, str]:
    """Empty where there is none that could be compared: other_config is open to everybody."""
    mark = vdi.marks.get(DIGEST, "")
    return (DISK, mark.partition(":")[2]) if mark.startswith(f"{DISK}:") else split_digest(mark) or ("", "")


def marks_of(content: Content, replaces: Iterable[Vdi] = (), read_only: bool = False) -> dict[str, str]:
    """The marks of a VDI that is complete."""
    uuids = ",".join(vdi.uuid for vdi in replaces)
    found = {SOURCE: content.source, DIGEST: content.digest, FINGERPRINT: content.fingerprint, REPLACES: uuids, READ_ONLY: "true" if read_only else ""}
    return {key: value for key, value in found.items() if value}


def plan(desired: DesiredVdi, selection: Selection, same: bool | None) -> ImportPlan:
    """From what exists to what is declared; ``same`` is same_content() of the current VDI, decided."""
    if desired.state == "absent":
        return _absent(desired, selection)
    current = selection.current
    upload = desired.content is not None and not (current is not None and same)
    if current is None and not upload:
        raise cannot("keep", "VDI", desired.name, "the SR has no VDI of this name, and the task names no content for one", "Give image, src or uri")
    attributes = _normal(desired)
    if upload:
        _refuse_second(desired.name, selection.incoming)
        refuse_loss("import", "image", desired.name, current, desired.on_replace)
    patch = {} if upload or current is None else {name: value for name, value in attributes.items() if current.attribute(name) != value}
    if current is not None:
        _refuse_size(desired.name, current, patch)
        _refuse_fixed(desired.name, current, patch)
    before, after = _shown(desired, current, attributes, upload)
    left = tuple(vdi for vdi in selection.incoming if not vdi.attached)
    successor = current if current is not None and REPLACES in current.marks else None
    return ImportPlan(selection.superseded, successor, left, upload, current if upload else None, patch, before, after)


def _absent(desired: DesiredVdi, selection: Selection) -> ImportPlan:
    current = selection.current
    gone = [*(vdi for vdi in selection.superseded if vdi.is_ours), *(vdi for vdi in selection.incoming if not vdi.attached)]
    if current is not None:
        if current.used:
            cause = f"a VM uses it (VDI {current.uuid})"
            raise cannot("remove", "VDI", desired.name, cause, "Remove the VM, or take the disk from it, then run the task again", code="in_use")
        if not current.is_ours and current.uuid != desired.name.lower():
            cause = f"this collection has not created it (VDI {current.uuid})"
            raise cannot("remove", "VDI", desired.name, cause, "Give its uuid as name to remove it nevertheless", code="not_ours")
        gone.append(current)
    before: dict[str, Any] = {} if current is None else {"name": current.record["name_label"], "state": "present"}
    after: dict[str, Any] = {} if current is None else {"name": current.record["name_label"], "state": "absent"}
    # A predecessor that is in use, or that others have created, gets a name of its own.
    used = tuple(vdi for vdi in selection.superseded if vdi.used or not vdi.is_ours)
    return ImportPlan(retire=used, remove=tuple(vdi for vdi in gone if not vdi.used), before=before, after=after)


def _normal(desired: DesiredVdi) -> dict[str, Any]:
    given = {name: value for name, value in desired.attributes.items() if value is not None}
    if "tags" in given:
        given["tags"] = sorted(set(given["tags"]))
    if "size" in given:
        given["size"] = rounded(given["size"])
    return given


def _shown(desired: DesiredVdi, current: Vdi | None, attributes: Mapping[str, Any], upload: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {"name": desired.name if current is None else current.record["name_label"], **attributes}
    if current is not None:
        before = {"name": current.record["name_label"], **{name: current.attribute(name) for name in attributes}}
    if desired.content is not None:
        kept = {} if current is None else {"source": current.marks.get(SOURCE), "digest": current.marks.get(DIGEST)}
        before |= kept
        after |= {"source": desired.content.source, "digest": desired.content.digest} if upload else kept
    return before, after


def _refuse_second(name: str, incoming: Iterable[Vdi]) -> None:
    for vdi in incoming:
        if vdi.attached:
            cause = f"another task is importing it now, into VDI {vdi.uuid}"
            raise cannot("import", "image", name, cause, "Run the task again when that one has ended", code="busy")


def refuse_loss(verb: str, kind: str, name: str, replaced: Vdi | None, option: str) -> None:
    """A disk that this collection has not created is renamed by a replacement, and not deleted."""
    if replaced is None or option != "delete" or replaced.is_ours:
        return
    cause = f"the disk that it replaces would be deleted, and this collection has not created it (VDI {replaced.uuid})"
    raise cannot(verb, kind, name, cause, "Set on_replace: keep, or rename or remove that disk first", code="not_ours")


def _refuse_size(name: str, current: Vdi, patch: Mapping[str, Any]) -> None:
    size = patch.get("size")
    if size is None:
        return
    if size < current.attribute("size"):
        raise refuse_small(name, size, current.attribute("size"), "VDI")
    if current.attached:
        raise cannot("grow", "VDI", name, "it is attached to a running VM", "Shut the VM down or detach the disk, then run the task again", code="in_use")


def _refuse_fixed(name: str, current: Vdi, patch: Mapping[str, Any]) -> None:
    """What XAPI lets only a storage manager change."""
    if "sharable" in patch:
        cause = f"sharable of VDI {current.uuid} is {str(current.attribute('sharable')).lower()}, and a pool takes it only when a VDI is created"
        raise cannot("change", "VDI", name, cause, "Remove the VDI and import the image again, or leave sharable out", code="not_changeable")
    if patch.get("read_only") is False and current.record["read_only"]:
        cause = f"the pool itself says that VDI {current.uuid} is read-only, and only the storage manager of its SR may change that"
        raise cannot("change", "VDI", name, cause, "Import the image under another name, or leave read_only out", code="not_changeable")


def refuse_small(name: str, size: int, least: int, what: str) -> ImageServicesError:
    cause = f"size is {size} bytes, the {what} has {least}, and disks are not made smaller"
    return cannot("size", "VDI", name, cause, "Give a larger size, or leave it out", code="too_small")


def choose_upload_format(wanted: str, version: tuple[int, int]) -> str:
    """`auto` is records wherever the pool takes them: nothing but data is sent, and no format's limit counts."""
    if wanted != "auto":
        return wanted
    return "chunked" if version >= CHUNKED_SINCE else "vhd"

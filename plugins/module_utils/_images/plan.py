# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""From the declared and the present image to what has to be done. Pure: rules of idempotence, given whether the content is the same (content.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .._core.errors import cannot
from .._glance.properties import (
    INCOMING,
    REPLACES,
    SCHEMA_ATTRIBUTES,
    SOURCE_COMPRESSION,
    SOURCE_DIGEST,
    SOURCE_FINGERPRINT,
    Record,
    properties_of,
    property_path,
    property_text,
    same_property,
)
from .._glance.relation import Relation, described
from .._glance.store_usage import stores_of
from .content import has_data
from .desired import DesiredImage
from .placement_plan import Placement, placement
from .selection import Selection

Operation = dict[str, Any]

# Carried over to new content where the task does not manage them.
CARRIED_ATTRIBUTES = ("visibility", "protected", "os_hidden", "min_disk", "min_ram", "owner")
UPDATABLE_ATTRIBUTES = ("name", *CARRIED_ATTRIBUTES)
# A signature and its like vouch for the old bytes.
CONTENT_PROPERTIES = ("img_signature", "img_signature_hash_method", "img_signature_key_type", "img_signature_certificate_uuid")
# What Glance gives an image where the request says nothing.
GLANCE_DEFAULTS: Mapping[str, Any] = {"visibility": "shared", "protected": False, "os_hidden": False, "min_disk": 0, "min_ram": 0, "tags": ()}
BUSY_STATES = ("saving", "importing", "uploading", "pending_delete")


@dataclass(frozen=True)
class Members:
    """Projects to add to and remove from an image's members, and the caller's own answer to being one."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    own_status: str | None = None

    def __bool__(self) -> bool:
        return bool(self.add or self.remove or self.own_status)


@dataclass(frozen=True)
class ImagePlan:
    """What one run does, in the order of its fields."""

    remove_incoming: tuple[str, ...] = ()
    finish_replacing: Record | None = None
    superseded: tuple[Record, ...] = ()
    create: Mapping[str, Any] | None = None
    patch: tuple[Operation, ...] = ()
    # The relation of the new or changed image; None leaves it unchanged, empty removes it.
    relation: Relation | None = None
    upload: bool = False
    reveal: bool = False
    replaces: Record | None = None
    reactivate: bool = False
    placement: Placement = field(default_factory=Placement)
    members: Members = field(default_factory=Members)
    deactivate: bool = False
    delete: Record | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(
            self.remove_incoming
            or self.finish_replacing
            or self.create is not None
            or self.patch
            or self.relation is not None
            or self.upload
            or self.reveal
            or self.reactivate
            or self.placement
            or self.members
            or self.deactivate
            or self.delete
        )


def plan(
    desired: DesiredImage, selection: Selection, same: bool | None, members: Mapping[str, str], own_status: str | None = None, relation: Relation | None = None
) -> ImagePlan:
    """``same`` says whether the present image holds the declared content; None where there is none to compare.

    ``members`` are the image's member projects with their statuses, ``own_status`` that of the caller's project.
    ``relation`` is the present image's, as far as it was asked for.
    """
    if desired.state == "absent":
        return _plan_absent(desired, selection)
    current = selection.current
    leftovers = tuple(str(image["id"]) for image in selection.incoming)
    finishing = current if current is not None and REPLACES in current else None
    if current is None:
        _refuse_nothing(desired)
        return _with(_plan_new(desired, None, {}, {}), leftovers, finishing, selection.superseded)
    if current.get("status") in BUSY_STATES:
        raise _refusal(desired, f"another operation has it in status '{current['status']}'", "Wait for its end, or delete the image", "busy")
    if desired.source is not None and has_data(current):
        if same is False or (same and mislabelled(desired, current)):
            return _with(_plan_new(desired, current, members, relation or {}), leftovers, finishing, selection.superseded)
    elif mislabelled(desired, current) and has_data(current):
        raise _refusal(
            desired,
            mislabelled(desired, current),
            "Glance cannot change it: remove the option, or give src or uri so that the content is uploaded again",
            "immutable",
        )
    return _with(_plan_update(desired, current, members, own_status, relation or {}), leftovers, finishing, selection.superseded)


def _refuse_nothing(desired: DesiredImage) -> None:
    """An image without data is created only where the task says so: a name that is none of the cloud's is a typo more often than a wish.

    As with openstack.cloud.image, an id beside the name says so too.
    """
    key = "name" if desired.image_id is None else "id"
    if desired.source is not None or desired.state == "reserved":
        return
    if desired.state == "inactive":
        raise _refusal(desired, f"there is no image of this {key} whose data could be withheld", f"Correct {key}, or give src or uri", "not_found")
    if desired.image_id is None:
        cause = "there is no image of this name, and the task names no content"
        raise _refusal(desired, cause, "Correct name, give src or uri, or state: reserved for an image without data", "not_found")


def _with(planned: ImagePlan, leftovers: tuple[str, ...], finishing: Record | None, superseded: tuple[Record, ...]) -> ImagePlan:
    return replace(planned, remove_incoming=leftovers, finish_replacing=finishing, superseded=superseded)


def _plan_absent(desired: DesiredImage, selection: Selection) -> ImagePlan:
    current = selection.current
    leftovers = tuple(str(image["id"]) for image in selection.incoming)
    if current is None:
        return ImagePlan(remove_incoming=leftovers)
    if current.get("protected") and desired.attributes.get("protected") is not False:
        raise cannot("delete", "image", desired.label, "it is protected", "Give is_protected: false with state: absent if it shall go", code="protected")
    return ImagePlan(remove_incoming=leftovers, delete=current, before=_described(current, desired), after={})


def _plan_new(desired: DesiredImage, replaced: Record | None, members: Mapping[str, str], relation: Relation) -> ImagePlan:
    """New content gets a new image; beside an old one it also gets whatever of that the task leaves alone."""
    if replaced is not None and desired.image_id is not None:
        raise _refusal(
            desired, "its content differs, and a fixed id cannot move to a new image", "Declare it by name without id, or delete the image first", "fixed_id"
        )
    if replaced is not None and desired.on_replace == "delete" and replaced.get("protected") and desired.attributes.get("protected") is not False:
        raise _refusal(
            desired, "the present image is protected and on_replace is 'delete'", "Choose on_replace: hide, or give is_protected: false", "protected"
        )
    body = _new_body(desired, replaced)
    after = {**_described(body, desired, members), **({"content": desired.source.label} if desired.source else {})}
    before = {**_described(replaced, desired, members), "content": _content_mark(replaced)} if replaced is not None else {}
    if desired.stores and desired.source is not None:
        after["stores"] = sorted(set(desired.stores))
        before.update({"stores": sorted(stores_of(replaced))} if replaced is not None else {})
    wanted_members = sorted(desired.members if desired.members is not None else members)
    _check_members(desired, str(body.get("visibility", "shared")), bool(wanted_members) and desired.members is not None)
    if desired.relation is not None:
        before.update(described(relation) if replaced is not None else {})
        after.update(described(desired.relation))
    return ImagePlan(
        create=body,
        relation=relation if desired.relation is None else desired.relation,
        upload=desired.source is not None,
        reveal=desired.source is not None,
        replaces=replaced,
        members=Members(add=tuple(wanted_members) if body.get("visibility", "shared") == "shared" else ()),
        deactivate=desired.state == "inactive" and desired.source is not None,
        before=before,
        after=_with_members(after, desired, wanted_members),
    )


def _new_body(desired: DesiredImage, replaced: Record | None) -> dict[str, Any]:
    carried: dict[str, Any] = {}
    if replaced is not None:
        carried = {key: replaced[key] for key in CARRIED_ATTRIBUTES if replaced.get(key) is not None}
        carried["tags"] = sorted(replaced.get("tags", ()))
        if desired.properties_mode == "merge" or desired.properties is None:
            carried.update({key: value for key, value in properties_of(replaced).items() if key not in CONTENT_PROPERTIES})
    declared: dict[str, Any] = {key: value for key, value in desired.attributes.items() if value is not None}
    declared.update(_formats(desired, replaced or {}))
    if desired.tags is not None:
        declared["tags"] = sorted(set(desired.tags))
    name = desired.name or (replaced or {}).get("name")
    if name is None:
        raise cannot("create", "image", desired.label, "there is no image of this id, and no name is given", "Give name", code="no_name")
    body = {**carried, **declared, "name": name}
    for key, value in (desired.properties or {}).items():
        if value is None:
            body.pop(key, None)
        else:
            body[key] = property_text(value)
    if desired.image_id is not None:
        body["id"] = desired.image_id
    return body


def _formats(desired: DesiredImage, known: Record) -> dict[str, str]:
    """Declared, else seen in the bytes, else as it was, else what openstack.cloud.image takes."""
    detected = desired.source.detected_format if desired.source is not None else None
    return {
        "disk_format": desired.disk_format or detected or known.get("disk_format") or "qcow2",
        "container_format": desired.container_format or known.get("container_format") or "bare",
    }


def _plan_update(desired: DesiredImage, current: Record, members: Mapping[str, str], own_status: str | None, relation: Relation) -> ImagePlan:
    operations = [*_attribute_operations(desired, current), *_property_operations(desired, current), *_tag_operations(desired, current)]
    fill = desired.source is not None and not has_data(current)
    if fill and current.get("status") == "killed":
        raise _refusal(desired, "an earlier upload of it was killed", "Delete the image, then run the task again", "killed")
    if not has_data(current):
        # What a reserved image was declared to be stands, unless this task says otherwise.
        formats = {key: getattr(desired, key) or current.get(key) or value for key, value in _formats(desired, {}).items()}
        operations += [{"op": "replace", "path": f"/{key}", "value": value} for key, value in formats.items() if current.get(key) != value]
    visibility = str(desired.attributes.get("visibility") or current.get("visibility"))
    _check_members(desired, visibility, bool(desired.members))
    wanted = desired.members
    answer = _own_answer(desired, own_status)
    after_image = _patched(current, operations)
    if desired.state == "inactive" and not (has_data(current) or fill):
        raise _refusal(
            desired, f"its status is '{current.get('status')}', and Glance withholds data that is there", "Give src or uri, or state: absent", "no_data"
        )
    new_status = {"present": "active", "inactive": "deactivated"}.get(desired.state, current.get("status"))
    switches = (has_data(current) or fill) and (current.get("status") != new_status)
    before = _described(current, desired, members)
    after = _described(after_image, desired, members)
    placing = _placement(desired, current)
    if desired.stores and (has_data(current) or fill):
        before["stores"] = sorted(stores_of(current))
        after["stores"] = sorted(set(desired.stores) if fill else placing.applied(stores_of(current)))
    if switches:
        before["status"], after["status"] = current.get("status"), new_status
    if answer is not None:
        before["member_status"], after["member_status"] = own_status, answer
    if desired.relation is not None:
        before.update(described(relation))
        after.update(described(desired.relation))
    if fill and desired.source is not None:
        before["content"], after["content"] = None, desired.source.label
    return ImagePlan(
        patch=tuple(operations),
        relation=desired.relation if desired.relation != relation else None,
        upload=fill,
        reveal=INCOMING in current,
        reactivate=switches and not fill and new_status == "active",
        placement=placing,
        members=Members(
            add=tuple(sorted(wanted - set(members))) if wanted is not None else (),
            remove=tuple(sorted(set(members) - wanted)) if wanted is not None else (),
            own_status=answer,
        ),
        deactivate=switches and new_status == "deactivated",
        before=before,
        after=_with_members(after, desired, sorted(wanted) if wanted is not None else None),
    )


def _placement(desired: DesiredImage, current: Record) -> Placement:
    if desired.stores_mode == "exact" and not desired.stores:
        raise _refusal(desired, "stores is empty and stores_mode is 'exact', and its last copy stays", "Name the stores that are to hold it", "no_store")
    planned = placement(stores_of(current), desired.stores, desired.stores_mode) if has_data(current) else Placement()
    if planned and current.get("status") == "deactivated" and desired.state == "inactive":
        raise _refusal(
            desired,
            "it is deactivated, and Glance copies and takes out of stores only active images",
            "Give state: present until it is where it is to be, or leave stores out",
            "deactivated",
        )
    return planned


def left_to_glance(planned: ImagePlan) -> ImagePlan:
    """The plan without moves, for an image that Glance is still copying while no task waits: the next run checks it."""
    if not planned.placement:
        return planned
    return replace(planned, placement=Placement(), after={**planned.after, "stores": planned.before["stores"]})


def _own_answer(desired: DesiredImage, own_status: str | None) -> str | None:
    if desired.member_status is None or desired.member_status == own_status:
        return None
    if own_status is None:
        raise _refusal(
            desired, "member_status is given, and the caller's project is not a member of it", "Have its owner add the project to members", "no_member"
        )
    return desired.member_status


def _attribute_operations(desired: DesiredImage, current: Record) -> list[Operation]:
    declared = {"name": desired.name, **desired.attributes}
    # An image that is still coming in stays hidden until its content is verified.
    keys = [key for key in UPDATABLE_ATTRIBUTES if not (key == "os_hidden" and INCOMING in current)]
    return [{"op": "replace", "path": f"/{key}", "value": declared[key]} for key in keys if declared.get(key) is not None and declared[key] != current.get(key)]


def _property_operations(desired: DesiredImage, current: Record) -> list[Operation]:
    if desired.properties is None:
        return []
    stored = {key: value for key, value in current.items() if key not in SCHEMA_ATTRIBUTES}
    operations: list[Operation] = []
    for key, value in sorted(desired.properties.items()):
        if value is None:
            if key in stored:
                operations.append({"op": "remove", "path": property_path(key)})
        elif not same_property(value, stored.get(key)):
            operations.append({"op": "replace" if key in stored else "add", "path": property_path(key), "value": property_text(value)})
    if desired.properties_mode == "exact":
        excess = set(properties_of(current)) - set(desired.properties)
        operations += [{"op": "remove", "path": property_path(key)} for key in sorted(excess)]
    return operations


def _tag_operations(desired: DesiredImage, current: Record) -> list[Operation]:
    if desired.tags is None or set(desired.tags) == set(current.get("tags", ())):
        return []
    return [{"op": "replace", "path": "/tags", "value": sorted(set(desired.tags))}]


def _patched(current: Record, operations: list[Operation]) -> dict[str, Any]:
    image = dict(current)
    for operation in operations:
        key = operation["path"][1:].replace("~1", "/").replace("~0", "~")
        if operation["op"] == "remove":
            image.pop(key, None)
        else:
            image[key] = operation["value"]
    return image


def mislabelled(desired: DesiredImage, current: Record) -> str:
    """A declared format that the image does not have; a service that converts on import decides formats itself."""
    converted = SOURCE_DIGEST in current and SOURCE_COMPRESSION not in current
    if converted or (SOURCE_FINGERPRINT in current and desired.source is not None and desired.source.kind == "import"):
        return ""
    for key in ("disk_format", "container_format"):
        declared = getattr(desired, key)
        if declared is not None and current.get(key) != declared:
            return f"its {key} is '{current.get(key)}', not '{declared}'"
    return ""


def _check_members(desired: DesiredImage, visibility: str, declared: bool) -> None:
    if declared and visibility != "shared":
        raise _refusal(desired, f"members are given, and its visibility is '{visibility}'", "Give visibility: shared", "members_visibility")


def _refusal(desired: DesiredImage, cause: str, advice: str, code: str) -> Exception:
    return cannot("keep", "image", desired.label, cause, advice, code=code)


def _described(image: Record, desired: DesiredImage, members: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The managed part of an image, normalised, for the diff."""
    keys = [key for key in UPDATABLE_ATTRIBUTES if key in desired.attributes or key == "name"]
    keys += [key for key in ("disk_format", "container_format") if getattr(desired, key) is not None]
    shown: dict[str, Any] = {key: image.get(key) for key in sorted(keys)}
    if desired.tags is not None:
        shown["tags"] = sorted(image.get("tags", ()))
    if desired.properties is not None:
        stored = properties_of(image)
        shown["properties"] = {key: stored[key] for key in sorted(stored) if desired.properties_mode == "exact" or key in desired.properties}
    return _with_members(shown, desired, sorted(members) if members is not None else None)


def _with_members(shown: dict[str, Any], desired: DesiredImage, members: list[str] | None) -> dict[str, Any]:
    return {**shown, "members": members} if desired.members is not None and members is not None else shown


def _content_mark(image: Record) -> str:
    return f"{image.get('os_hash_algo')}:{image.get('os_hash_value')}"


def predicted(planned: ImagePlan, current: Record | None) -> dict[str, Any] | None:
    """The image as the plan leaves it, as far as that is known before it is carried out."""
    if planned.delete is not None:
        return None
    stores = {"stores": ",".join(planned.after["stores"])} if "stores" in planned.after else {}
    if planned.create is not None:
        status = "queued" if not planned.upload else "deactivated" if planned.deactivate else "active"
        return {"id": None, "status": status, **GLANCE_DEFAULTS, **planned.create, **stores}
    if current is None:
        return None
    switched = "deactivated" if planned.deactivate else "active" if planned.reactivate or planned.upload else current.get("status")
    return {**_patched(current, list(planned.patch)), "status": switched, **stores}

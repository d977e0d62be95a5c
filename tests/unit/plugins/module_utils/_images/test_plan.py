# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of idempotence for one image, as a table of declared and present states."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.properties import INCOMING, REPLACES
from ansible_collections.xenstack.image_services.plugins.module_utils._images.desired import DesiredImage, SourceFacts
from ansible_collections.xenstack.image_services.plugins.module_utils._images.plan import ImagePlan, Members, left_to_glance, plan, predicted
from ansible_collections.xenstack.image_services.plugins.module_utils._images.selection import Selection
from hypothesis import given
from hypothesis import strategies as st

FILE = SourceFacts("file", "/srv/debian.qcow2", size=10, detected_format="qcow2")


def image(**changes: Any) -> dict[str, Any]:
    record = {
        "id": "11111111-1111-1111-1111-111111111111",
        "name": "debian",
        "status": "active",
        "visibility": "shared",
        "protected": False,
        "os_hidden": False,
        "min_disk": 0,
        "min_ram": 0,
        "owner": "alpha",
        "tags": ["linux"],
        "disk_format": "qcow2",
        "container_format": "bare",
        "os_hash_algo": "sha512",
        "os_hash_value": "aa",
        "size": 10,
        "stores": "fast",
        "os_distro": "debian",
        "os_glance_failed_import": "",
    }
    record.update(changes)
    return record


def wanted(**changes: Any) -> DesiredImage:
    return DesiredImage(**{"label": "debian", "name": "debian", **changes})


def made(desired: DesiredImage, current: dict[str, Any] | None, same: bool | None = None, **more: Any) -> ImagePlan:
    return plan(desired, Selection(current), same, more.pop("members", {}), **more)


@pytest.mark.parametrize(
    "desired",
    [
        wanted(),
        wanted(attributes={"visibility": "shared", "min_disk": 0, "protected": False}),
        wanted(tags=("linux",)),
        wanted(tags=("linux", "linux")),
        wanted(properties={"os_distro": "debian"}),
        wanted(properties={}),
        wanted(properties={"os_distro": "debian"}, properties_mode="exact"),
        wanted(properties={"absent_one": None}),
        wanted(disk_format="qcow2", container_format="bare"),
        wanted(members=frozenset()),
        wanted(source=FILE),
    ],
)
def test_a_declared_state_that_stands_changes_nothing(desired: DesiredImage) -> None:
    result = made(desired, image(), same=True)
    assert not result.changed
    assert result.before == result.after


@pytest.mark.parametrize(
    ("desired", "operation"),
    [
        (wanted(attributes={"visibility": "public"}), {"op": "replace", "path": "/visibility", "value": "public"}),
        (wanted(attributes={"os_hidden": True}), {"op": "replace", "path": "/os_hidden", "value": True}),
        (wanted(attributes={"min_ram": 512}), {"op": "replace", "path": "/min_ram", "value": 512}),
        (wanted(tags=()), {"op": "replace", "path": "/tags", "value": []}),
        (wanted(tags=("b", "a")), {"op": "replace", "path": "/tags", "value": ["a", "b"]}),
        (wanted(properties={"os_distro": "ubuntu"}), {"op": "replace", "path": "/os_distro", "value": "ubuntu"}),
        (wanted(properties={"hw_cpu_cores": 4}), {"op": "add", "path": "/hw_cpu_cores", "value": "4"}),
        (wanted(properties={"a/b~c": "x"}), {"op": "add", "path": "/a~1b~0c", "value": "x"}),
        (wanted(properties={"os_distro": None}), {"op": "remove", "path": "/os_distro"}),
        (wanted(properties={}, properties_mode="exact"), {"op": "remove", "path": "/os_distro"}),
    ],
)
def test_a_difference_is_one_operation_and_shows_in_the_diff(desired: DesiredImage, operation: dict[str, Any]) -> None:
    result = made(desired, image())
    assert result.patch == (operation,)
    assert result.changed
    assert result.before != result.after


@pytest.mark.parametrize(
    ("declared", "stored"),
    [(True, "True"), (True, "true"), (False, "false"), ("True", "true"), (4, "4"), ("4", "4"), (1.5, "1.50"), ([1, 2], "[1, 2]"), ({"a": 1}, '{"a":1}')],
)
def test_properties_are_equal_by_value_whatever_their_yaml_type(declared: Any, stored: str) -> None:
    assert not made(wanted(properties={"p": declared}), image(p=stored)).changed


def test_exact_properties_leave_those_of_glance_alone() -> None:
    result = made(wanted(properties={}, properties_mode="exact"), image(**{"owner_specified.openstack.sha256": "x"}))
    assert [operation["path"] for operation in result.patch] == ["/os_distro"]


def test_new_content_is_a_new_image_that_keeps_what_the_task_leaves_alone() -> None:
    present = image(visibility="public", protected=True, min_disk=7, hw_disk_bus="scsi", img_signature="old")
    result = made(wanted(source=FILE, tags=("new",)), present, same=False)
    assert result.replaces == present
    assert result.create is not None
    assert result.create == {
        "name": "debian",
        "visibility": "public",
        "protected": True,
        "os_hidden": False,
        "min_disk": 7,
        "min_ram": 0,
        "owner": "alpha",
        "tags": ["new"],
        "os_distro": "debian",
        "hw_disk_bus": "scsi",
        "disk_format": "qcow2",
        "container_format": "bare",
    }
    assert (result.upload, result.reveal, result.delete) == (True, True, None)


def test_new_content_has_the_format_that_its_bytes_show() -> None:
    raw = SourceFacts("file", "/srv/debian.raw", size=10, detected_format="raw")
    result = made(wanted(source=raw), image(), same=False)
    assert result.create is not None
    assert result.create["disk_format"] == "raw"


def test_a_wrong_format_is_put_right_by_a_new_image_and_refused_without_content() -> None:
    assert made(wanted(source=FILE, disk_format="raw"), image(), same=True).create is not None
    with pytest.raises(ImageServicesError, match="its disk_format is 'qcow2', not 'raw'"):
        made(wanted(disk_format="raw"), image())


def test_content_goes_into_an_image_that_was_reserved() -> None:
    result = made(wanted(source=FILE), image(status="queued", os_hash_algo=None, os_hash_value=None, size=None, disk_format=None))
    assert (result.create, result.upload, result.replaces) == (None, True, None)
    assert {"op": "replace", "path": "/disk_format", "value": "qcow2"} in result.patch


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        ("inactive", "active", (False, True)),
        ("inactive", "deactivated", (False, False)),
        ("present", "deactivated", (True, False)),
        ("present", "active", (False, False)),
        ("reserved", "active", (False, False)),
        ("reserved", "deactivated", (False, False)),
        ("reserved", "queued", (False, False)),
    ],
)
def test_state_switches_the_status(state: str, status: str, expected: tuple[bool, bool]) -> None:
    result = made(wanted(state=state), image(status=status))
    assert (result.reactivate, result.deactivate) == expected
    assert result.changed is any(expected)


NEW_ID = "22222222-2222-2222-2222-222222222222"


@pytest.mark.parametrize(
    "desired",
    [
        wanted(state="reserved"),
        wanted(state="reserved", image_id=NEW_ID),
        wanted(image_id=NEW_ID, tags=("reserved",)),
    ],
)
def test_an_image_without_data_is_created_where_the_task_says_so(desired: DesiredImage) -> None:
    """openstack.cloud.image reserves by a name and an id that no image has."""
    result = made(desired, None)
    assert (result.create is not None, result.upload, result.deactivate) == (True, False, False)
    assert not made(desired, image(id=NEW_ID, status="queued", tags=["reserved"])).changed


@pytest.mark.parametrize(
    ("desired", "sentence"),
    [
        (wanted(), "there is no image of this name, and the task names no content. Correct name, give src or uri, or state: reserved"),
        (wanted(properties={"os_distro": "debian"}), "there is no image of this name, and the task names no content."),
        (wanted(state="inactive"), "there is no image of this name whose data could be withheld. Correct name, or give src or uri."),
        (wanted(state="inactive", image_id=NEW_ID), "there is no image of this id whose data could be withheld. Correct id, or give src or uri."),
    ],
)
def test_a_name_that_no_image_has_creates_nothing_without_content(desired: DesiredImage, sentence: str) -> None:
    with pytest.raises(ImageServicesError) as caught:
        made(desired, None)
    assert str(caught.value).startswith(f"Cannot keep image 'debian': {sentence}")


def test_what_has_no_data_cannot_be_withheld() -> None:
    with pytest.raises(ImageServicesError, match="its status is 'queued', and Glance withholds data that is there"):
        made(wanted(state="inactive"), image(status="queued", os_hash_value=None, size=None))
    assert made(wanted(state="inactive", source=FILE), None).deactivate


def test_members_are_exact() -> None:
    result = made(wanted(members=frozenset({"beta", "gamma"})), image(), members={"beta": "accepted", "delta": "pending"})
    assert result.members == Members(add=("gamma",), remove=("delta",))
    assert (result.before["members"], result.after["members"]) == (["beta", "delta"], ["beta", "gamma"])


def test_members_follow_to_new_content() -> None:
    assert made(wanted(source=FILE), image(), same=False, members={"beta": "accepted"}).members.add == ("beta",)


def test_members_need_a_shared_image() -> None:
    with pytest.raises(ImageServicesError, match="Give visibility: shared"):
        made(wanted(members=frozenset({"beta"})), image(visibility="private"))
    with pytest.raises(ImageServicesError, match="Give visibility: shared"):
        made(wanted(members=frozenset({"beta"}), attributes={"visibility": "public"}, state="reserved"), None)


def test_an_id_alone_says_nothing_of_the_name() -> None:
    assert not made(wanted(label=image()["id"], name=None, image_id=image()["id"]), image()).changed
    renamed = made(wanted(name="new", image_id=image()["id"]), image())
    assert renamed.patch == ({"op": "replace", "path": "/name", "value": "new"},)
    replacing = made(wanted(label=image()["id"], name=None, source=FILE), image(), same=False)
    assert replacing.create is not None
    assert replacing.create["name"] == "debian"
    with pytest.raises(ImageServicesError, match="Give name"):
        made(wanted(label=image()["id"], name=None, image_id=image()["id"]), None)


def test_own_membership_is_answered_once() -> None:
    desired = wanted(name=None, image_id=image()["id"], member_status="accepted")
    assert made(desired, image(), own_status="pending").members.own_status == "accepted"
    assert not made(desired, image(), own_status="accepted").changed
    with pytest.raises(ImageServicesError, match="not a member"):
        made(desired, image(), own_status=None)


def test_absent_deletes_one_image_and_keeps_protected_ones() -> None:
    assert made(wanted(state="absent"), image()).delete == image()
    assert not made(wanted(state="absent"), None).changed
    with pytest.raises(ImageServicesError, match="it is protected"):
        made(wanted(state="absent"), image(protected=True))
    assert made(wanted(state="absent", attributes={"protected": False}), image(protected=True)).delete is not None


def test_a_protected_image_is_not_replaced_by_deleting_it() -> None:
    with pytest.raises(ImageServicesError, match="on_replace is 'delete'"):
        made(wanted(source=FILE, on_replace="delete"), image(protected=True), same=False)


def test_content_under_a_fixed_id_is_not_replaced() -> None:
    with pytest.raises(ImageServicesError, match="fixed id"):
        made(wanted(source=FILE, image_id=image()["id"]), image(), same=False)


@pytest.mark.parametrize("status", ["saving", "importing", "uploading"])
def test_an_image_that_others_fill_is_left_alone(status: str) -> None:
    with pytest.raises(ImageServicesError, match=f"status '{status}'"):
        made(wanted(source=FILE), image(status=status))


def test_what_an_interrupted_run_left_is_cleared() -> None:
    left = image(id="22222222-2222-2222-2222-222222222222", status="queued", **{INCOMING: "then"})
    result = plan(wanted(), Selection(image(), (left,)), None, {})
    assert result.remove_incoming == (left["id"],)
    assert result.changed
    old = image(id="33333333-3333-3333-3333-333333333333")
    successor = image(**{REPLACES: old["id"]})
    result = plan(wanted(), Selection(successor, (), (old,)), None, {})
    assert (result.finish_replacing, result.superseded) == (successor, (old,))
    assert result.changed


def test_a_fixed_id_whose_upload_was_interrupted_is_finished() -> None:
    desired = wanted(image_id=image()["id"], source=FILE)
    empty = image(status="queued", os_hidden=True, **{INCOMING: "then"})
    assert (made(desired, empty).upload, made(desired, empty).reveal) == (True, True)
    full = image(os_hidden=True, **{INCOMING: "then"})
    assert (made(desired, full, same=True).upload, made(desired, full, same=True).reveal) == (False, True)


def test_the_prediction_is_the_image_that_the_plan_leads_to() -> None:
    shown = predicted(made(wanted(tags=(), properties={"os_distro": None}), image()), image())
    assert shown is not None
    assert (shown["tags"], "os_distro" in shown) == ([], False)
    assert predicted(made(wanted(state="absent"), image()), image()) is None
    new = predicted(made(wanted(source=FILE), None), None)
    assert new is not None
    assert (new["id"], new["status"], new["name"]) == (None, "active", "debian")


@pytest.mark.parametrize(
    ("mode", "stores", "copy", "remove", "after"),
    [
        ("at_least", ("fast",), (), (), ["fast"]),
        ("at_least", ("archive",), ("archive",), (), ["archive", "fast"]),
        ("exact", ("archive",), ("archive",), ("fast",), ["archive"]),
    ],
)
def test_an_image_is_moved_to_where_it_is_declared(
    mode: str, stores: tuple[str, ...], copy: tuple[str, ...], remove: tuple[str, ...], after: list[str]
) -> None:
    result = made(wanted(stores=stores, stores_mode=mode), image())
    assert (result.placement.copy, result.placement.remove) == (copy, remove)
    assert result.changed == bool(copy or remove)
    assert (result.before["stores"], sorted(result.after["stores"])) == (["fast"], after)
    shown = predicted(result, image())
    assert shown is not None
    assert not made(wanted(stores=stores, stores_mode=mode), shown).changed


def test_new_content_goes_straight_into_the_declared_stores() -> None:
    result = made(wanted(stores=("archive",), stores_mode="exact", source=FILE), image(), same=False)
    assert (result.upload, bool(result.placement), result.before["stores"], result.after["stores"]) == (True, False, ["fast"], ["archive"])
    shown = predicted(result, image())
    assert shown is not None
    assert shown["stores"] == "archive"
    reserved = image(status="queued")
    del reserved["stores"]
    result = made(wanted(stores=("archive",), stores_mode="exact", source=FILE), reserved)
    assert (result.upload, bool(result.placement), result.before["stores"], result.after["stores"]) == (True, False, [], ["archive"])


def test_a_deactivated_image_moves_only_on_its_way_to_active() -> None:
    deactivated = image(status="deactivated")
    result = made(wanted(stores=("archive",)), deactivated)
    assert (result.reactivate, result.placement.copy) == (True, ("archive",))
    with pytest.raises(ImageServicesError, match="it is deactivated, and Glance copies"):
        made(wanted(stores=("archive",), state="inactive"), deactivated)
    assert not made(wanted(stores=("fast",), state="inactive"), deactivated).changed


def test_exact_needs_a_store() -> None:
    with pytest.raises(ImageServicesError, match="stores is empty and stores_mode is 'exact'"):
        made(wanted(stores=(), stores_mode="exact"), image())


def test_moves_that_glance_is_at_are_left_to_it() -> None:
    left = left_to_glance(made(wanted(stores=("archive",), tags=()), image()))
    assert (bool(left.placement), left.changed, left.after["stores"]) == (False, True, ["fast"])
    assert not left_to_glance(made(wanted(stores=("archive",)), image())).changed


PROPERTIES = st.dictionaries(
    st.text(min_size=1, max_size=8).map("x_".__add__), st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.none()), max_size=5
)


@given(
    PROPERTIES,
    PROPERTIES.map(lambda found: {key: str(value) for key, value in found.items()}),
    st.sampled_from(["merge", "exact"]),
    st.lists(st.text(max_size=5), max_size=4),
)
def test_what_a_plan_leads_to_needs_no_plan(declared: dict[str, Any], stored: dict[str, str], mode: str, tags: list[str]) -> None:
    desired = wanted(properties=declared, properties_mode=mode, tags=tuple(tags))
    current = image(**stored)
    after = predicted(made(desired, current), current)
    assert after is not None
    again = made(desired, after)
    assert not again.changed
    assert again.before == again.after

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of instances: which images are one, of what kind the next one is, what is gone on with, and what may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.filter.instance_backup_lint import FilterModule as Lint
from ansible_collections.xenstack.image_services.plugins.filter.instance_backup_plan import FilterModule as Plan
from ansible_collections.xenstack.image_services.plugins.filter.instance_backups import FilterModule as Backups
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.backup_images import Backup, backups_of, relation_of
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.backup_rotation import Night, expired, kind_of, rotated_out
from hypothesis import given
from hypothesis import strategies as st

INSTALLATION, OTHER = "0f0c7d6e-5a8e-4b0c-9d3a-6a1f0c1f2b3d", "1f0c7d6e-5a8e-4b0c-9d3a-6a1f0c1f2b3d"
RELATION = relation_of(INSTALLATION, 123)
assert RELATION is not None
VM = "8f1c1f60-2b40-4c5a-9c54-2f1b6f0f5a77"


def image(run: str = "2026-05-31", device: str = "0", devices: str = "0", kind: str = "daily", **more: Any) -> dict[str, Any]:
    """An image that the playbook has made; ``more`` says what is otherwise about it, where None removes a property."""
    snapshot = more.pop("snapshot", f"snapshot {run}")
    name = f"web-backup-{run}-disk{device}-{snapshot}-{kind}"
    properties = {
        "image_type": "backup",
        "backup_type": kind,
        "image_services_backup": name,
        "image_services_backup_run": run,
        "image_services_backup_vm": VM,
        "image_services_backup_snapshot": snapshot,
        "image_services_backup_device": device,
        "image_services_backup_devices": devices,
    }
    properties = {key: value for key, value in {**properties, **more.pop("properties", {})}.items() if value is not None}
    made = {"id": f"{run} {device} {snapshot} {kind}", "name": name, "status": "active", "is_hidden": False, "is_protected": False, "owner": "alpha"}
    return {**made, "created_at": f"{run}T01:00:00Z", "nova_installation_uuid": INSTALLATION, "instance_id": "123", "properties": properties, **more}


def vm(devices: str = "0", snapshots: Sequence[str] = (), bootable: str = "0") -> dict[str, Any]:
    disks = [{"device": device, "bootable": device in bootable, "name": f"web {device}", "uuid": f"uuid-{device}"} for device in devices]
    return {"uuid": VM, "name": "web", "disks": disks, "snapshots": [{"uuid": f"uuid of {name}", "name": name} for name in snapshots]}


def planned(images: Sequence[Mapping[str, Any]], run: str = "2026-05-31", machine: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    settings = {"keep": {"daily": 2, "weekly": 1}, **more}
    plan = Plan().filters()["instance_backup_plan"]
    made: dict[str, Any] = plan(images, INSTALLATION.upper(), 123, "alpha", machine or vm(), run, **settings)
    return made


def gone(images: Sequence[Mapping[str, Any]], **more: Any) -> list[str]:
    return [each["run"] for each in planned(images, **more)["delete"]]


@pytest.mark.parametrize(
    "foreign",
    [
        {"owner": "beta"},
        {"owner": None},
        {"instance_id": "124"},
        {"nova_installation_uuid": OTHER},
        {"instance_id": None, "nova_installation_uuid": None},
        # Nova has made it of an instance that was booted from a backup, and handed the properties on.
        {"name": "an image of Nova"},
        {"properties": {"image_type": "snapshot"}},
        {"properties": {"image_services_backup": None}},
        {"properties": {"image_services_backup": "another"}},
        {"properties": {"backup_type": "monthly"}},
        {"properties": {"image_services_backup_snapshot": None}},
        {"properties": {"image_services_backup_run": ""}},
    ],
)
def test_what_the_playbook_has_not_made_for_this_instance_is_neither_counted_nor_deleted(foreign: dict[str, Any]) -> None:
    assert RELATION is not None
    assert not backups_of([image(**foreign)], RELATION, "alpha")
    assert not backups_of([image()], RELATION, "")
    mine = [image(f"2026-05-{day}") for day in (29, 30, 31)]
    assert gone([*mine, *(image(f"2026-04-{day}", **foreign) for day in (10, 11, 12))]) == ["2026-05-29"]


def test_disks_of_one_snapshot_are_one_backup() -> None:
    listed = Backups().filters()["instance_backups"](
        [image(device="1", devices="0,1"), image(device="0", devices="0,1"), image(device="0", devices="0,1", snapshot="earlier")], INSTALLATION, 123, "alpha"
    )
    assert [(each["complete"], [made["device"] for made in each["images"]]) for each in listed] == [(True, ["0", "1"]), (False, ["0"])]
    assert Backups().filters()["instance_backups"]([image()], "no uuid", 123, "alpha") == []


@pytest.mark.parametrize(
    ("run", "weekday", "there", "expected"),
    [
        ("2026-05-31", "sunday", [], "weekly"),
        # The first of the week, whichever day it is.
        ("2026-06-02", "sunday", [("2026-05-30", "weekly")], "weekly"),
        ("2026-06-02", "sunday", [("2026-05-31", "weekly")], "daily"),
        ("2026-06-06", "sunday", [("2026-05-31", "weekly")], "daily"),
        ("2026-06-07", "sunday", [("2026-05-31", "weekly")], "weekly"),
        ("2026-06-07", "monday", [("2026-06-01", "weekly")], "daily"),
        # A clock that was wrong for a night costs no week its backup, and a run that is made up for counts for its own week.
        ("2026-06-02", "sunday", [("2036-01-01", "weekly")], "weekly"),
        ("2026-05-30", "sunday", [("2026-05-31", "weekly")], "weekly"),
        ("2026-06-02", "sunday", [("2026-06-01", "daily")], "weekly"),
        # The same run again is what it was.
        ("2026-05-31", "sunday", [("2026-05-31", "weekly")], "weekly"),
        ("2026-05-31-noon", "sunday", [("2026-05-31", "weekly")], "daily"),
    ],
)
def test_the_first_complete_backup_of_a_week_is_the_weekly_one(run: str, weekday: str, there: list[tuple[str, str]], expected: str) -> None:
    backups = [Backup(each, kind, VM, each, devices=()) for each, kind in there]
    assert kind_of(Night(run, {"daily": 7, "weekly": 4}, weekday), backups) == expected
    assert kind_of(Night(run, {"daily": 7}, weekday), backups) == "daily"
    incomplete = [Backup(each, kind, VM, each, devices=("0",)) for each, kind in there]
    assert kind_of(Night(run, {"daily": 7, "weekly": 4}, weekday), incomplete) == "weekly"


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([], []),
        # As many as are to stay, and one more; nights without a run do not matter.
        ([image("2026-05-31"), image("2026-05-20")], []),
        ([image("2026-05-31"), image("2026-05-20"), image("2026-05-02")], ["2026-05-02"]),
        # A run that is not complete costs nothing, neither complete backups nor what others have left.
        ([image("2026-05-31", devices="0,1"), image("2026-05-30"), image("2026-05-29"), image("2026-05-28"), image("2026-05-27", devices="0,1")], []),
        ([image("2026-05-30"), image("2026-05-29"), image("2026-05-28")], []),
        ([image("2026-05-31", status="queued"), image("2026-05-30"), image("2026-05-29"), image("2026-05-28")], []),
        ([image("2026-05-31", is_hidden=True), image("2026-05-30"), image("2026-05-29"), image("2026-05-28")], []),
        # What is incomplete does not count, and goes.
        ([image("2026-05-31"), image("2026-05-30", devices="0,1"), image("2026-05-29")], ["2026-05-30"]),
        ([image("2026-05-31"), image("2026-05-30", status="queued", is_hidden=True), image("2026-05-29")], ["2026-05-30"]),
        ([image("2026-05-31"), image("2026-05-31", status="saving", is_hidden=True)], ["2026-05-31"]),
        ([image("2026-05-31"), image("2026-05-31", snapshot="earlier", devices="0,1")], ["2026-05-31"]),
        # What somebody keeps from being used or deleted is somebody's, and does not count if it cannot be used.
        ([image("2026-05-31"), image("2026-05-30"), image("2026-05-29", is_protected=True), image("2026-05-28")], ["2026-05-28"]),
        ([image("2026-05-31"), image("2026-05-30", status="deactivated"), image("2026-05-29"), image("2026-05-28")], ["2026-05-28"]),
        ([image("2026-05-31"), image("2026-05-30", is_hidden=True), image("2026-05-29"), image("2026-05-28")], ["2026-05-28"]),
        ([image("2026-05-31"), image("2026-05-30", status="queued", is_protected=True)], []),
        # Each kind for itself.
        ([image("2026-05-31"), image("2026-05-24", kind="weekly"), image("2026-05-17", kind="weekly"), image("2026-05-30")], ["2026-05-17"]),
        # Two in one second are told apart by their runs, and the one of this run stays, whatever clocks say.
        ([image(f"2026-05-{day}", created_at="2026-05-31T01:00:00Z") for day in (29, 31, 30)], ["2026-05-29"]),
        ([image("2026-05-31", created_at="1970-01-01T00:00:00Z"), image("2026-05-30"), image("2026-05-29"), image("2026-05-28")], ["2026-05-29", "2026-05-28"]),
        ([image("2026-05-31"), image("2036-01-01"), image("2026-05-30")], ["2026-05-30"]),
        ([image("2026-05-31"), image("2026-05-30", created_at=None), image("2026-05-29")], ["2026-05-30"]),
    ],
)
def test_what_is_one_too_many(images: list[dict[str, Any]], expected: list[str]) -> None:
    assert gone(images) == expected
    assert gone(images[::-1]) == expected


def test_a_kind_that_is_not_named_is_not_managed() -> None:
    images = [image("2026-05-31"), *(image(f"2026-05-{day}", kind="weekly") for day in (10, 17, 24))]
    assert gone(images, keep={"daily": 1}) == []
    assert gone(images, keep={"daily": 1, "weekly": "2"}) == ["2026-05-10"]


def test_a_run_is_begun_gone_on_with_and_done() -> None:
    begun = planned([])
    assert (begun["complete"], begun["kind"], begun["missing"], begun["snapshot"]) == (False, "weekly", ["0"], None)
    left = ["instance_backup 2026-05-31", "instance_backup 2026-05-30", "instance_backup of mine", "golden"]
    machine = vm("01", left)
    halves = [image(device="1", devices="0,1", kind="weekly", snapshot="uuid of instance_backup 2026-05-31"), image("2026-05-28", kind="weekly")]
    resumed = planned(halves, machine=machine, disks="all")
    assert (resumed["complete"], resumed["kind"], resumed["missing"]) == (False, "weekly", ["0"])
    assert resumed["snapshot"] == "uuid of instance_backup 2026-05-31"
    assert resumed["snapshots"] == ["uuid of instance_backup 2026-05-31", "uuid of instance_backup 2026-05-30"]
    assert (resumed["delete"], [each["run"] for each in resumed["predicted_delete"]]) == ([], ["2026-05-28"])
    done = planned(
        [*halves, {**halves[0], **image(device="0", devices="0,1", kind="weekly", snapshot="uuid of instance_backup 2026-05-31")}], machine=machine, disks="all"
    )
    assert (done["complete"], done["missing"], [each["run"] for each in done["delete"]]) == (True, [], ["2026-05-28"])


def test_disks_of_another_moment_are_taken_anew_and_go_once_the_new_ones_are_there() -> None:
    half = image(device="0", devices="0,1")
    again = planned([half], machine=vm("01"), disks=[1, "0"])
    assert (again["missing"], again["delete"], [each["id"] for each in again["predicted_delete"]]) == (["0", "1"], [], [half["id"]])
    # More disks than the run has had so far are another backup.
    more = planned([image()], machine=vm("01"), disks="all")
    assert (more["complete"], more["missing"], more["delete"]) == (False, ["0", "1"], [])


@pytest.mark.parametrize(
    ("machine", "disks", "expected"),
    [
        (vm("01"), None, "its backup would lack the disk 1 'web 1' (uuid-1). Name its disks in disks, or give instance_backup_leave: [disks] to back it up"),
        (vm("01"), [0], ["0"]),
        (vm("0", bootable=""), None, ["0"]),
        (vm("013"), [3, 0, 0], ["0", "3"]),
        (vm("013"), "all", ["0", "1", "3"]),
        (vm("01", bootable=""), None, "Cannot back up VM 'web': none or several of its disks (0, 1) can be booted from. Name its disks in disks"),
        (vm("01", bootable="01"), None, "none or several of its disks"),
        (vm(""), None, "it has no disk"),
        (vm(""), "all", "it has no disk"),
        (vm("01"), [2], "it has no disk as device 2; it has 0, 1. Correct disks."),
    ],
)
def test_disks_are_named_or_the_one_that_boots(machine: dict[str, Any], disks: object, expected: list[str] | str) -> None:
    made = planned([], machine=machine, disks=disks)
    if isinstance(expected, list):
        assert (made["fault"], made["devices"]) == ("", expected)
    else:
        assert expected in made["fault"]


@pytest.mark.parametrize(
    ("found", "disks", "leave", "expected"),
    [
        ({}, None, [], ""),
        ({"nvram": True}, None, [], "lack the variables of its UEFI firmware, with boot entries and keys of secure boot. Give instance_backup_leave: [nvram]"),
        ({"vtpms": 1, "nvram": True}, None, ["nvram"], "lack its virtual TPM, with the keys in it. Give instance_backup_leave: [vtpm] to back it up"),
        ({"vtpms": 1, "nvram": True}, None, ["nvram", "vtpm"], ""),
        ({"vtpms": 1}, "all", ["disks", "nvram"], "virtual TPM"),
    ],
)
def test_what_no_image_holds_is_left_behind_only_when_told(found: dict[str, Any], disks: object, leave: list[str], expected: str) -> None:
    made = planned([], machine={**vm("0"), **found}, disks=disks, leave=leave)
    assert expected in made["fault"] if expected else not made["fault"]
    if not expected:
        assert ("TPM" in made["left_behind"]) == bool(found)


def test_disks_that_are_left_are_told() -> None:
    assert planned([], machine=vm("012"), leave=["disks"])["left_behind"] == "the disks 1 'web 1' (uuid-1), 2 'web 2' (uuid-2)"


GOOD: dict[str, Any] = {
    "instances": [{"vm": "web", "instance_id": 123}, {"vm": "db", "instance_id": VM.upper(), "disks": "all"}, {"vm": "null", "instance_id": 0, "disks": [0]}],
    "nova_installation_uuid": INSTALLATION.upper(),
    "keep": {"daily": "7", "weekly": 4},
    "run": "2026-05-31-noon",
    "weekday": "sunday",
}


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({}, None),
        ({"keep": {"daily": 1}}, None),
        ({"leave": ["disks", "vtpm"]}, None),
        ({"leave": ["tpm"]}, "instance_backup_leave is '['tpm']'. Write it as a list of what backups may lack, out of disks, nvram and vtpm."),
        ({"leave": "disks"}, "instance_backup_leave is 'disks'."),
        ({"nova_installation_uuid": None}, "instance_backup_nova_installation_uuid is not given. Set it"),
        ({"nova_installation_uuid": "../x"}, "instance_backup_nova_installation_uuid is '../x', which is no UUID. Correct it."),
        ({"instances": None}, "instance_backup_instances is no list of instances."),
        ({"instances": []}, "instance_backup_instances is no list of instances."),
        ({"instances": "web"}, "instance_backup_instances is no list of instances."),
        ({"instances": ["web"]}, "instance_backup_instances is no list of instances."),
        ({"instances": [{"instance_id": 1}]}, "entry 1 of instance_backup_instances has no vm."),
        ({"instances": [{"vm": "web"}]}, "VM 'web' has no instance_id."),
        ({"instances": [{"vm": "web", "instance_id": "007"}]}, "VM 'web' has instance_id '007'. Give a UUID, or a number without leading zeros."),
        ({"instances": [{"vm": "web", "instance_id": "1" * 20}]}, "Give a UUID"),
        ({"instances": [{"vm": "web", "instance_id": True}]}, "VM 'web' has instance_id 'True'."),
        ({"instances": [{"vm": "web", "instance_id": 1, "disks": []}]}, "VM 'web' has disks that are no list of devices."),
        ({"instances": [{"vm": "web", "instance_id": 1, "disks": "0"}]}, "VM 'web' has disks that are no list of devices."),
        ({"instances": [{"vm": "web", "instance_id": 1, "disk": 0}]}, "VM 'web' has the key 'disk', which means nothing here."),
        ({"instances": [{"vm": "web", "instance_id": 1}, {"vm": "web", "instance_id": 2}]}, "vm 'web' stands twice"),
        ({"instances": [{"vm": "web", "instance_id": VM}, {"vm": "db", "instance_id": VM.upper()}]}, f"instance_id '{VM}' stands twice"),
        ({"keep": 7}, "instance_backup_keep is '7'. Write it as {daily: 7, weekly: 4}"),
        ({"keep": {"weekly": 4}}, "instance_backup_keep is"),
        ({"keep": {"daily": 7, "monthly": 1}}, "instance_backup_keep is"),
        ({"keep": {"daily": 0}}, "instance_backup_keep has daily: 0. Give a number from 1"),
        ({"keep": {"daily": 7, "weekly": -1}}, "instance_backup_keep has weekly: -1."),
        ({"keep": {"daily": True}}, "instance_backup_keep has daily: True."),
        ({"run": "tonight"}, "instance_backup_run is 'tonight'. Give a date"),
        ({"run": "2026-02-30"}, "instance_backup_run is '2026-02-30'."),
        ({"run": "2026-05-31 noon"}, "instance_backup_run is '2026-05-31 noon'."),
        ({"weekday": "Sunday"}, "instance_backup_weekday is 'Sunday'. Choose monday,"),
    ],
)
def test_bad_settings_are_told(bad: dict[str, Any], sentence: str | None) -> None:
    findings = Lint().filters()["instance_backup_lint"](**{**GOOD, **bad})
    assert findings == [] if sentence is None else sentence in " ".join(findings)


# Rotation of whatever may lie there

RUNS = st.dates(date(2026, 1, 1), date(2026, 3, 31)).map(str)


@st.composite
def lying_there(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Images of any runs: complete, half, interrupted, protected and foreign ones, under clocks that go anywhere."""
    images = []
    for number in range(draw(st.integers(0, 14))):
        run, devices = draw(RUNS), draw(st.sampled_from(["0", "0,1"]))
        shared = {
            "kind": draw(st.sampled_from(["daily", "weekly"])),
            "snapshot": f"snapshot {number}",
            "created_at": f"{draw(RUNS)}T00:00:00Z",
            "owner": draw(st.sampled_from(["alpha"] * 5 + ["beta"])),
            "instance_id": draw(st.sampled_from(["123"] * 5 + ["124"])),
        }
        for device in devices.split(",")[: draw(st.sampled_from([1, 2, 2, 2]))]:
            state = draw(st.sampled_from([{}] * 6 + [{"status": "queued", "is_hidden": True}, {"status": "deactivated"}, {"is_protected": True}]))
            images.append(image(run, device, devices, **shared, **state))
    return draw(st.permutations(images))


def complete(images: Sequence[Mapping[str, Any]], kind: str) -> list[Backup]:
    assert RELATION is not None
    return [each for each in backups_of(images, RELATION, "alpha") if each.complete and each.kind == kind]


# A loaded machine may be slow to draw and to judge.
@given(lying_there(), RUNS, st.integers(1, 4), st.integers(1, 4))
def test_rotation_keeps_what_it_must(images: list[dict[str, Any]], run: str, daily: int, weekly: int) -> None:
    assert RELATION is not None
    night = Night(run, {"daily": daily, "weekly": weekly})
    backups = backups_of(images, RELATION, "alpha")
    out = expired(backups, night)
    ids = {each["id"] for each in out}
    left = [each for each in images if each["id"] not in ids]
    by_id = {each["id"]: each for each in images}
    # Nothing foreign, nothing that somebody holds, nothing twice.
    assert all(by_id[ident]["owner"] == "alpha" and by_id[ident]["instance_id"] == "123" for ident in ids)
    assert not [ident for ident in ids if by_id[ident]["is_protected"] or by_id[ident]["status"] == "deactivated"]
    assert len(ids) == len(out)
    for kind, number in night.keep.items():
        before, after = complete(images, kind), complete(left, kind)
        if not any(each.complete and each.run == run for each in backups):
            assert before == after
            continue
        held = [each for each in before if each.withheld]
        assert min(number, len(before)) <= len(after) <= min(number, len(before)) + len(held)
        assert {each.run for each in before if each.run == run} <= {each.run for each in after}
        newest = [each for each in before if each.run != run][: max(number - sum(each.run == run for each in before), 0)]
        assert [each for each in newest if each in after] == newest
    # Done once, there is nothing left to do; and who keeps more deletes no more.
    assert expired(backups_of(left, RELATION, "alpha"), night) == []
    more = {each["id"] for each in expired(backups, Night(run, {"daily": daily + 1, "weekly": weekly + 1}))}
    assert more <= ids


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40), st.integers(1, 5), st.integers(1, 3))
def test_night_after_night(nights: list[tuple[int, bool]], daily: int, weekly: int) -> None:
    """Nights may be left out, and may fail half way: no week that had a backup is without, as long as that is to be kept."""
    there: list[Backup] = []
    day = date(2026, 1, 1)
    made: list[Backup] = []
    for skipped, works in nights:
        day += timedelta(days=1 + skipped)
        night = Night(str(day), {"daily": daily, "weekly": weekly})
        backup = Backup(night.run, kind_of(night, there), VM, night.run, () if works else ("0",), f"{day}T00:00:00Z")
        before = [each for each in there if each.complete]
        there.append(backup)
        there = [each for each in there if each not in rotated_out(there, night)]
        if not works:
            assert [each for each in there if each.complete] == before
            continue
        made.append(backup)
        assert backup in there
        for kind, number in night.keep.items():
            assert [each for each in there if each.complete and each.kind == kind] == [each for each in made if each.kind == kind][-number:]
        weeks = [(each.day - timedelta(days=(each.day.weekday() + 1) % 7)) for each in made if each.kind == "weekly" and each.day is not None]
        assert len(set(weeks)) == len(weeks)

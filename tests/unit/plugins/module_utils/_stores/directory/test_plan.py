# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change about a directory, as a table of declared and present states."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory import plan as store_dir
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory.plan import Contents, DirectoryAttributes, Requirements, Volume
from hypothesis import given
from hypothesis import strategies as st

PATH = "/srv/glance/fast"
GIB = 2**30
VOLUME = Volume("/srv/glance", "xfs", False, 10 * GIB, 20 * GIB)
THERE = DirectoryAttributes(True, 42424, 42424, 0o750)
ABSENT = DirectoryAttributes(False)


@pytest.mark.parametrize(
    ("desired", "current", "foreign", "expected"),
    [
        (DirectoryAttributes(True, 42424, 42424), ABSENT, 0, {"create", "chown", "chmod"}),
        (DirectoryAttributes(True, 42424, 42424), THERE, 0, set()),
        (DirectoryAttributes(True), THERE, 0, set()),
        (DirectoryAttributes(True, 42415, 42415), THERE, 0, {"chown"}),
        (DirectoryAttributes(True, gid=1), THERE, 0, {"chown"}),
        (DirectoryAttributes(True, mode=0o700), THERE, 0, {"chmod"}),
        (DirectoryAttributes(True, setype="glance_var_lib_t"), THERE, 0, {"relabel"}),
    ],
)
def test_only_what_differs_is_changed(desired: DirectoryAttributes, current: DirectoryAttributes, foreign: int, expected: set[str]) -> None:
    plan = store_dir.plan_present(PATH, desired, current, Contents(strays=foreign))
    assert {step for step in ("create", "chown", "chmod", "relabel") if getattr(plan, step)} == expected
    assert plan.changed == bool(expected)


def test_entries_below_that_belong_to_others_are_a_change() -> None:
    plan = store_dir.plan_present(PATH, THERE, THERE, Contents(strays=3))
    assert plan.changed
    assert (plan.before["other_owners_below"], plan.after["other_owners_below"]) == (3, 0)


def test_a_new_directory_is_closed_to_others() -> None:
    assert store_dir.plan_present(PATH, DirectoryAttributes(True, 1, 1), ABSENT, Contents()).after["mode"] == "0750"


ATTRIBUTES = st.builds(DirectoryAttributes, st.just(True), st.integers(0, 3), st.integers(0, 3), st.sampled_from([0o700, 0o750, 0o755]))
WISHES = st.builds(
    DirectoryAttributes, st.just(True), st.none() | st.integers(0, 3), st.none() | st.integers(0, 3), st.none() | st.sampled_from([0o700, 0o750, 0o755])
)


@given(WISHES, ATTRIBUTES)
def test_what_a_plan_leads_to_needs_no_further_change(desired: DirectoryAttributes, current: DirectoryAttributes) -> None:
    after = store_dir.plan_present(PATH, desired, current, Contents()).after
    reached = DirectoryAttributes(True, after["uid"], after["gid"], int(after["mode"], 8))
    assert not store_dir.plan_present(PATH, desired, reached, Contents()).changed


def test_removal_of_an_empty_directory() -> None:
    plan = store_dir.plan_absent(PATH, THERE, Contents(), is_mount=False, force=False)
    assert plan.remove
    assert plan.after == {"path": PATH, "state": "absent"}


def test_removal_of_nothing_changes_nothing() -> None:
    plan = store_dir.plan_absent(PATH, ABSENT, Contents(), is_mount=False, force=False)
    assert not plan.remove
    assert not plan.changed


def test_force_shows_what_is_lost() -> None:
    plan = store_dir.plan_absent(PATH, THERE, Contents(images=2, image_bytes=7), is_mount=False, force=True)
    assert plan.remove
    assert (plan.before["images"], plan.before["bytes"]) == (2, 7)


def absent(contents: Contents, is_mount: bool = False) -> Any:
    return store_dir.plan_absent(PATH, THERE, contents, is_mount, force=False)


REFUSED = {
    "relative": (lambda: store_dir.check_path("images"), "not an absolute path"),
    "root": (lambda: store_dir.check_path("//"), "belongs to the system"),
    "system": (lambda: store_dir.check_path("/usr/share/images"), "belongs to the system"),
    "parent of everything": (lambda: store_dir.check_path("/var/lib/"), "belongs to the system"),
    "dots": (lambda: store_dir.check_path("/srv/../etc"), "contains '..'"),
    "control character": (lambda: store_dir.check_path("/srv/a\0b"), "holds a control character"),
    "inside another store": (lambda: store_dir.check_neighbours(PATH, ["/srv/glance"]), "lies inside '/srv/glance' of another store"),
    "around another store": (lambda: store_dir.check_neighbours(PATH, [PATH + "/x"]), "contains"),
    "same as another store": (lambda: store_dir.check_neighbours(PATH, [PATH + "/"]), "is the same as"),
    "not mounted": (
        lambda: store_dir.check_volume(PATH, Volume("/", "ext4", False, GIB, GIB), Requirements(require_mount=True)),
        "would fill the root file system",
    ),
    "wrong volume": (
        lambda: store_dir.check_volume(PATH, Volume("/srv", "ext4", False, GIB, GIB), Requirements(mount_point="/srv/glance")),
        "nothing is mounted at '/srv/glance'",
    ),
    "read-only": (lambda: store_dir.check_volume(PATH, Volume("/srv", "ext4", True, GIB, GIB), Requirements()), "mounted read-only"),
    "too little space": (lambda: store_dir.check_volume(PATH, VOLUME, Requirements(min_free=11 * GIB)), "11811160064 are wanted"),
    "images": (lambda: absent(Contents(images=3, image_bytes=9)), r"holds 3 image\(s\) with 9 bytes"),
    "something else": (lambda: absent(Contents(others=1)), "1 other entries"),
    "mount point": (lambda: absent(Contents(), is_mount=True), "is a mount point"),
    "mode as a number": (lambda: store_dir.parse_mode(PATH, str(0o750)), "not three or four octal digits"),
    "mode as a number that looks octal": (lambda: store_dir.parse_mode(PATH, str(0o640)), "keeps the owner out"),
    "size": (lambda: store_dir.parse_size(PATH, "plenty"), "is no size"),
}


@pytest.mark.parametrize(("check", "expected"), REFUSED.values(), ids=REFUSED)
def test_refusals_name_the_directory_the_cause_and_the_way_out(check: Any, expected: str) -> None:
    with pytest.raises(ImageServicesError, match=expected) as failure:
        check()
    assert re.match(r"Cannot (keep|remove) store directory '[^']+': .+\. .+\.$", str(failure.value), re.DOTALL)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("512", 512), ("1K", 1024), ("1.5G", 3 * 2**29), ("2TiB", 2**41), (" 10 gb ", 10 * GIB), ("1p", 2**50), (None, None)]
)
def test_sizes(text: str | None, size: int | None) -> None:
    assert store_dir.parse_size(PATH, text) == size


@pytest.mark.parametrize(("text", "mode"), [("0750", 0o750), ("755", 0o755), ("2770", 0o2770), (None, None)])
def test_modes(text: str | None, mode: int | None) -> None:
    assert store_dir.parse_mode(PATH, text) == mode

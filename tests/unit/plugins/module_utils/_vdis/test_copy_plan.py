# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk and what the other SR holds of it: copied once, and never over what is no copy."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.copy_plan import COPIED_FROM, marks_of_copy, plan
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_plan import DIGEST, INCOMING, REPLACES, SOURCE, Selection, Vdi
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.results import READ_ONLY


def record(uuid: str, **other_config: str) -> dict[str, Any]:
    return {"uuid": uuid, "name_label": "disk", "other_config": other_config}


def vdi(uuid: str, *, attached: bool = False, **other_config: str) -> Vdi:
    return Vdi(f"ref of {uuid}", record(uuid, **other_config), attached, attached)


MARKED = record("source", **{SOURCE: "glance:1", DIGEST: "sha256:1", "kept": "no"})
PLAIN = record("source")


@pytest.mark.parametrize(
    ("source", "current", "copied"),
    [
        (MARKED, None, True),
        (MARKED, vdi("copy", **{DIGEST: "sha256:1"}), False),
        (MARKED, vdi("copy", **{DIGEST: "sha256:0", COPIED_FROM: "source"}), True),
        (MARKED, Vdi("ref", MARKED), False),
        (PLAIN, None, True),
        (PLAIN, vdi("copy", **{COPIED_FROM: "source"}), False),
        (PLAIN, vdi("copy", **{COPIED_FROM: "another"}), True),
        (PLAIN, vdi("copy", **{DIGEST: "sha256:1"}), True),
    ],
)
def test_the_same_content_is_copied_once(source: dict[str, Any], current: Vdi | None, copied: bool) -> None:
    made = plan(source, "disk", Selection(current))
    assert (made.copy, made.changed, made.before != made.after) == (copied, copied, copied)
    assert made.replaces == (current if copied else None)


def test_a_copy_tells_its_content_as_the_source_does() -> None:
    assert marks_of_copy(MARKED) == {SOURCE: "glance:1", DIGEST: "sha256:1", COPIED_FROM: "source"}
    assert marks_of_copy(PLAIN) == {COPIED_FROM: "source"}
    assert marks_of_copy({**PLAIN, "read_only": True}) == marks_of_copy(record("source", **{READ_ONLY: "true"})) == {COPIED_FROM: "source", READ_ONLY: "true"}


def test_what_an_interrupted_run_has_replaced_is_treated_by_the_next() -> None:
    old, new = vdi("old", **{DIGEST: "sha256:0"}), vdi("new", **marks_of_copy(MARKED, vdi("old")))
    assert new.marks[REPLACES] == "old"
    made = plan(MARKED, "disk", Selection(new, (), (old,)))
    assert (made.successor, made.retire, made.copy, made.changed) == (new, (old,), False, True)
    assert made.before == made.after


def test_what_a_dead_run_has_left_goes() -> None:
    left = vdi("left", **{INCOMING: "disk"})
    assert plan(PLAIN, "disk", Selection(None, (left,))).remove == (left,)


@pytest.mark.parametrize(
    ("source", "selection", "sentence"),
    [
        (record("source", **{INCOMING: "disk"}), Selection(), "its content is not complete"),
        (PLAIN, Selection(vdi("other")), "the SR has a VDI of this name that is no copy (other). Give another name"),
        (PLAIN, Selection(None, (vdi("busy", attached=True, **{INCOMING: "disk"}),)), "another task is copying it now, into VDI busy"),
    ],
)
def test_refusals(source: dict[str, Any], selection: Selection, sentence: str) -> None:
    with pytest.raises(ImageServicesError) as caught:
        plan(source, "disk", selection)
    assert sentence in str(caught.value)

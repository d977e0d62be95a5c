# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever an SR holds, a name takes nothing but a disk of a user, and destroys nothing that this collection has not created."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis import copy_plan as vdi_copy
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_plan import (
    DIGEST,
    INCOMING,
    REPLACES,
    Content,
    DesiredVdi,
    Selection,
    Vdi,
    incoming_name,
    is_ours,
    marks_of,
    plan,
    select,
    unfit_disk,
    unfit_machine,
)
from hypothesis import given
from hypothesis import strategies as st

NAME = "debian"
TYPES = ["user", "User", "system", "ephemeral", "suspend", "crashdump", "ha_statefile", "metadata", "redo_log", "rrd", "pvs_cache", "cbt_metadata"]
UNFIT: list[dict[str, Any]] = [{"is_a_snapshot": True}, {"managed": False}, {"missing": True}, *({"type": kind} for kind in TYPES[2:])]
NEW = Content("file:/new", {"sha256": "aa"})


def vdi(number: int, marks: dict[str, str] | None = None, *, used: bool = False, **fields: Any) -> Vdi:
    record = {
        "uuid": f"{number:08d}-0000-0000-0000-000000000000",
        "name_label": NAME,
        "name_description": "",
        "tags": [],
        "read_only": False,
        "sharable": False,
        "virtual_size": "4194304",
        "is_a_snapshot": False,
        "managed": True,
        "missing": False,
        "type": "user",
        "other_config": marks or {},
        **fields,
    }
    return Vdi(f"ref{number}", record, used)


@pytest.mark.parametrize("fields", UNFIT, ids=str)
def test_a_name_does_not_mean_what_is_no_disk(fields: dict[str, Any]) -> None:
    other = vdi(1, marks_of(NEW), **fields)
    assert unfit_disk(other.record)
    assert select(NAME, [other]) == Selection()
    disk = vdi(2)
    assert select(NAME, [other, disk]).current == disk
    for state in ("absent", "present"):
        with pytest.raises(ImageServicesError, match="Give the name or uuid of a disk"):
            plan(DesiredVdi(other.uuid, state, content=NEW), select(other.uuid, [other]), None)


def test_a_disk_of_somebody_else_is_removed_by_its_uuid_alone() -> None:
    disk = vdi(1, {"owner": "somebody"})
    with pytest.raises(ImageServicesError, match=rf"this collection has not created it \(VDI {disk.uuid}\)") as caught:
        plan(DesiredVdi(NAME, "absent"), select(NAME, [disk]), None)
    assert caught.value.code == "not_ours"
    assert plan(DesiredVdi(disk.uuid, "absent"), select(disk.uuid, [disk]), None).remove == (disk,)
    assert plan(DesiredVdi(NAME, "absent"), select(NAME, [vdi(2, marks_of(NEW))]), None).remove[0].ref == "ref2"


def test_a_disk_of_somebody_else_is_not_deleted_by_its_replacement() -> None:
    disk = vdi(1)
    with pytest.raises(ImageServicesError, match="the disk that it replaces would be deleted"):
        plan(DesiredVdi(NAME, content=NEW, on_replace="delete"), Selection(disk), False)
    assert plan(DesiredVdi(NAME, content=NEW, on_replace="keep"), Selection(disk), False).replaces == disk
    # A run that kept it and was interrupted, and one that deletes what it left.
    successor = vdi(2, {**marks_of(NEW), REPLACES: disk.uuid})
    absent = plan(DesiredVdi(NAME, "absent"), select(NAME, [disk, successor]), None)
    assert (absent.remove, absent.retire) == ((successor,), (disk,))


def test_what_is_ours() -> None:
    assert is_ours(marks_of(NEW))
    assert is_ours({"image_services_vm": "x"})
    assert not is_ours({"config-drive": "true", "my_image_services_digest": "x"})


def test_what_a_vm_is() -> None:
    assert unfit_machine({"is_a_template": False, "is_a_snapshot": False, "is_control_domain": False}) is None
    assert unfit_machine({"is_a_template": True, "is_a_snapshot": True, "is_control_domain": False}) == "it is a snapshot"


MARKS = st.sampled_from([{}, {"a": "b"}, {DIGEST: "sha256:aa"}, {DIGEST: "sha256:bb"}, {INCOMING: NAME}, {INCOMING: "other"}])
FIELDS = st.fixed_dictionaries(
    {"is_a_snapshot": st.booleans(), "managed": st.booleans(), "missing": st.booleans(), "type": st.sampled_from(TYPES)},
    optional={"name_label": st.sampled_from([NAME, incoming_name(NAME), "other", ""])},
)


@given(
    st.lists(st.tuples(MARKS, st.booleans(), FIELDS), max_size=5),
    st.lists(st.integers(0, 5), max_size=2),
    st.sampled_from(["present", "absent"]),
    st.sampled_from(["keep", "delete"]),
)
def test_nothing_else_is_ever_destroyed(drawn: list[Any], predecessors: list[int], state: str, on_replace: str) -> None:
    vdis = [vdi(number, marks, used=used, **fields) for number, (marks, used, fields) in enumerate(drawn)]
    if vdis and predecessors:
        uuids = ",".join(vdi(number).uuid for number in predecessors)
        last = vdis[-1]
        vdis[-1] = replace(last, record={**last.record, "other_config": {**last.marks, REPLACES: uuids}})
    destroyed: list[Vdi] = []
    with suppress(ImageServicesError):
        made = plan(DesiredVdi(NAME, state, content=NEW, on_replace=on_replace), select(NAME, vdis), False)
        destroyed = [*made.remove, *([made.replaces] if made.replaces and on_replace == "delete" else [])]
    with suppress(ImageServicesError):
        copied = vdi_copy.plan(vdi(9, {DIGEST: "sha256:aa"}).record, NAME, select(NAME, vdis))
        destroyed += [*copied.remove, *([copied.replaces] if copied.replaces and on_replace == "delete" else [])]
    for each in destroyed:
        assert unfit_disk(each.record) is None, each
        assert each.is_ours, each

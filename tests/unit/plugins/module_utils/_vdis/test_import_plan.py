# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the VDIs of an SR: the same content is not sent twice, and nothing goes before its successor is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.import_plan import (
    DIGEST,
    FINGERPRINT,
    INCOMING,
    REPLACES,
    SIZE_STEP,
    SOURCE,
    Content,
    DesiredVdi,
    Selection,
    Vdi,
    algorithm_to_compare,
    choose_upload_format,
    incoming_name,
    marks_of,
    plan,
    retired_name,
    rounded,
    same_content,
    select,
)
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.results import READ_ONLY, is_read_only
from hypothesis import given
from hypothesis import strategies as st

NAME = "debian"
MIB = 1024 * 1024
CONTENT = Content("glance:1", {"sha512": "aa"}, fixed=True)


def vdi(ref: str = "1", name: str = NAME, used: bool = False, attached: bool = False, snapshot: bool = False, size: int = 4 * MIB, **marks: str) -> Vdi:
    record = {
        "uuid": f"{ref:0>8}-0000-0000-0000-000000000000",
        "name_label": name,
        "name_description": "",
        "tags": [],
        "read_only": False,
        "sharable": False,
        "virtual_size": str(size),
        "is_a_snapshot": snapshot,
        "other_config": marks,
    }
    return Vdi(ref, record, used or attached, attached)


@pytest.mark.parametrize(
    ("marks", "content", "same"),
    [
        ({}, CONTENT, False),
        ({DIGEST: "sha512:aa"}, CONTENT, True),
        ({DIGEST: "sha512:bb"}, CONTENT, False),
        # The digest counts before the name of the source.
        ({DIGEST: "sha512:bb", SOURCE: "glance:1"}, CONTENT, False),
        ({DIGEST: "sha512:aa", SOURCE: "file:/x"}, CONTENT, True),
        ({DIGEST: "sha256:cc", SOURCE: "file:/x"}, CONTENT, None),
        ({DIGEST: "md5:cc", SOURCE: "glance:1"}, CONTENT, True),
        ({SOURCE: "glance:1"}, Content("glance:1", fixed=True), True),
        ({SOURCE: "glance:2"}, Content("glance:1", fixed=True), False),
        ({SOURCE: "file:/x", FINGERPRINT: "f", DIGEST: "disk:dd"}, Content("file:/x", fingerprint="f"), True),
        ({SOURCE: "file:/x", FINGERPRINT: "g", DIGEST: "disk:dd"}, Content("file:/x", fingerprint="f"), None),
        ({SOURCE: "file:/x", FINGERPRINT: "g"}, Content("file:/x", fingerprint="f"), False),
        ({SOURCE: "http://h/x", FINGERPRINT: "f", DIGEST: "sha256:aa"}, Content("http://h/y", fingerprint="f"), None),
    ],
)
def test_same_content(marks: dict[str, str], content: Content, same: bool | None) -> None:
    assert same_content(vdi(**marks), content) is same


@pytest.mark.parametrize("mark", ["foo:bar", "shake_128:00", ":", "sha512", "sha512:", "", "\x00:aa", "disk"])
def test_a_digest_that_somebody_else_has_written_is_none(mark: str) -> None:
    """Anybody who may change the VDI may write its other_config."""
    assert algorithm_to_compare(vdi(**{DIGEST: mark})) == ""
    assert same_content(vdi(**{DIGEST: mark}), CONTENT) is False
    assert same_content(vdi(**{DIGEST: mark, SOURCE: CONTENT.source}), CONTENT) is True


def test_what_a_run_notes_is_known_to_the_next() -> None:
    for content in (CONTENT, Content("file:/x", {"disk": "dd"}, "f"), Content("http://h/x", {"sha256": "aa"}, "f")):
        marks = marks_of(content)
        assert INCOMING not in marks
        assert same_content(vdi(**marks), content) is True


def test_nothing_is_done_where_all_is_as_declared() -> None:
    current = vdi(**marks_of(CONTENT))
    made = plan(DesiredVdi(NAME, content=CONTENT, attributes={"tags": [], "size": 3 * MIB + 1}), Selection(current), True)
    assert not made.changed
    assert made.before == made.after


def test_metadata_alone_moves_no_byte() -> None:
    current = vdi(**marks_of(CONTENT))
    made = plan(DesiredVdi(NAME, content=CONTENT, attributes={"tags": ["b", "a", "b"], "description": "d", "size": 5 * MIB}), Selection(current), True)
    assert not made.upload
    assert made.patch == {"tags": ["a", "b"], "description": "d", "size": 6 * MIB}
    assert {key for key in made.after if made.before[key] != made.after[key]} == {"tags", "description", "size"}


def test_new_content_is_imported_beside_the_old() -> None:
    current = vdi(**marks_of(CONTENT))
    made = plan(DesiredVdi(NAME, content=Content("glance:2", {"sha512": "bb"})), Selection(current), False)
    assert (made.upload, made.replaces, made.remove, made.retire) == (True, current, (), ())
    assert (made.before["digest"], made.after["digest"]) == ("sha512:aa", "sha512:bb")


def test_what_was_left_unfinished_goes_unless_somebody_fills_it() -> None:
    left, filled = vdi("2", incoming_name(NAME), **{INCOMING: NAME}), vdi("3", incoming_name(NAME), attached=True, **{INCOMING: NAME})
    selection = select(NAME, [left, filled, vdi("1", **marks_of(CONTENT))])
    assert (selection.incoming, selection.current and selection.current.ref) == ((left, filled), "1")
    made = plan(DesiredVdi(NAME, content=CONTENT), selection, True)
    assert (made.remove, made.upload) == ((left,), False)
    with pytest.raises(ImageServicesError, match="another task is importing it now, into VDI 00000003"):
        plan(DesiredVdi(NAME, content=CONTENT), replace(selection, current=None), None)
    assert plan(DesiredVdi(NAME, content=CONTENT), Selection(None, (left,)), None).remove == (left,)


def test_a_half_named_one_still_counts_as_unfinished() -> None:
    selection = select(NAME, [vdi("2", NAME, **{INCOMING: NAME})])
    assert selection.current is None
    assert len(selection.incoming) == 1


def test_an_interrupted_replacement_is_finished() -> None:
    old = vdi("1", **marks_of(Content("glance:0", {"sha512": "00"})))
    new = vdi("2", **marks_of(CONTENT, [old]))
    assert new.marks[REPLACES] == old.uuid
    selection = select(NAME, [old, new])
    assert (selection.current, selection.superseded) == (new, (old,))
    made = plan(DesiredVdi(NAME, content=CONTENT), selection, True)
    assert (made.changed, made.upload, made.retire, made.successor) == (True, False, (old,), new)
    # Where the old one was treated already, only the mark is left to take off.
    made = plan(DesiredVdi(NAME, content=CONTENT), select(NAME, [new]), True)
    assert (made.changed, made.retire, made.successor) == (True, (), new)


def test_absence() -> None:
    current, left, busy = vdi("1", **marks_of(CONTENT)), vdi("2", incoming_name(NAME), **{INCOMING: NAME}), vdi("3", "x", attached=True, **{INCOMING: NAME})
    assert plan(DesiredVdi(NAME, state="absent"), Selection(current, (left, busy)), None).remove == (left, current)
    assert not plan(DesiredVdi(NAME, state="absent"), Selection(None), None).changed
    with pytest.raises(ImageServicesError, match="a VM uses it"):
        plan(DesiredVdi(NAME, state="absent"), Selection(vdi(used=True)), None)


def test_what_is_refused() -> None:
    with pytest.raises(ImageServicesError, match=r"2 VDIs of the SR have this name: 00000001-.*, 00000002-"):
        select(NAME, [vdi("1"), vdi("2"), vdi("3", snapshot=True)])
    with pytest.raises(ImageServicesError, match="names no content"):
        plan(DesiredVdi(NAME), Selection(), None)
    with pytest.raises(ImageServicesError, match="not made smaller"):
        plan(DesiredVdi(NAME, attributes={"size": MIB}), Selection(vdi()), None)
    with pytest.raises(ImageServicesError, match="attached to a running VM"):
        plan(DesiredVdi(NAME, attributes={"size": 8 * MIB}), Selection(vdi(attached=True)), None)
    with pytest.raises(ImageServicesError, match=r"sharable of VDI 00000001-\S+ is false, and a pool takes it only when a VDI is created"):
        plan(DesiredVdi(NAME, attributes={"sharable": True}), Selection(vdi()), None)
    pools_own = replace(vdi(), record={**vdi().record, "read_only": True})
    with pytest.raises(ImageServicesError, match="the pool itself says that VDI 00000001-\\S+ is read-only"):
        plan(DesiredVdi(NAME, attributes={"read_only": False}), Selection(pools_own), None)


def test_what_a_pool_takes_at_creation_only_is_given_to_new_content() -> None:
    current = vdi(**marks_of(CONTENT))
    made = plan(DesiredVdi(NAME, content=Content("glance:2", {"sha512": "bb"}), attributes={"sharable": True}), Selection(current), False)
    assert (made.upload, made.replaces, made.after["sharable"]) == (True, current, True)
    assert not plan(DesiredVdi(NAME, attributes={"sharable": False}), Selection(current), None).changed


def test_a_disk_is_read_only_by_a_mark_or_by_the_pool() -> None:
    marked, pools_own = vdi(**marks_of(CONTENT, read_only=True)), replace(vdi(), record={**vdi().record, "read_only": True})
    for each, wanted in ((vdi(), False), (marked, True), (pools_own, True), (vdi(**{READ_ONLY: "false"}), False)):
        assert is_read_only(each.record) is each.attribute("read_only") is wanted
        assert not plan(DesiredVdi(NAME, attributes={"read_only": wanted}), Selection(each), None).changed
    assert plan(DesiredVdi(NAME, attributes={"read_only": False}), Selection(marked), None).patch == {"read_only": False}


def test_names() -> None:
    assert retired_name(vdi("7")) == f"{NAME}-00000007"
    assert retired_name(vdi("7", f"{NAME}-00000007")) == f"{NAME}-00000007"
    assert select(vdi("7").uuid.upper(), [vdi("7", "of any name")]).current is not None


@pytest.mark.parametrize(
    ("wanted", "version", "upload_format"), [("auto", (2, 21), "chunked"), ("auto", (2, 5), "vhd"), ("vhd", (2, 21), "vhd"), ("chunked", (1, 9), "chunked")]
)
def test_upload_formats(wanted: str, version: tuple[int, int], upload_format: str) -> None:
    assert choose_upload_format(wanted, version) == upload_format


attributes = st.fixed_dictionaries(
    {},
    optional={
        "description": st.text(max_size=5),
        "tags": st.lists(st.sampled_from("abc")),
        "read_only": st.booleans(),
        "sharable": st.booleans(),
        "size": st.integers(4 * MIB, 64 * MIB),
    },
)


@st.composite
def states(draw: st.DrawFn) -> tuple[list[Vdi], DesiredVdi]:
    """VDIs as runs may have left them, and a declaration."""
    found = []
    contents = [Content(f"glance:{number}", {"sha512": f"{number}"}, fixed=True) for number in range(3)]
    if draw(st.booleans()):
        found.append(vdi("1", used=draw(st.booleans()), **marks_of(draw(st.sampled_from(contents)))))
        if draw(st.booleans()):
            found.append(vdi("2", **marks_of(draw(st.sampled_from(contents)), found)))
    for number in range(draw(st.integers(0, 2))):
        found.append(vdi(f"{number + 3}", incoming_name(NAME), **{INCOMING: NAME}))
    content = draw(st.sampled_from([*contents, None]))
    return found, DesiredVdi(NAME, draw(st.sampled_from(["present", "absent"])), draw(attributes), content, draw(st.sampled_from(["keep", "delete"])))


def applied(vdis: list[Vdi], desired: DesiredVdi) -> list[Vdi] | None:
    """What stands after a plan was carried out as the importer does; None where it refuses."""
    selection = select(NAME, vdis)
    same = None if selection.current is None or desired.content is None else bool(same_content(selection.current, desired.content))
    try:
        made = plan(desired, selection, same)
    except ImageServicesError:
        return None
    found = {each.ref: each for each in vdis if each not in made.remove}

    def changed(each: Vdi, **more: Any) -> None:
        found[each.ref] = replace(each, record={**each.record, **more})

    def retire(each: Vdi) -> None:
        if desired.on_replace == "delete" and not each.used:
            del found[each.ref]
        else:
            changed(each, name_label=retired_name(each))

    for each in made.retire:
        retire(each)
    if made.successor is not None:
        kept = {key: value for key, value in found[made.successor.ref].marks.items() if key != REPLACES}
        changed(found[made.successor.ref], other_config=kept)
    fields = {"description": "name_description", "size": "virtual_size"}

    def set_all(each: Vdi, values: dict[str, Any]) -> None:
        marks = {key: value for key, value in each.marks.items() if key != READ_ONLY or "read_only" not in values}
        if values.get("read_only"):
            marks[READ_ONLY] = "true"
        changed(each, other_config=marks, **{fields.get(key, key): value for key, value in values.items() if key != "read_only"})

    if made.upload and desired.content is not None:
        new = vdi("9", **marks_of(desired.content))
        set_all(new, {key: value for key, value in made.after.items() if key in ("description", "tags", "read_only", "sharable", "size")})
        if made.replaces is not None:
            retire(made.replaces)
    elif selection.current is not None and selection.current.ref in found:
        assert "sharable" not in made.patch
        set_all(found[selection.current.ref], dict(made.patch))
    return list(found.values())


@given(states())
def test_a_second_run_finds_nothing_to_do_and_no_used_disk_is_lost(drawn: tuple[list[Vdi], DesiredVdi]) -> None:
    before, desired = drawn
    after = applied(before, desired)
    if after is None:
        return
    assert {each.ref for each in before if each.used} <= {each.ref for each in after}
    named = [each for each in after if each.record["name_label"] == NAME]
    assert len(named) == (0 if desired.state == "absent" else 1)
    selection = select(NAME, after)
    same = None if selection.current is None or desired.content is None else bool(same_content(selection.current, desired.content))
    if desired.state == "present" and desired.content is None and selection.current is None:
        return
    again = plan(desired, selection, same)
    assert not again.changed, again
    assert again.before == again.after


@given(st.integers(0, 1 << 44))
def test_sizes_are_rounded_as_pools_do(size: int) -> None:
    assert rounded(size) % SIZE_STEP == 0
    assert max(size, 1) <= rounded(size) < max(size, 1) + SIZE_STEP

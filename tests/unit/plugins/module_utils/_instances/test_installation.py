# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the UUID of a Nova installation is found and put, as a table of files; and that no file loses a byte."""

from __future__ import annotations

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.installation import Option, check_option, check_uuid, choose, find, put
from hypothesis import given
from hypothesis import strategies as st

PATH = "/etc/nova/nova.conf"
UUID = "0b5c1c9a-58f3-4b8e-9a6f-6f0d2a3f9c11"
OTHER = "7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b"
OPTION = Option("DEFAULT", "nova_installation_uuid")
LINE = f"nova_installation_uuid = {UUID}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"[DEFAULT]\n{LINE}\n"),
        ("[DEFAULT]\n", f"[DEFAULT]\n{LINE}\n"),
        ("[DEFAULT]", f"[DEFAULT]\n{LINE}\n"),
        ("# Nova\n\n[DEFAULT]\ndebug = true\n", f"# Nova\n\n[DEFAULT]\n{LINE}\ndebug = true\n"),
        ("[DEFAULT]\r\ndebug = true\r\n", f"[DEFAULT]\r\n{LINE}\r\ndebug = true\r\n"),
        ("[api]\nx = 1", f"[api]\nx = 1\n\n[DEFAULT]\n{LINE}\n"),
        ("[api]\r\nx = 1\r\n", f"[api]\r\nx = 1\r\n\r\n[DEFAULT]\r\n{LINE}\r\n"),
        ("[api]\nx = 1\n  and 2\n", f"[api]\nx = 1\n  and 2\n\n[DEFAULT]\n{LINE}\n"),
        ("[DEFAULT]\n\n# first\na = 1\n\tmore\n[DEFAULT]\nb = 2\n", f"[DEFAULT]\n{LINE}\n\n# first\na = 1\n\tmore\n[DEFAULT]\nb = 2\n"),
        ("[default]\nx = 1\n", f"[default]\nx = 1\n\n[DEFAULT]\n{LINE}\n"),
        ("#[DEFAULT]\n;[DEFAULT]\n", f"#[DEFAULT]\n;[DEFAULT]\n\n[DEFAULT]\n{LINE}\n"),
        (f"[DEFAULT]\n#nova_installation_uuid = {OTHER}\n", f"[DEFAULT]\n{LINE}\n#nova_installation_uuid = {OTHER}\n"),
        (f"[other]\nnova_installation_uuid = {OTHER}\n", f"[other]\nnova_installation_uuid = {OTHER}\n\n[DEFAULT]\n{LINE}\n"),
        (f"[DEFAULT]\nx = 1\n  nova_installation_uuid = {OTHER}\n", f"[DEFAULT]\n{LINE}\nx = 1\n  nova_installation_uuid = {OTHER}\n"),
    ],
)
def test_the_option_is_added_and_all_else_stays(before: str, after: str) -> None:
    assert find(PATH, before.encode(), OPTION) is None
    assert put(PATH, before.encode(), OPTION, UUID).decode() == after
    assert find(PATH, after.encode(), OPTION) == UUID


@pytest.mark.parametrize(
    "text",
    [
        f"[DEFAULT]\n{LINE}\n",
        f"[DEFAULT]\n{LINE}",
        f"[DEFAULT]\r\n{LINE}\r\n",
        f"[DEFAULT]\nnova_installation_uuid={UUID}",
        f"[DEFAULT]\nnova_installation_uuid: {UUID}\n",
        f'[DEFAULT]\nnova_installation_uuid = "{UUID}"\n',
        f"[DEFAULT]\nnova_installation_uuid = {UUID.upper()}\n",
        f"[DEFAULT]\nnova_installation_uuid = {UUID.replace('-', '')}\n",
        f"[a]\nx = 1\n[DEFAULT]\n[b]\n[DEFAULT]\n{LINE}   \n",
    ],
)
def test_what_is_there_is_found_and_normalised(text: str) -> None:
    assert find(PATH, text.encode(), OPTION) == UUID


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[DEFAULT]\n\nnova_installation_uuid = x\n", "line 3 holds no UUID. Correct it by hand, or remove it to have one made."),
        ("[DEFAULT]\nnova_installation_uuid =\n", "line 2 holds no UUID"),
        (f"[DEFAULT]\n{LINE} # ours\n", "line 2 holds no UUID"),
        (f"[DEFAULT]\n{LINE}\n  more\n", "line 2 holds no UUID"),
        (f"[DEFAULT]\nnova_installation_uuid = {UUID[:-1]}\n", "line 2 holds no UUID"),
        (f"[DEFAULT]\nnova_installation_uuid = {{{UUID}}}\n", "line 2 holds no UUID"),
        (f"[DEFAULT]\n{LINE}\nx = 1\n{LINE}\n", "lines 2 and 4 of [DEFAULT] set nova_installation_uuid. Leave the one that is right."),
        (f"[DEFAULT]\n{LINE}\n[b]\n[DEFAULT]\nnova_installation_uuid = {OTHER}\n", "lines 2 and 5 of [DEFAULT] set"),
        (f"{LINE}\n[DEFAULT]\n", "line 1 sets nova_installation_uuid before any section. Put it below [DEFAULT]."),
        ("x = 1\n[DEFAULT\ny = 1\n", "line 2 begins a section and lacks its closing bracket"),
        ("[DEFAULT]\n  x = 1\n", "line 2 is indented and continues no option"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(ImageServicesError) as refused:
        choose(PATH, find(PATH, text.encode(), OPTION), put(PATH, text.encode(), OPTION, UUID).decode())
    assert str(refused.value).startswith(f"Cannot keep installation UUID in '{PATH}': ")
    assert sentence in str(refused.value)


def test_what_stands_in_its_place_is_not_shown() -> None:
    with pytest.raises(ImageServicesError) as refused:
        find(PATH, b"[DEFAULT]\ntransport_url = rabbit://nova:secret@mq\n", Option("DEFAULT", "transport_url"))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", [UUID, f"{UUID}\n", f"\n  {UUID.upper()}\r\n\n", UUID.replace("-", "")])
def test_a_file_of_its_own_is_read(text: str) -> None:
    assert find(PATH, text.encode(), None) == UUID
    assert put(PATH, None, None, UUID) == f"{UUID}\n".encode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "line 1 is empty. Remove the file to have a UUID made, or write the right one into it."),
        (b" \n\n", "line 1 is empty"),
        (b"\n\nnone\n", "line 3 holds no UUID"),
        (f"{UUID}\n{UUID}\n".encode(), "line 2 holds more than the UUID"),
        (b"\x00\xff\xfe", "line 1 holds no UUID"),
    ],
)
def test_a_file_of_its_own_that_holds_something_else_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(ImageServicesError, match=sentence):
        find(PATH, content, None)


def test_nothing_there_is_nothing_found() -> None:
    assert find(PATH, None, None) is None
    assert choose(PATH, None, None) is None


def test_another_one_is_refused_naming_both() -> None:
    assert choose(PATH, UUID, None) == UUID
    assert choose(PATH, None, OTHER) == OTHER
    assert choose(PATH, UUID, UUID) == UUID
    with pytest.raises(ImageServicesError, match=f"it is {UUID}, and uuid is {OTHER}"):
        choose(PATH, UUID, OTHER)


@pytest.mark.parametrize(
    "text", ["", "x", UUID[:-1], UUID + "0", "-".join([UUID[:8]] * 4), f"urn:uuid:{UUID}", UUID.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}")]
)
def test_a_uuid_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ImageServicesError, match="is no UUID. Write 32 hexadecimal digits"):
        check_uuid(PATH, text)


@pytest.mark.parametrize(("section", "option"), [("", "x"), ("a]", "x"), ("a\nb", "x"), ("a", ""), ("a", "x=y"), ("a", "#x"), ("a", "x\n[b]"), ("a", "x:y")])
def test_names_that_could_not_be_read_again_are_refused(section: str, option: str) -> None:
    with pytest.raises(ImageServicesError, match="in an INI file"):
        check_option(PATH, section, option)


LINES = st.sampled_from(
    [
        "[DEFAULT]",
        "[DEFAULT",
        "[api]",
        "[]",
        "x = 1",
        "  more",
        "\t",
        "",
        "# c",
        "; c",
        "x",
        "=",
        ":",
        LINE,
        "nova_installation_uuid",
        "\x0b",
        "\x85",
        "\ufeff[DEFAULT]",
    ]
)
FILES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.tuples(LINES, st.sampled_from(["\n", "\r\n", "\r", ""]))).map(lambda lines: "".join(text + ending for text, ending in lines).encode()),
)


@given(FILES)
def test_no_file_loses_a_byte_and_what_is_put_is_found(content: bytes) -> None:
    try:
        present = find(PATH, content, OPTION)
        if present is not None:
            return
        after = put(PATH, content, OPTION, UUID)
    except ImageServicesError as exc:
        assert str(exc).startswith(f"Cannot keep installation UUID in '{PATH}': line")  # noqa: PT017 - a refusal is as good as an addition
        return
    assert find(PATH, after, OPTION) == UUID
    added = len(after) - len(content)
    assert any(after[:at] + after[at + added :] == content and LINE.encode() in after[at : at + added] for at in range(len(content) + 1))


@given(st.binary(max_size=100))
def test_no_file_of_its_own_is_taken_for_another_uuid(content: bytes) -> None:
    try:
        found = find(PATH, content, None)
    except ImageServicesError:
        return
    assert found is not None
    assert found.replace("-", "").encode() == content.strip().lower().replace(b"-", b"")

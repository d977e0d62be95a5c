# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our block in a file that an operator writes too."""

from __future__ import annotations

import re

import jinja2
import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core import ini
from ansible_collections.xenstack.image_services.plugins.module_utils._core.apply_command import masked
from ansible_collections.xenstack.image_services.plugins.module_utils._core.masked_diff import masked_diff
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.configured import backends
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.declaration import Declaration
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.override import (
    BEGIN,
    END,
    SHOWN,
    Unclear,
    for_merge,
    merge,
    secrets,
    settle,
    split,
)
from hypothesis import assume, example, given
from hypothesis import strategies as st

BODY = "[DEFAULT]\nenabled_backends = fast:file\n\n[fast]\nfilesystem_store_datadir = /srv/fast\n"
OWN = "# mine\n[DEFAULT]\ndebug = true\n\n[database]\n  max_pool_size = 5\n"
# What operators write: words, structure, Jinja, ends of lines of every kind, and anything else.
PIECES = st.sampled_from(
    [
        "[a]",
        "[ b ]",
        "[",
        "]",
        "k = v",
        "k=v",
        "k: v",
        "  more",
        "\t",
        "# c",
        ";c",
        "=",
        "{{ x }}",
        "{% if y %}",
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        BEGIN,
        END,
        "é",
        "\x0c",
    ]
)
FOREIGN = st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join)


def test_the_whole_file() -> None:
    merged = merge(OWN, BODY)
    assert merged == OWN + BEGIN + "\n" + BODY + END + "\n"
    assert merge(merged, "[DEFAULT]\nenabled_backends = b:file\n") == OWN + BEGIN + "\n[DEFAULT]\nenabled_backends = b:file\n" + END + "\n"
    assert merge(merged, "") == OWN


def test_what_follows_the_block_stays_behind_it() -> None:
    text = merge("", BODY) + "# later\n[cors]\nallowed_origin = x\n"
    assert merge(text, BODY) == text
    assert split(text).own == "# later\n[cors]\nallowed_origin = x\n"


@pytest.mark.parametrize("text", [BEGIN + "\n[a]\n", END + "\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n", merge("", BODY) * 2])
def test_marks_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(Unclear, match="once each"):
        merge(text, BODY)


def test_an_option_without_a_section_behind_the_block_is_refused() -> None:
    with pytest.raises(Unclear, match="the option debug follows the block"):
        merge(merge(OWN, BODY) + "debug = true\n", BODY)
    assert settle(merge(OWN, BODY) + "debug = true\n", BODY).fault.startswith("the option debug")


def test_ends_of_lines_are_kept() -> None:
    assert merge("[a]\r\nb = 1", BODY).splitlines(keepends=True)[2:3] == [BEGIN + "\r\n"]
    assert "\n" not in merge("[a]\r\nb = 1\r\n", BODY).replace("\r\n", "")


@given(FOREIGN, st.sampled_from([BODY, "[x]\ny = 1\n"]))
@example("a = 1", BODY)
def test_any_foreign_text_survives(text: str, body: str) -> None:
    """Every byte of the operator stays, a second run changes nothing, and without stores our lines are gone."""
    try:
        parts = split(text)
    except Unclear:
        return
    assert parts.before + parts.block + parts.after == text
    merged = merge(text, body)
    assert merge(merged, body) == merged
    gone = merge(merged, "")
    assert gone in (parts.own, parts.before + "\n" + parts.after, parts.before + "\r\n" + parts.after)
    assert split(merged).body.replace("\r\n", "\n") == body


@given(FOREIGN)
def test_our_options_are_read_as_we_mean_them_whatever_stands_above(text: str) -> None:
    assume(BEGIN not in text and END not in text)
    read = ini.parse(merge(text, BODY))
    assert read["fast"]["filesystem_store_datadir"][-1] == "/srv/fast"
    assert backends(merge(text, BODY)) == {"fast": "file"}


@given(FOREIGN)
def test_foreign_files_never_end_in_a_traceback(text: str) -> None:
    result = settle(text, BODY)
    assert result.fault or result.own in (text, split(text).own)


def taken_off(line: str) -> str:
    """A value as oslo.config's parser hands it on: without blanks around it and one pair of quotes."""
    value = line.partition("=")[2].strip()
    return value[1:-1] if value and value[0] == value[-1] and value[0] in "\"'" else value


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20))
@example("{{ secret }}{#")
@example('"quoted"')
@example("  blanks ")
@example("'")
@example("\\$")
def test_values_pass_a_template_and_two_parsers(value: str) -> None:
    """What merge_configs does: render the file, parse it, write `key = value` anew; then Glance parses that."""
    line = ini.section("a", [("key", ini.escape(value))])
    rendered = jinja2.Environment(keep_trailing_newline=True, trim_blocks=True).from_string(for_merge(line)).render()
    merged = f"key = {taken_off(rendered.splitlines()[1])}"
    # A dollar sign is escaped by another one, and after a backslash by a second one of these.
    assert taken_off(merged) == re.sub(r"\\?\$", lambda found: r"\\$" if len(found[0]) == 2 else "$$", value)


def test_the_shown_difference_holds_no_secret_and_no_line_of_the_operator() -> None:
    before = "[s3]\ns3_store_bucket = old\ns3_store_secret_key = s3cret1\n[new]\nodd_option = s3cret3\n"
    after = before.replace("old", "new").replace("s3cret1", "s3cret2")
    removed, added = masked_diff(before, after, SHOWN)
    assert removed == "[s3]\ns3_store_bucket = old\ns3_store_secret_key = ********\n"
    assert added == "[s3]\ns3_store_bucket = new\ns3_store_secret_key = ******** (changed)\n"
    assert "s3cret" not in str(masked_diff("", after, SHOWN))
    own = OWN + "password = x\n"
    removed, added = masked_diff(own, settle(own, after).text, SHOWN)
    assert (removed, added) == masked_diff("", merge("", after), SHOWN)


def test_output_is_shown_without_secrets() -> None:
    store = {"name": "o", "type": "s3", "s3_store_secret_key": "s3cret$1", "s3_store_access_key": "s3cret"}
    account = {"reference": "r", "key": "other"}
    found = secrets(Declaration(stores=[store], swift_accounts=[account], extra_config={"x": {"password": "deeper", "count": 5, "on": "yes"}}))
    assert masked("a s3cret$1 b s3cret c s3cret$$1 other deeper 5 yes", found, 100) == "a ******** b ******** c ******** ******** ******** 5 yes"
    assert masked("x" * 50, [], 10) == "..." + "x" * 10

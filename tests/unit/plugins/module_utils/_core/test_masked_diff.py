# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a diff of a configuration shows, and what it never shows."""

from __future__ import annotations

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.masked_diff import MASK, masked_diff
from hypothesis import given
from hypothesis import strategies as st

SHOWN = ("host", "volumes")
BEFORE = "# managed\n[a]\nhost = one\nkey = s3cret1\n\n[b]\nhost = two\nkey = s3cret2\n"


@pytest.mark.parametrize(
    ("after", "removed", "added"),
    [
        (BEFORE, "", ""),
        (BEFORE.replace("two", "three"), "[b]\nhost = two\n", "[b]\nhost = three\n"),
        (BEFORE.replace("s3cret2", "s3cret3"), f"[b]\nkey = {MASK}\n", f"[b]\nkey = {MASK} (changed)\n"),
        (BEFORE.replace("key = s3cret1\n", ""), f"[a]\nkey = {MASK}\n", ""),
        (BEFORE + "[c]\nodd=s3cret\n", "", f"[c]\nodd = {MASK}\n"),
        (BEFORE + "more : s3cret\n  s3cret: x\n", "", f"[b]\nmore = {MASK}\n  {MASK}\n"),
        (BEFORE + "#key = s3cret\n; a word\n", "", f"# key = {MASK}\n; a word\n"),
        (BEFORE + "#key: s3cret\n# Ansible managed: this file\n", "", f"# key = {MASK}\n# Ansible managed: this file\n"),
        (BEFORE + "s3cret without a name\n", "", f"{MASK}\n"),
        ("", f"# managed\n[a]\nhost = one\nkey = {MASK}\n[b]\nhost = two\nkey = {MASK}\n", ""),
    ],
)
def test_changed_lines_are_shown_with_their_section(after: str, removed: str, added: str) -> None:
    assert masked_diff(BEFORE, after, SHOWN) == (removed, added)


def test_variables_in_yaml() -> None:
    before = "password: s3cret # x\nvolumes:\n- /a:/a\nother:\n- s3cret\n"
    assert masked_diff(before, before.replace("- /a:/a\n", '- /a:/a\n- "/b:/b"\n'), SHOWN) == ("", '- "/b:/b"\n')
    assert masked_diff(before, before + '- s3cret2\nvolumes: ["/c:/c"]\n', SHOWN) == ("", f'{MASK}\nvolumes: ["/c:/c"]\n')


FORMS = ["key = s3cret", "key=s3cret", "key: s3cret", "key s3cret", "key = a\n  s3cret", "key:\n- s3cret", "s3cret"]
FORMS += ["#key = s3cret", "; key=s3cret", "#key: s3cret"]
LINES = st.lists(st.sampled_from(["[a]", "[b]", "host = x", "host: y", "", "# a word", *FORMS]), max_size=12)


@given(LINES, LINES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_no_value_of_another_option_is_shown(before: list[str], after: list[str], ending: str) -> None:
    texts = ["".join(line.replace("\n", ending) + ending for line in lines) for lines in (before, after)]
    assert "s3cret" not in str(masked_diff(*texts, SHOWN))
    assert (masked_diff(*texts, SHOWN) == ("", "")) or texts[0] != texts[1]

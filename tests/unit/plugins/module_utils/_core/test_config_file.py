# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in the files of a service, read as supervisor, systemd, uWSGI and Python read them. What oslo.config reads is tested in Glance's environment."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.config_file import config_file, written_value
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.ini import literal, parse
from hypothesis import example, given
from hypothesis import strategies as st

ODD = st.text("ab$%{}()[]'\"\\ \t\n#;:=,.-|/@!~é", max_size=12)


def written(value: Any, dialect: str) -> str | None:
    """None where the dialect cannot hold it."""
    try:
        return written_value(value, dialect)
    except ImageServicesError:
        return None


def by_supervisor(text: str) -> str:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    parser.read_string(f"[program:a]\nvalue = {text}\nother = 1\n")
    assert parser.get("program:a", "other") == "1"
    return parser.get("program:a", "value") % {"ENV_HOME": "/root", "here": "/"}


@given(ODD)
@example("/srv/100%(here)s $x{y}")
def test_supervisor_gives_every_value_back(value: str) -> None:
    text = written(value, "supervisor")
    if text is not None:
        assert by_supervisor(text) == value


@given(st.lists(ODD.filter(lambda text: "\n" not in text), min_size=1, max_size=3))
@example(["/usr/bin/env", "A=gl%nce $ecret{x} #1 ;2", "it's", "#"])
def test_supervisor_gives_every_argument_back(arguments: list[str]) -> None:
    text = written(arguments, "supervisor_command")
    assert text is not None
    assert shlex.split(by_supervisor(text)) == arguments


def systemd_words(text: str, *, escapes: bool) -> list[str]:
    """Words as systemd takes them apart, after which it replaces specifiers."""
    words, word, quote, position = [], "", "", 0
    begun = False
    while position < len(text):
        character = text[position]
        if character == "\\" and escapes:
            position += 1
            word += text[position]
        elif quote and character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote, begun = character, True
        elif not quote and character == " ":
            words += [word] if begun or word else []
            word, begun = "", False
        else:
            word += character
        position += 1
    assert not quote
    found = [*words, word]
    assert not [each for each in found if re.search(r"%(?!%)", each.replace("%%", ""))]
    return [each.replace("%%", "%") for each in found]


@given(ODD, ODD)
def test_systemd_gives_every_word_back(value: str, other: str) -> None:
    first, second = written(f"A={value}", "systemd_word"), written(f"B={other}", "systemd_word")
    if first is not None and second is not None:
        assert systemd_words(f"{first} {second}", escapes=True) == [f"A={value}", f"B={other}"]


@given(ODD.filter(lambda text: "\n" not in text))
def test_systemd_gives_every_path_back(value: str) -> None:
    text = written("/" + value, "systemd_path")
    if text is None:
        assert ("'" in value and '"' in value) or value.endswith("\\")
    else:
        assert systemd_words(text, escapes=False) == ["/" + value]


@given(st.lists(ODD.filter(lambda text: "\n" not in text), min_size=1, max_size=3))
def test_systemd_gives_every_argument_back(arguments: list[str]) -> None:
    text = written(["/bin/$program", *arguments], "systemd_command")
    assert text is not None
    program, *others = systemd_words(text, escapes=True)
    assert program == "/bin/$program"
    assert not [each for each in others if "$" in each.replace("$$", "")]
    assert [each.replace("$$", "$") for each in others] == arguments


@given(st.text(max_size=20))
def test_python_gives_every_text_back(value: str) -> None:
    assert ast.literal_eval(written_value(value, "python")) == value


@pytest.mark.parametrize(
    ("value", "dialect", "text"),
    [
        ("a%b", "uwsgi", "a%%b"),
        ("a$b;c #d", "uwsgi", "a$b;c #d"),
        ("a$(b)", "uwsgi", None),
        ("a@(b)", "uwsgi", None),
        ("/tls/a,b", "uwsgi_item", None),
        ("/tls/a%b", "uwsgi_item", "/tls/a%%b"),
        ("/srv/a%b c", "systemd", "/srv/a%%b c"),
        ("/srv/a\\", "systemd", None),
        ("a\nb", "systemd", None),
        (" a", "paste", None),
        ("DEFAULT", "configparser_section", None),
        (["a,b"], "configparser_items", None),
        ("a b", "supervisor", "a b"),
        ("a #b", "supervisor", None),
    ],
)
def test_one_value(value: Any, dialect: str, text: str | None) -> None:
    assert written(value, dialect) == text


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(ImageServicesError, match=r"^Cannot write value 'paste': it holds a line break or another control character\. Choose another one\.$"):
        written_value("secret\nsecret", "paste")


def test_the_whole_file() -> None:
    sections = {
        "b": {"y": "gl%nce$ecret{x}", "x": True, "none": None, "empty": ""},
        "a": {"many": ["1", 2], "pairs": {"k": "v", "j": True}},
        "c": None,
        "d": {},
    }
    text = config_file(sections, "# header").text
    assert text == "# header\n\n[a]\nmany = 1\nmany = 2\npairs = j:true,k:v\n\n[b]\nx = true\ny = gl%nce$$ecret{x}\n"
    assert literal(parse(text)["b"]["y"][0]) == "gl%nce$ecret{x}"

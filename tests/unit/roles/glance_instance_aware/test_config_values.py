# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that roles write, read back by oslo.config, PasteDeploy and Glance's own reader of property protections."""

from __future__ import annotations

import configparser
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oslo_config import cfg
from oslo_config.sources import _environment
from paste.deploy.loadwsgi import NicerConfigParser

sys.path.insert(0, str(Path(__file__).parents[4] / "plugins"))
from module_utils._core.config_file import config_file, written_value
from module_utils._core.errors import ImageServicesError
from module_utils._core.ini import literal, parse

ODD = st.text("ab$%{}()[]'\"\\ \t\n#;:=,.-|/@!~\xa0\x1c\u2028é", max_size=12)
TEXTS = ODD | st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
PASSWORD = "gl%nce$ecret{x}"


def by_oslo(text: str, *names: str, kind: Any = cfg.StrOpt) -> list[Any]:
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        conf = cfg.ConfigOpts()
        conf.register_opts([kind(name) for name in names], "s")
        conf(["--config-file", file.name], project="none", default_config_dirs=[], use_env=False)
        return [conf.s[name] for name in names]


@given(TEXTS)
@example(PASSWORD)
@example(' \'"$$\\$\\\\$${a}$(b)%%#;" ')
@example("first\nsecond # third\n[other]")
@example('"')
@example("# no comment")
@example("[section]")
@example("${neighbour}$neighbour")
def test_oslo_config_gives_every_value_back(value: str) -> None:
    """What cannot be written is a finding that does not repeat it; everything else is read as it was given, beside a neighbour."""
    written = config_file({"s": {"value": value, "neighbour": "n"}}, "# header")
    if written.findings:
        assert written.text == ""
        assert "\r" in value or "\0" in value or any(line != line.strip() or not line for line in value.split("\n")[1:])
        assert [finding for finding in written.findings if len(value) > 3 and value in finding] == []
        return
    assert by_oslo(written.text, "value", "neighbour") == [value if value else None, "n"]
    # And by ourselves, where roles look at what others have written.
    assert [literal(item) for item in parse(written.text)["s"].get("value", [""])] == [value]


@given(st.lists(ODD.filter(bool), min_size=1, max_size=4))
def test_oslo_config_gives_every_line_of_a_list_back(values: list[str]) -> None:
    written = config_file({"s": {"values": values}}, "")
    if not written.findings:
        assert by_oslo(written.text, "values", kind=cfg.MultiStrOpt) == [values]


@given(st.dictionaries(ODD, ODD, min_size=1, max_size=3))
def test_oslo_config_gives_every_dictionary_back(value: dict[str, str]) -> None:
    written = config_file({"s": {"value": value}}, "")
    if not written.findings:
        assert by_oslo(written.text, "value", kind=cfg.DictOpt) == [value]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"s]\n[t": {"a": 1}}, "Cannot write section 's]\\n[t': this cannot be the name of a section."),
        ({"s": ["a"]}, "Cannot write section 's': it is not a dictionary."),
        ({"s": {"a\nb": "secret"}}, "Cannot write option 'a\\nb of [s]': this cannot be the name of an option."),
        ({"s": {"a": "secret\n\nb = c"}}, "Cannot write option 'a of [s]': it holds a line break beside an empty line or blanks."),
        ({"s": {"a": {"k": "v,w"}}}, "Cannot write option 'a of [s]': a key or value of it holds a comma"),
    ],
)
def test_what_no_file_can_hold_is_a_sentence_without_the_value(sections: dict[str, Any], words: str) -> None:
    [finding] = config_file(sections, "").findings
    assert finding.startswith(words)
    assert "secret" not in finding


@given(ODD)
@example(PASSWORD)
@example("\\$\\\\$a")
def test_oslo_config_gives_a_value_of_the_environment_back(value: str) -> None:
    try:
        written = written_value(value, "oslo_environment")
    except ImageServicesError:
        assert any(character in value for character in "\n\x1c\u2028")
        return
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt("value"), "s")
    name = _environment.EnvironmentConfigurationSource.get_name("s", "value")
    os.environ[name] = written
    try:
        conf([], project="none", default_config_files=[], default_config_dirs=[])
        assert conf.s.value == value
    finally:
        del os.environ[name]


def refused_or(value: Any, dialect: str) -> str | None:
    try:
        return written_value(value, dialect)
    except ImageServicesError:
        return None


@given(ODD)
@example("/etc/gl%(here)s%%/$x")
def test_paste_deploy_gives_every_value_back(value: str) -> None:
    written = refused_or(value, "paste")
    if written is not None:
        parser = NicerConfigParser("file", {"here": "/x"}, strict=False)
        parser.read_string(f"[app:a]\nvalue = {written}\nother = 1\n")
        assert (parser.get("app:a", "value"), parser.get("app:a", "other")) == (value, "1")


@given(ODD.filter(bool), st.lists(ODD, min_size=1, max_size=3))
@example("^a[b]%(c)s$", ["@", "role%one"])
def test_rules_for_properties_come_back(pattern: str, roles: list[str]) -> None:
    section, written = refused_or(pattern, "configparser_section"), refused_or(roles, "configparser_items")
    if section is not None and written is not None:
        parser = configparser.ConfigParser()
        parser.read_string(f"[{section}]\ncreate = {written}\nread = !\n")
        assert parser.sections() == [pattern]
        assert [role.strip() for role in parser.get(pattern, "create").split(",")] == roles

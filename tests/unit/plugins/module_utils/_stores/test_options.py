# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's argument_specs.yml says what the table of options says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.lint import NO_FALLBACK, PLACES
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.options import BACKENDS, COMMON, DIRECTORY, FILE, SWIFT_ACCOUNT, Option

ROLE = Path(__file__).parents[5] / "roles" / "glance_stores"
SPEC = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
TYPES = {"str": "str", "int": "int", "bool": "bool", "dict": "dict", "list": "list", "lines": "list"}
DRIVER_OPTIONS = {name: (kind, option) for kind, options in BACKENDS.items() for name, option in options.items()}
RESERVED = {name: FILE[name] for name in ("filesystem_store_datadir", "filesystem_store_chunk_size")}
SECTIONS: dict[str, tuple[dict[str, Any], dict[str, Option]]] = {
    "stores": (SPEC["glance_stores"]["options"], {**COMMON, **{name: option for name, (_kind, option) in DRIVER_OPTIONS.items()}}),
    "directory": (SPEC["glance_stores"]["options"]["directory"]["options"], DIRECTORY),
    "defaults": (
        SPEC["glance_stores_backend_defaults"]["options"],
        {
            name: option
            for name, (_kind, option) in DRIVER_OPTIONS.items()
            if name not in (*NO_FALLBACK, "filesystem_store_datadir", "filesystem_store_datadirs")
        },
    ),
    "staging": (SPEC["glance_stores_internal"]["options"]["staging"]["options"], {**RESERVED, "directory": COMMON["directory"]}),
    "tasks": (SPEC["glance_stores_internal"]["options"]["tasks"]["options"], {**RESERVED, "directory": COMMON["directory"]}),
    "swift accounts": (SPEC["glance_stores_swift_accounts"]["options"], SWIFT_ACCOUNT),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_both_name_the_same_options(section: str) -> None:
    spec, table = SECTIONS[section]
    assert set(spec) - {"name", "type", "reference"} == set(table)


@pytest.mark.parametrize("section", SECTIONS)
def test_types_choices_secrets_and_words_are_the_same(section: str) -> None:
    spec, table = SECTIONS[section]
    for name, option in table.items():
        entry = spec[name]
        assert entry["type"] == TYPES[option.kind], name
        assert entry.get("choices", []) == list(option.choices), name
        assert entry.get("no_log", False) == option.secret, name
        assert entry["description"].endswith(option.help), name
        assert "default" not in entry, name


def test_options_say_which_type_they_are_for() -> None:
    for name, (kind, _option) in DRIVER_OPTIONS.items():
        assert SPEC["glance_stores"]["options"][name]["description"].startswith(f"For type V({kind}). "), name


def test_types_of_stores() -> None:
    assert SPEC["glance_stores"]["options"]["type"]["choices"] == list(BACKENDS)
    glance = yaml.safe_load((ROLE.parent / "glance" / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    assert glance["glance_store_driver_types"]["choices"] == sorted(BACKENDS)


def test_what_people_read_names_every_type() -> None:
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    assert f"Types are {_list_of([f'`{kind}`' for kind in BACKENDS])}, with every option" in readme
    guide = (ROLE.parents[1] / "docs/docsite/rst/guide_versions.rst").read_text(encoding="utf-8")
    assert f"- {_list_of(list(BACKENDS))}, with the options" in guide


def _list_of(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def test_every_type_says_what_its_place_is() -> None:
    """Directories have rules of their own, http stores nothing, and volumes of two cinder stores never share a name."""
    assert set(PLACES) == set(BACKENDS) - {"file", "http", "cinder"}
    for kind, options in PLACES.items():
        assert set(options) <= set(BACKENDS[kind]), kind


def test_no_two_types_share_an_option() -> None:
    assert len(DRIVER_OPTIONS) == sum(map(len, BACKENDS.values()))


def test_every_variable_has_its_default_in_one_place() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert set(SPEC) - {"glance_stores"} == set(defaults)
    for name, entry in SPEC.items():
        if "default" in entry:
            assert defaults[name] == entry["default"], name

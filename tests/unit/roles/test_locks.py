# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock files of roles hold all that the roles can ask for, and roles find them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.xenstack.image_services.plugins.filter.database_url import database_url

ROLES = Path(__file__).parents[3] / "roles"
LOCKED = {"glance": "33.0.0", "keystone": "30.0.0"}
DATABASES = ["sqlite:////tmp/x", "mysql+pymysql://u@h/d", "postgresql+psycopg://u@h/d", "postgresql+psycopg2://u@h/d", "postgresql://u@h/d"]
PIN = re.compile(r"^([a-z0-9.-]+)==([^ ;]+)( ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def load(path: Path) -> dict[str, Any]:
    return DataLoader().load_from_file(str(path), trusted_as_template=True) or {}


def lock_of(role: str) -> Path:
    return ROLES / role / "files" / f"requirements-{LOCKED[role]}.txt"


def store_types() -> list[str]:
    options = yaml.safe_load((ROLES / "glance" / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    return options["glance_store_driver_types"]["choices"]


def requirements(role: str, database: str = DATABASES[0], **given: Any) -> tuple[list[str], list[str]]:
    """What the role wants from the resolver, and what of it the lock does not hold."""
    variables = {
        **load(ROLES / "wsgi_service" / "defaults" / "main.yml"),
        **load(ROLES / "wsgi_service" / "vars" / "main.yml"),
        **load(ROLES / role / "defaults" / "main.yml"),
        **load(ROLES / role / "vars" / "main" / "install.yml"),
        # Its filter is not found outside a playbook.
        f"__{role}_database": database_url(database),
        "wsgi_service_packages": trust_as_template(f"{{{{ __{role}_packages }}}}"),
        "wsgi_service_lock_file": str(lock_of(role)),
        "__wsgi_service_lock": lock_of(role).read_text(),
        **given,
    }
    templar = Templar(loader=DataLoader(), variables=variables)
    return templar.template(trust_as_template("{{ __wsgi_service_requirements }}")), templar.template(trust_as_template("{{ __wsgi_service_unlocked }}"))


@pytest.mark.parametrize("role", LOCKED)
def test_the_lock_holds_all_that_the_role_can_ask_for(role: str) -> None:
    pins = {name: version for name, version, _marker, _hashes in PIN.findall(lock_of(role).read_text())}
    asked: set[str] = set()
    for database, server in itertools.product(DATABASES, ["gunicorn", "pyuwsgi"]):
        more = {"glance_store_driver_types": store_types()} if role == "glance" else {}
        wanted, unlocked = requirements(role, database=database, wsgi_service_server=server, **more)
        assert unlocked == []
        asked |= set(wanted)
    assert {item.split("==")[0]: item.split("==")[1] for item in asked} == {item.split("==")[0]: pins[item.split("==")[0]] for item in asked}
    sources = [line.split("==")[0] for line in lock_of(role).with_suffix(".in").read_text().splitlines() if not line.startswith("#")]
    assert sorted(sources) == sorted(item.split("==")[0] for item in asked)


@pytest.mark.parametrize("role", LOCKED)
def test_every_line_of_the_lock_is_a_pin_with_hashes(role: str) -> None:
    """What is asked for by name is the same on every interpreter."""
    text = re.sub(r"\A(#.*\n)+", "", lock_of(role).read_text())
    assert PIN.sub("", text) == ""
    conditional = {name for name, _version, marker, _hashes in PIN.findall(text) if marker}
    wanted, _unlocked = requirements(role, **({"glance_store_driver_types": store_types()} if role == "glance" else {}))
    assert conditional.isdisjoint(item.split("==")[0] for item in wanted)


def test_a_package_that_the_lock_does_not_hold_is_named() -> None:
    _wanted, unlocked = requirements("keystone", wsgi_service_packages=["gunicorn==1.0", "no-such-package", "keystone==30.0.0"])
    assert unlocked == ["no-such-package", "gunicorn==1.0"]


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_no_variable_of_a_role_looks_for_files_where_it_is_used(role: str) -> None:
    """Variables are evaluated lazily: in a role that this one includes, role_path is that role's."""
    files = [path for name in ("vars", "defaults") for path in (ROLES / role / name).rglob("*.yml")]
    assert [str(path) for path in files if re.search(r"\b(role_path|playbook_dir|ansible_role_name)\b", re.sub(r"(?m)^\s*#.*$", "", path.read_text()))] == []


@pytest.mark.parametrize("role", LOCKED)
def test_supported_are_the_versions_that_have_a_lock_and_the_default_is_one(role: str) -> None:
    supported = load(ROLES / role / "vars" / "main" / "install.yml")[f"__{role}_versions"]
    assert sorted(path.stem.removeprefix("requirements-") for path in (ROLES / role / "files").glob("requirements-*.txt")) == sorted(supported)
    assert load(ROLES / role / "defaults" / "main.yml")[f"{role}_version"] == max(supported)
    assert ", ".join(supported) in (ROLES / role / "README.md").read_text()

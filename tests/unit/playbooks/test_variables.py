# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The specification of the playbooks' variables is what the playbooks read, and what they refuse before they do anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.backup_rotation import WEEKDAYS
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.left_behind import KINDS
from ansible_collections.xenstack.image_services.plugins.plugin_utils.playbook_variables import FRAGMENTS, specs
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, run_playbook

PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml") if not path.stem.startswith("demo"))
LOCAL = ["-i", "localhost,", "-e", "ansible_connection=local"]
SECRET = "s3cret-word"


def scalars(found: Any, without: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(found, Mapping):
        found = [each for key, value in found.items() if key not in without for each in (key, value)]
    if isinstance(found, list):
        for each in found:
            yield from scalars(each, without)
    else:
        yield str(found)


def parsed(playbook: str, *without: str) -> str:
    """What the playbook and the tasks that it includes say, without comments."""
    texts = [(ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8")]
    for text in texts:
        texts += [(ROOT / "playbooks/tasks" / name).read_text(encoding="utf-8") for name in re.findall(r"include_tasks: (?:tasks/)?(\w+\.yml)", text)]
    return "\n".join(scalars([yaml.safe_load(text) for text in texts], without))


def named(playbook: str, text: str) -> set[str]:
    """Variables with the prefix of the playbook; what follows a dot is a plugin, and with a suffix it is a file."""
    return set(re.findall(rf"(?<![\w./-])(?:{playbook}_\w+|xen_pool)\b(?!\.yml)", text))


def test_every_playbook_is_specified() -> None:
    assert sorted(specs()) == PLAYBOOKS


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_the_specification_has_the_variables_that_the_playbook_reads(playbook: str) -> None:
    text, options = parsed(playbook), set(specs()[playbook]["options"])
    assert named(playbook, text) - {"nova_installation_uuid_hosts"} <= options
    # A message is no use of it.
    used = parsed(playbook, "fail_msg", "message", "msg")
    assert {name for name in options if not re.search(rf"(?<![\w.]){name}\b", used)} == set()
    assert (f"query('xenstack.image_services.playbook_findings', '{playbook}')" in text) == bool(options)


def literals(name: str, text: str) -> Iterator[Any]:
    """Values that the playbook uses in place of a variable, but for those that stand for none, and other variables."""
    for found in re.findall(rf"(?<!\w){name} \| default\(([^()]*?)(?:, true)?\)", text):
        if re.match(r"['\d\[{]|true$|false$", found) and found not in ("''", "'/'", "{}"):
            yield yaml.safe_load(found)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_defaults_are_those_of_the_specification(playbook: str) -> None:
    text = parsed(playbook)
    plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text(encoding="utf-8"))
    of_plays: Mapping[str, Any] = {name: value for play in plays for name, value in play.get("vars", {}).items()}
    for name, option in specs()[playbook]["options"].items():
        found = [*literals(name, text), *([of_plays[name]] if name in of_plays and "{{" not in of_plays[name] else [])]
        if "default" in option:
            assert found, name
        assert [value for value in found if value != option.get("default")] == [], name


def test_choices_are_those_of_the_modules() -> None:
    options = {name: option for spec in specs().values() for name, option in spec["options"].items()}
    for module, chosen in {
        "xen_vdi_import": {"disk_format": "import_image_disk_format", "on_replace": "import_image_on_replace"},
        "xen_vdi_export": {"format": "snapshot_to_glance_format"},
        "glance_store_evacuation": {"on_deactivated": "evacuate_store_on_deactivated"},
        "xen_vm": {"firmware": "restore_from_glance_firmware"},
    }.items():
        path = ROOT / "plugins" / "modules" / f"{module}.py"
        assigned = {ast.unparse(part.targets[0]): part.value for part in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(part, ast.Assign)}
        documented = yaml.safe_load(ast.literal_eval(assigned["DOCUMENTATION"]))["options"]
        for option, variable in chosen.items():
            assert sorted(options[variable]["choices"]) == sorted(documented[option]["choices"]), variable
    assert options["instance_backup_weekday"]["choices"] == list(WEEKDAYS)
    assert options["instance_backup_leave"]["choices"] == options["snapshot_to_glance_leave"]["choices"] == list(KINDS)


@pytest.mark.parametrize("where", ["playbooks", "playbooks/tasks"])
def test_every_option_of_a_pool_reaches_the_modules(where: str) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / where).glob("*.yml")]
    (create,) = FRAGMENTS.values()
    blocks = [found for text in texts for found in re.findall(r"image_services\.xapi:\n((?: +\w+: .*\n)+)", text)]
    assert blocks
    for block in blocks:
        if "_pool" in block:
            assert set(re.findall(r"^ +(\w+):", block, re.MULTILINE)) == set(create().options)


def test_a_refusal_shows_no_secret(tmp_path: Path) -> None:
    """At -vvv, with a password from a vault, in check mode, and before any other task."""
    vault = tmp_path / "vault"
    vault.write_text("word", encoding="utf-8")
    hidden = indent(VaultLib().encrypt(SECRET, VaultSecret(b"word")).decode(), " " * 6)
    given = tmp_path / "vars.yml"
    pool = f"xen_pool:\n  hostname: pool-a\n  passwrd_: x\n  password: !vault |\n{hidden}\nrestore_from_glance_auth: [{SECRET}]\n"
    given.write_text(pool, encoding="utf-8")
    arguments = [*LOCAL, "-vvv", "--check", "--vault-password-file", str(vault), "-e", f"@{given}"]
    refused = run_playbook(ROOT / "playbooks/restore_from_glance.yml", {"restore_from_glance_image": "x", "restore_from_glance_vm": "y"}, *arguments)
    assert refused.returncode != 0
    assert "Cannot build VM: xen_pool has the key 'passwrd_', which is not known. Write password instead." in refused.output
    assert "restore_from_glance_auth is a list. Write it as a dictionary." in refused.output
    assert SECRET not in refused.output
    assert "Find the image" not in refused.output


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"restore_from_glance_settel": "5"}, "restore_from_glance_settel is no variable of the playbook. Write restore_from_glance_settle instead."),
        (
            {"restore_from_glance_image": "{{ omit }}", "xen_pool": {"hostname": "{{ vault_pool }}"}},
            "xen_pool cannot be read, because 'vault_pool' is undefined. Define that variable.",
        ),
    ],
)
def test_variables_of_an_importing_playbook_are_checked(tmp_path: Path, variables: dict[str, Any], sentence: str) -> None:
    playbook = tmp_path / "play.yml"
    given = {"restore_from_glance_image": "x", "restore_from_glance_vm": "y", "xen_pool": {"hostname": "a", "password": "b"}, **variables}
    playbook.write_text(yaml.safe_dump([{"import_playbook": str(ROOT / "playbooks/restore_from_glance.yml"), "vars": given}]), encoding="utf-8")
    refused = run_playbook(playbook, {}, *LOCAL)
    assert refused.returncode != 0
    assert sentence in refused.output
    assert "Find the image" not in refused.output

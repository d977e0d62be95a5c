# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever shares options through a fragment shares their defaults through a group, and says so."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

FRAGMENTS = {"openstack": "_cloud", "xapi": "_pool"}


def documentation(path: Path) -> dict[str, Any]:
    """What a module or a doc fragment says in its literal of this name."""
    (text,) = (
        node.value.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and ast.unparse(node.targets[0]) == "DOCUMENTATION"
    )
    found: dict[str, Any] = yaml.safe_load(str(text))
    return found


@pytest.mark.parametrize("group", FRAGMENTS)
def test_a_group_has_the_modules_of_its_fragment(group: str) -> None:
    members = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"][group]
    listed = [member for member in members if isinstance(member, str)]
    documented = {path.stem: documentation(path) for path in (ROOT / "plugins" / "modules").glob("*.py")}
    fragment = f"xenstack.image_services.{FRAGMENTS[group]}"
    assert listed == sorted(name for name, text in documented.items() if fragment in text.get("extends_documentation_fragment", ()))
    shared = documentation(ROOT / "plugins" / "doc_fragments" / f"{FRAGMENTS[group]}.py")
    assert shared["attributes"]["action_group"]["membership"] == [f"xenstack.image_services.{group}"]


def test_defaults_reach_from_our_group_to_openstack_cloud_and_not_back(tmp_path: Path) -> None:
    """As ansible.cfg and ansible-playbook have it, with a collection of that name which has one module in that group; the documentation says so."""
    other = tmp_path / "ansible_collections" / "openstack" / "cloud"
    (other / "meta").mkdir(parents=True)
    (other / "meta" / "runtime.yml").write_text("action_groups: {openstack: [thing]}\n", encoding="utf-8")
    (other / "plugins" / "modules").mkdir(parents=True)
    module = "from ansible.module_utils.basic import AnsibleModule\nm = AnsibleModule({'cloud': {}})\nm.exit_json(cloud=m.params['cloud'])\n"
    (other / "plugins" / "modules" / "thing.py").write_text(module, encoding="utf-8")
    tasks = [
        {"openstack.cloud.thing": {}, "register": "theirs"},
        # Fails for a cloud of a name that clouds.yaml does not hold, and otherwise because it has none at all.
        {"xenstack.image_services.glance_image_info": {}, "register": "ours", "ignore_errors": True},
        {"ansible.builtin.debug": {"msg": "theirs={{ theirs.cloud }} ours={{ 'nowhere' in ours.msg }}"}},
    ]
    common = {"hosts": "localhost", "gather_facts": False, "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    plays = [
        {**common, "module_defaults": {f"group/{group}.openstack": {"cloud": "nowhere"}}, "tasks": tasks}
        for group in ("xenstack.image_services", "openstack.cloud")
    ]
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps(plays), encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OS_"))}
    environment = {
        **kept,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": f"{tmp_path}:{ROOT / '.build'}",
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),
    }
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(playbook)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert re.findall("theirs=nowhere ours=(True|False)", done.stdout) == ["True", "False"], done.stdout


@pytest.mark.parametrize("path", ["plugins/modules/glance_image.py", "plugins/doc_fragments/_cloud.py", "README.md", "docs/docsite/rst/guide_catalogue.rst"])
def test_the_documentation_says_which_group_to_write(path: str) -> None:
    text = " ".join((ROOT / path).read_text(encoding="utf-8").split())
    assert "group/openstack.cloud.openstack" in text
    assert "group/xenstack.image_services.openstack" in text
    assert "do not apply to" in text

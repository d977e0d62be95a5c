# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each tag that the README of a role names reaches the tasks that it promises, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, run_playbook

# Words of a task that each tag has to reach, by role. Tasks that are included are named by their include.
REACHES = {
    "cinder_xenapinfs": {
        "install": "Keep the package where the interpreter",
        "config": "Write the configuration of the backend",
        "service": "Restart cinder-volume after a run",
        "check": "Create, use and delete a volume",
    },
    "glance_instance_aware": dict.fromkeys(("install", "config", "service"), "Add the filter to Glance") | {"check": "Check that Glance finds an image"},
    "xen_dom0_plugins": {"install": "Install the imagestore plugin", "check": "Compare and run the imagestore plugin"},
}
# What only reads runs with every tag.
READS = re.compile(r"Assert \||Plan \||Site read \||Validating arguments")
CASES = [(role, tag) for role, tags in REACHES.items() for tag in tags]


def listed(role: str, tmp_path: Path, *arguments: str) -> list[str]:
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "roles": [f"xenstack.image_services.{role}"]}]))
    output = run_playbook(playbook, {}, "-i", "localhost,", "--list-tasks", *arguments).succeeded().output
    return [line.partition(f"{role} : ")[2].partition("\tTAGS")[0] for line in output.splitlines() if "TAGS:" in line and f"{role} : " in line]


@pytest.mark.parametrize(("role", "tag"), CASES)
def test_a_tag_reaches_its_tasks_and_what_reads(role: str, tag: str, tmp_path: Path) -> None:
    found = listed(role, tmp_path, "--tags", tag)
    assert [task for task in found if REACHES[role][tag] in task], found
    others = {words for other, words in REACHES[role].items() if words != REACHES[role][tag]}
    assert not [task for task in found if any(words in task for words in others)], found


@pytest.mark.parametrize("role", REACHES)
def test_without_their_tags_only_what_reads_is_left(role: str, tmp_path: Path) -> None:
    left = [task for task in listed(role, tmp_path, "--skip-tags", ",".join(REACHES[role])) if not READS.search(task)]
    assert left == []


@pytest.mark.parametrize("role", REACHES)
def test_the_readme_has_a_row_for_each_tag(role: str) -> None:
    rows = re.findall(r"^\| (`[a-z]+`(?:, `[a-z]+`)*) \|", (ROOT / "roles" / role / "README.md").read_text(), re.MULTILINE)
    assert {tag for row in rows for tag in re.findall(r"`([a-z]+)`", row)} >= set(REACHES[role])

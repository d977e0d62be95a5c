# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that Terraform's data source runs: its answers, and its sentences where it cannot look."""

from __future__ import annotations

import base64
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

PROGRAM = ROOT / "examples" / "terraform" / "look.py"
difference = runpy.run_path(str(PROGRAM))["difference"]


def compared(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    return {"changed": True, "error": None, "diff": {"before": before, "after": after}}


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"changed": False, "error": None, "diff": None}, ""),
        (compared({"name": "x", "min_disk": 1}, {"name": "x", "min_disk": 2}), "min_disk is 1, declared 2"),
        (
            compared({"visibility": "public", "tags": []}, {"visibility": "private", "tags": ["a"]}),
            'tags is [], declared ["a"], visibility is "public", declared "private"',
        ),
        (
            compared({"properties": {"a": "1", "b": "2"}}, {"properties": {"a": "1", "c": "3"}}),
            'properties.b is "2", declared null, properties.c is null, declared "3"',
        ),
        (compared({"properties": {"terraform_resource": "1"}}, {"properties": {}}), ""),
        (compared({}, {"name": "x"}), "it is not in the cloud"),
        (compared({"name": "x"}, {"name": "x"}), "an interrupted change of it is not finished"),
        (compared({"os_distro": "\x1b[2J\u202e"}, {"os_distro": "ü"}), 'os_distro is "\\u001b[2J\\u202e", declared "ü"'),
        ({"changed": False, "error": {"msg": "Cannot read file 'x': no."}, "diff": None}, "Cannot read file 'x': no."),
    ],
)
def test_what_differs_is_told_by_attribute(result: dict[str, Any], told: str) -> None:
    assert difference(result) == told


def looked(directory: Path, script: str | None) -> subprocess.CompletedProcess[str]:
    program = directory / "ansible-playbook"
    if script is not None:
        program.write_text(f"#!{sys.executable}\n{script}", encoding="utf-8")
        program.chmod(0o755)
    query = {"ansible_playbook": str(program), "playbook": "look.yml", "variables": json.dumps({"images_cloud": "c", "images": [], "images_adopt": []})}
    return subprocess.run([sys.executable, str(PROGRAM)], input=json.dumps(query), capture_output=True, text=True, check=False)


SEEN = """
import json, sys
given = json.load(open(sys.argv[-1][1:]))
assert sys.argv[1:5] == ["-i", "localhost,", "look.yml", "--extra-vars"], sys.argv
print("what a playbook prints")
json.dump(%r, open(given["images_seen"], "w"))
"""


def test_the_answer_is_an_object_of_strings(tmp_path: Path) -> None:
    results = [{"name": "a", **compared({}, {"name": "a"})}, {"name": "b", "changed": False, "error": None, "diff": None}]
    done = looked(tmp_path, SEEN % {"failure": "", "refusals": ["Cannot keep image 'b'."], "results": results})
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert {key: json.loads(value) for key, value in answer.items()} == {
        "differences": {"a": "it is not in the cloud"},
        "refusals": ["Cannot keep image 'b'."],
    }


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (None, "Cannot look at cloud 'c': '{}/ansible-playbook' cannot be run: No such file or directory. Set the variable ansible_playbook to the one of"),
        (SEEN % {"failure": "Cannot list images '*': no route.", "refusals": [], "results": []}, "Cannot list images '*': no route."),
        ("import sys; sys.exit('ERROR! no such module')", "Cannot look at cloud 'c': ansible-playbook failed: ERROR! no such module"),
        ("raise SystemExit(3)", "Cannot look at cloud 'c': ansible-playbook failed: it ended with status 3 and said nothing"),
    ],
)
def test_what_cannot_look_fails_with_a_sentence(tmp_path: Path, script: str | None, sentence: str) -> None:
    done = looked(tmp_path, script)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(sentence.format(tmp_path))
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text", ["", "╷\n│ Error: Invalid value", "null", '"bm8="', '{"variables": "{}"}', '{"variables": "[]", "ansible_playbook": "x", "playbook": "y"}']
)
def test_what_terraform_console_says_instead_of_a_query_is_refused(text: str) -> None:
    done = subprocess.run([sys.executable, str(PROGRAM)], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Cannot look at the cloud: standard input is no query of Terraform. See")
    assert "Traceback" not in done.stderr


def test_the_query_of_terraform_console_is_one_line_without_escapes(tmp_path: Path) -> None:
    program = tmp_path / "ansible-playbook"
    program.write_text(f"#!{sys.executable}\n{SEEN % {'failure': '', 'refusals': [], 'results': []}}", encoding="utf-8")
    program.chmod(0o755)
    variables = json.dumps({"images_cloud": "c", "images": [{"name": 'a "b"'}], "images_adopt": []})
    query = json.dumps({"ansible_playbook": str(program), "playbook": "look.yml", "variables": variables})
    text = json.dumps(base64.b64encode(query.encode()).decode())
    done = subprocess.run([sys.executable, str(PROGRAM)], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, json.loads(done.stdout)) == (0, "", {"differences": "{}", "refusals": "[]"})

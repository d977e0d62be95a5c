# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell Terraform how the images in the cloud differ from their declaration, in the data source of external/drift.tf or before it is started.

It reads a JSON object of strings on standard input and writes one on standard output, as the provider hashicorp/external wants it; or what terraform console
prints of base64encode(jsonencode(local.query)), in which nothing is escaped. What differs is what the collection itself would change, asked in check mode.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# The property with the id of the resource. A plan does not know that of new images, so it is not compared.
MARK = "terraform_resource"


def main() -> None:
    try:
        program, playbook, variables = asked(sys.stdin.read())
    except (ValueError, KeyError, TypeError):
        sys.exit("Cannot look at the cloud: standard input is no query of Terraform. See «Drift» in README.md for how to start look.py.")
    try:
        seen = look(program, playbook, variables)
    except OSError as exc:
        advice = "Set the variable ansible_playbook to the one of an environment with this collection"
        sys.exit(f"Cannot look at cloud '{variables['images_cloud']}': '{program}' cannot be run: {exc.strerror}. {advice}.")
    except ValueError as exc:
        sys.exit(str(exc))
    found = {result["name"]: difference(result) for result in seen["results"]}
    answer = {"differences": {name: text for name, text in found.items() if text}, "refusals": seen["refusals"]}
    json.dump({key: json.dumps(value) for key, value in answer.items()}, sys.stdout)


def asked(text: str) -> tuple[str, str, dict[str, Any]]:
    query = json.loads(text)
    if isinstance(query, str):
        query = json.loads(base64.b64decode(query))
    variables = json.loads(query["variables"])
    return query["ansible_playbook"], query["playbook"], {key: variables[key] for key in ("images_cloud", "images_adopt", "images")}


def look(program: str, playbook: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Run the playbook, whose output goes nowhere: what it has seen is in a file."""
    with tempfile.TemporaryDirectory() as directory:
        seen, given = Path(directory, "seen.json"), Path(directory, "variables.json")
        given.write_text(json.dumps({**variables, "images_seen": str(seen)}), encoding="utf-8")
        command = [program, "-i", "localhost,", playbook, "--extra-vars", f"@{given}"]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
        if not seen.exists():
            cause = " ".join((done.stderr or done.stdout).split()) or f"it ended with status {done.returncode} and said nothing"
            raise ValueError(f"Cannot look at cloud '{variables['images_cloud']}': ansible-playbook failed: {cause}")
        found: dict[str, Any] = json.loads(seen.read_text(encoding="utf-8"))
    if found["failure"]:
        raise ValueError(found["failure"])
    return found


def difference(result: dict[str, Any]) -> str:
    """What the collection would change of an image, or why it could not; empty where nothing."""
    if result["error"]:
        return str(result["error"]["msg"])
    if not result["changed"]:
        return ""
    before, after = (flat(result["diff"][side]) for side in ("before", "after"))
    if not before:
        return "it is not in the cloud"
    keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    if not keys:
        return "an interrupted change of it is not finished"
    return ", ".join(f"{key} is {shown(before.get(key))}, declared {shown(after.get(key))}" for key in keys if key != f"properties.{MARK}")


def flat(attributes: dict[str, Any]) -> dict[str, Any]:
    properties = {f"properties.{key}": value for key, value in attributes.get("properties", {}).items()}
    return {**{key: value for key, value in attributes.items() if key != "properties"}, **properties}


def shown(value: Any) -> str:
    """As JSON, in which nothing from the cloud can write to a terminal."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


if __name__ == "__main__":
    main()

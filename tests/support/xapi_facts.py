# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests have to know of XAPI's published data model: names, and a digest of what is said of each. `make xapi-facts MODEL=<directory>` writes it.

The directory holds xenapi.json and xapi_errors.json: what XAPI's own generator writes of its data model, and {"errors": {code: {"params": [...]}}}.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "unit/plugins/module_utils/_xapi/data"
SIMULATED = Path(__file__).parents[2] / "roles/xapi_simulator/files/xapi_simulator/schema"
ERRORS, MODEL = DATA / "errors.json", DATA / "model.json"


def digest(fact: Any) -> str:
    """Short, because nobody attacks it."""
    return hashlib.sha256(json.dumps(fact).encode()).hexdigest()[:12]


def removed(entry: Mapping[str, Any]) -> bool:
    return bool(entry["lifecycle"].get("state") == "Removed_s")


def field_fact(kind: str, qualifier: str, default: str | None) -> str:
    return digest([kind, qualifier, default])


def message_fact(params: Sequence[tuple[str, bool]], result: str, session: bool, implicit: bool) -> str:
    return digest([params, result, session, implicit])


# Of a message that older servers had.
REMOVED = digest(None)


def _message(message: Mapping[str, Any]) -> str:
    if removed(message):
        return REMOVED
    names = [param["name"] for param in message["params"]]
    params = [(param["type"], param["required"]) for param in message["params"] if param["name"] != "session_id"]
    return message_fact(params, message["result"][0], "session_id" in names, message["implicit"])


def model_facts(classes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of classes that are not simulated, the name is enough, and the enums that others use."""
    facts: dict[str, Any] = {}
    for cls in classes:
        here = facts[cls["name"]] = {"enums": {each["name"]: digest([value["name"] for value in each["values"]]) for each in cls["enums"]}}
        if (SIMULATED / f"{cls['name']}.txt").exists():
            here["fields"] = {each["name"]: field_fact(each["type"], each["qualifier"], each.get("default")) for each in cls["fields"] if not removed(each)}
            here["messages"] = {each["name"]: _message(each) for each in cls["messages"]}
    return facts


def error_facts(errors: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str] | None]:
    """The names of the parameters of each code; None where they are not known."""
    return {code: told["params"] for code, told in errors.items()}


def _write(target: Path, facts: Any) -> None:
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(facts, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def main(published: Path) -> None:
    _write(MODEL, model_facts(json.loads((published / "xenapi.json").read_text(encoding="utf-8"))))
    _write(ERRORS, error_facts(json.loads((published / "xapi_errors.json").read_text(encoding="utf-8"))["errors"]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

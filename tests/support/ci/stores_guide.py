# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stores_guide.py write|check: the tables of options by type of store in the guide, from the argument specification of the role glance_stores."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
SPEC = ROOT / "roles/glance_stores/meta/argument_specs.yml"
GUIDE = ROOT / "docs/docsite/rst/guide_stores.rst"
BEGIN = ".. The tables below are written by make stores-guide.\n"
END = ".. End of what make stores-guide writes.\n"
# Of types that are not called by their names in capitals.
TITLES = {"file": "File", "rbd": "Ceph RBD", "swift": "Swift", "cinder": "Cinder", "vmware": "VMware"}
FOR_TYPE = re.compile(r"For type V\((\w+)\)\. ")


def restructured(text: str) -> str:
    """Ansible's markup as reStructuredText."""
    text = re.sub(r"M\(([^)]+)\)", r":ansplugin:`\1#module`", text)
    text = re.sub(r"P\(([^)]+)\)", r":ansplugin:`\1`", text)
    return re.sub(r"[VOCE]\(([^)]+)\)", r"``\1``", text)


def table(options: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield ".. list-table::"
    yield "    :header-rows: 1"
    yield "    :widths: 35 10 55"
    for name, kind, text in [
        ("Option", "Type", "Meaning"),
        *((f"``{name}``", entry["type"], restructured(entry["description"])) for name, entry in options.items()),
    ]:
        yield ""
        yield f"    * - {name}"
        yield f"      - {kind}"
        yield f"      - {text}"
    yield ""


def tables(stores: dict[str, dict[str, Any]], defaults: dict[str, Any]) -> str:
    lines = [""]
    groups: dict[str, dict[str, dict[str, Any]]] = {"": {}, **{kind: {} for kind in stores["type"]["choices"]}}
    for name, entry in stores.items():
        found = FOR_TYPE.match(entry["description"])
        choices = f" One of {', '.join(f'V({choice})' for choice in entry['choices'])}." if "choices" in entry else ""
        groups[found[1] if found else ""][name] = {**entry, "description": entry["description"][found.end() if found else 0 :] + choices}
    for kind, entries in groups.items():
        # What only a store itself can have, such as its directory, comes first.
        options = dict(sorted(entries.items(), key=lambda item: item[0] in defaults))
        title = f"{TITLES.get(kind, kind.upper())}: ``type: {kind}``" if kind else "Options of every store"
        lines += [title, "-" * len(title), "", *table(options)]
    return "\n".join(lines) + "\n"


def main(mode: str) -> int:
    text = GUIDE.read_text(encoding="utf-8")
    before, _begin, rest = text.partition(BEGIN)
    _tables, _end, after = rest.partition(END)
    spec = yaml.safe_load(SPEC.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    wanted = before + BEGIN + tables(spec["glance_stores"]["options"], spec["glance_stores_backend_defaults"]["options"]) + END + after
    if mode == "write":
        GUIDE.write_text(wanted, encoding="utf-8")
    elif text != wanted:
        print(f"Cannot accept {GUIDE.relative_to(ROOT)}: its tables differ from {SPEC.relative_to(ROOT)}. Run make stores-guide.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

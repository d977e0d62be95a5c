# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks_guide.py write|check: the tables of variables in the guide, from the specification by which the playbooks check them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from doc_fragments import documentation
from guide_tables import ROOT, keep, restructured, table

SPECS = ROOT / "playbooks/vars/argument_specs.yml"
COLUMNS = "35 10 15 40", ("Variable", "Type", "Default", "Meaning")
# The title of the options of a fragment, and the anchor that variables refer to.
FRAGMENTS = {"xenstack.image_services._pool": ("Options of a pool", "ansible_collections.xenstack.image_services.docsite.guide_playbooks.pool")}


def sentences(description: str | list[str]) -> str:
    return restructured(description if isinstance(description, str) else " ".join(description))


def default(option: Mapping[str, Any]) -> str:
    if "default" not in option:
        return "required" if option.get("required") else ""
    value = option["default"]
    return f"``{value if isinstance(value, str) else json.dumps(value)}``"


def rows(options: Mapping[str, Mapping[str, Any]], path: str = "") -> Iterator[tuple[str, str, str, str]]:
    for name, option in options.items():
        text = sentences(option["description"])
        if "choices" in option:
            text += f" {'Out' if 'elements' in option else 'One'} of {', '.join(f'``{choice}``' for choice in option['choices'])}."
        if "extends_documentation_fragment" in option:
            title, anchor = FRAGMENTS[option["extends_documentation_fragment"]]
            text += f" See :ref:`{title.lower()} <{anchor}>`."
        kind = f"{option['type']} of {option['elements']}" if "elements" in option else option["type"]
        yield f"``{path}{name}``", kind, default(option), text
        below = option.get("options") or option.get("suboptions") or {}
        yield from rows(below, f"{path}{name}{'[]' if option['type'] == 'list' else ''}.")


def tables() -> str:
    lines = [""]
    for fragment, (title, anchor) in FRAGMENTS.items():
        lines += [f".. _{anchor}:", "", title, "^" * len(title), ""]
        lines += table(*COLUMNS, rows(yaml.safe_load(documentation(fragment.rpartition(".")[2]))["options"]))
    for playbook, spec in yaml.safe_load(SPECS.read_text(encoding="utf-8"))["argument_specs"].items():
        text = f"{spec['short_description']}. {sentences(spec.get('description', ''))}".strip()
        lines += [playbook, "^" * len(playbook), "", text, "", *(table(*COLUMNS, rows(spec["options"])) if spec["options"] else ())]
    return "\n".join(lines) + "\n"


def main(mode: str) -> int:
    return keep(mode, "playbooks-guide", "guide_playbooks.rst", SPECS, tables())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""stores_guide.py write|check: the tables of options by type of store in the guide, from the argument specification of the role glance_stores."""

from __future__ import annotations

import re
import sys
from typing import Any

import yaml
from guide_tables import ROOT, keep, restructured, table

SPEC = ROOT / "roles/glance_stores/meta/argument_specs.yml"
# Of types that are not called by their names in capitals.
TITLES = {"file": "File", "rbd": "Ceph RBD", "swift": "Swift", "cinder": "Cinder", "vmware": "VMware"}
FOR_TYPE = re.compile(r"For type V\((\w+)\)\. ")


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
        rows = ((f"``{name}``", entry["type"], restructured(entry["description"])) for name, entry in options.items())
        title = f"{TITLES.get(kind, kind.upper())}: ``type: {kind}``" if kind else "Options of every store"
        lines += [title, "-" * len(title), "", *table("35 10 55", ("Option", "Type", "Meaning"), rows)]
    return "\n".join(lines) + "\n"


def main(mode: str) -> int:
    spec = yaml.safe_load(SPEC.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    found = tables(spec["glance_stores"]["options"], spec["glance_stores_backend_defaults"]["options"])
    return keep(mode, "stores-guide", "guide_stores.rst", SPEC, found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

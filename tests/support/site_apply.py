# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `kolla-ansible reconfigure -t glance` does to a site, for a Glance that runs without a container.

Runs in Glance's own environment: layers the overrides with oslo.config's parser as Kolla's merge_configs does, gives the result to Glance, lets the
container have the volumes that the site's variables name, and restarts Glance. Called as: site_apply.py <settings.json> reconfigure -t glance
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import yaml
from oslo_config import iniparser


class Layer(iniparser.BaseParser):
    """One file: options by section, each with all its values."""

    def __init__(self) -> None:
        self.sections: dict[str, dict[str, list[list[str]]]] = {}
        self.options: dict[str, list[list[str]]] = {}

    def new_section(self, section: str) -> None:
        self.options = self.sections.setdefault(section, {})

    def assignment(self, key: str, value: list[str]) -> None:
        self.options.setdefault(key, []).append(value)


def merged(files: list[Path], host: str) -> str:
    """Later files win option by option; the result is written without the quotes that the parser takes off."""
    sections: dict[str, dict[str, list[list[str]]]] = {}
    for file in files:
        if file.exists():
            layer = Layer()
            text = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True).from_string(file.read_text()).render(inventory_hostname=host)
            layer.parse(text.splitlines(keepends=True))
            for section, options in layer.sections.items():
                sections.setdefault(section, {}).update(options)
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        for key, values in options.items():
            for value in values:
                lines.append(f"{key} = {value[0]}")
                lines += [" " * (len(key) + 3) + more for more in value[1:]]
    return "\n".join(lines) + "\n"


def volumes(site: Path) -> list[dict[str, Any]]:
    values = yaml.safe_load((site / "globals.yml").read_text()) or {}
    found = [entry.split(":") for entry in values.get("glance_extra_volumes") or []]
    found.append([values.get("glance_file_datadir_volume", "glance"), "/var/lib/glance"])
    return [{"Source": source, "Destination": destination.rstrip("/"), "RW": "ro" not in more} for source, destination, *more in found]


def main() -> int:
    settings = json.loads(Path(sys.argv[1]).read_text())
    if sys.argv[2:] != ["reconfigure", "-t", "glance"]:
        print(f"unknown arguments: {sys.argv[2:]}", file=sys.stderr)
        return 64
    with Path(settings["calls"]).open("a") as calls:
        calls.write("reconfigure\n")
    if "fails" in settings:
        print(settings["fails"]["stdout"])
        print(settings["fails"]["stderr"], file=sys.stderr)
        return int(settings["fails"]["code"])
    site, host = Path(settings["site"]), settings["host"]
    overrides = ["global.conf", "glance.conf", "glance/glance-api.conf", f"glance/{host}/glance-api.conf"]
    text = merged([Path(settings["template"]), *(site / "config" / name for name in overrides)], host)
    for target in (site / "glance-api" / "glance-api.conf", Path(settings["config"])):
        target.write_text(text)
    state = Path(settings["containers"])
    containers = json.loads(state.read_text())
    containers["glance_api"] = {**settings["container"], "mounts": settings["mounts"] + volumes(site), "running": True}
    state.write_text(json.dumps(containers))
    return subprocess.run(settings["restart"], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""coverage_total.py <directory>: puts together what the processes of a run of tests have measured, and says the whole in the last line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from coverage import Coverage

SETTINGS = "pyproject.toml"
SOURCES = [
    "plugins",
    "roles/cinder_xenapinfs/files/cinder_xenapinfs",
    "roles/glance_instance_aware/files/glance_instance_aware",
    "roles/xapi_simulator/files/xapi_simulator",
]


def add_what_nothing_ran(directory: Path) -> None:
    """A file that no process has opened counts as well."""
    measured = Coverage(config_file=SETTINGS, data_file=str(directory / "data"), data_suffix="sources", source=SOURCES, messages=False)
    measured.set_option("run:include", [])
    measured.set_option("run:patch", [])
    measured.set_option("run:disable_warnings", ["no-data-collected"])
    measured.start()
    measured.stop()
    measured.save()


def main() -> None:
    directory = Path(sys.argv[1])
    parts = [str(part) for part in directory.iterdir() if part.name.startswith("data.")]
    if not parts:
        sys.exit(f"Cannot report coverage '{directory}': nothing was measured. Run make coverage.")
    add_what_nothing_ran(directory)
    whole = Coverage(config_file=SETTINGS, data_file=str(directory / "data"), data_suffix=False, messages=False)
    whole.combine([str(directory)], keep=True)
    whole.report(skip_covered=True, sort="-miss")
    whole.json_report(outfile=str(directory / "total.json"))
    totals = json.loads((directory / "total.json").read_text())["totals"]
    counts = [(totals["covered_lines"], totals["num_statements"], "statements"), (totals["covered_branches"], totals["num_branches"], "branches")]
    print("Coverage:", ", ".join(f"{100 * covered / total:.2f} % of {total} {what}" for covered, total, what in counts))


if __name__ == "__main__":
    main()

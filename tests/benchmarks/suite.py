# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured, in which sizes, and what becomes of the results."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable

from ansible_collections.xenstack.image_services.tests.benchmarks import (
    row_a_requests,
    row_b_upload,
    row_c_directories,
    row_d_server,
    row_e_catalogue,
    row_f_pool,
    row_g_volumes,
    row_h_relations,
    row_i_download,
)
from ansible_collections.xenstack.image_services.tests.benchmarks.peers import set_up
from ansible_collections.xenstack.image_services.tests.benchmarks.report import Check, write_report
from ansible_collections.xenstack.image_services.tests.benchmarks.setting import FULL, QUICK, Bench, say
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

ROWS: dict[str, Callable[[Bench], list[Check]]] = {
    "a": row_a_requests.run,
    "b": row_b_upload.run,
    "c": row_c_directories.run,
    "d": row_d_server.run,
    "e": row_e_catalogue.run,
    "f": row_f_pool.run,
    "g": row_g_volumes.run,
    "h": row_h_relations.run,
    "i": row_i_download.run,
}
REPORT = ROOT / "docs" / "benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Measure the collection against curl, openstack.cloud, the openstack client, ansible.builtin.file, uwsgi and qemu-img."
    )
    parser.add_argument("rows", nargs="*", metavar="a|b|c|d|e|f|g|h|i", help="what to measure; without it all, and docs/benchmarks.md is written")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs: the numbers mean nothing and are not written")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    # A run that is told to end stops its services, as one that fails does.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    set_up()
    started = time.monotonic()
    checks: list[Check] = []
    with Bench(QUICK if arguments.quick else FULL) as bench:
        for name in arguments.rows or ROWS:
            say(f"row {name}")
            if not (measured := ROWS[name](bench)):
                sys.exit(f"Cannot measure row '{name}': it has no result. See why above.")
            checks += measured
            bench.clear()
    for check in checks:
        say(str(check))
    if arguments.quick:
        say("These sizes are too small for the targets: what was missed means nothing.")
    if not arguments.rows and not arguments.quick:
        write_report(REPORT, checks, time.monotonic() - started)
    missed = [check for check in checks if not check.passed]
    if missed and not arguments.quick:
        print(f"{len(missed)} of {len(checks)} targets were missed.", file=sys.stderr)
    return 1 if missed and not arguments.quick else 0

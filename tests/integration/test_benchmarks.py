# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of the benchmarks runs, in small sizes: what it measures in them means nothing, and is not judged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT


@pytest.fixture(scope="module")
def measured_cloud(cloud: Cloud) -> Iterator[Cloud]:
    yield cloud
    for prefix in ("bench", "filler"):
        cloud.remove_images(prefix)


@pytest.mark.parametrize("row", "abcdefgh")
def test_a_row_runs_to_its_end(measured_cloud: Cloud, row: str) -> None:
    if row == "c" and os.geteuid() != 0:
        pytest.skip("only root gives files away")
    command = [sys.executable, "tests/benchmarks/run.py", "--quick", "--cloud", str(measured_cloud.base), row]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    # The line of each result.
    assert [line for line in done.stdout.splitlines() if line.startswith(f"{row} ") and ", target " in line], done.stdout

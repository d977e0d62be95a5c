# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the benchmarks: ``run.py [--quick] [a|b|c|d|e|f|g|h|i ...]``. Without rows named it runs all and writes docs/benchmarks.md."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2].resolve()

if __name__ == "__main__":
    # The link by which ansible_collections.xenstack.image_services is this checkout.
    sys.path.insert(0, str(ROOT / ".build"))
    sys.exit(importlib.import_module("ansible_collections.xenstack.image_services.tests.benchmarks.suite").main())

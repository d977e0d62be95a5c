# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip script that ansible-test looks for in its cache: installs the pip wheel that lies beside this file."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WHEEL = next(HERE.glob("pip-*.whl"))

sys.path.insert(0, str(WHEEL))

from pip._internal.cli.main import main  # noqa: E402

wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", "--no-index", "--find-links", str(HERE), *wanted]))

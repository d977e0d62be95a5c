# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m glance_instance_aware: maintains the table of the filter from the command line."""

from __future__ import annotations

import sys

from glance_instance_aware.cli import main

sys.exit(main(sys.argv[1:]))

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys

from .cli import main

sys.exit(main())

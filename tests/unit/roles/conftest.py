# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests of packages that a role installs beside Cinder or Glance run in environments of their own: `make driver`, `make filter`."""

from __future__ import annotations

collect_ignore = ["cinder_xenapinfs", "glance_instance_aware"]

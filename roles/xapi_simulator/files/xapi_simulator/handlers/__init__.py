# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the messages do, one file for each group of classes."""

from __future__ import annotations

from . import denied, devices, event, fields, host, session, sr, task, vdi, vm

# Each registers what it answers when it is imported.
__all__ = ["denied", "devices", "event", "fields", "host", "session", "sr", "task", "vdi", "vm"]

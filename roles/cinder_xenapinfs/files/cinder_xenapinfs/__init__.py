# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cinder volumes that are disks of a Xen pool on an NFS share."""

from __future__ import annotations

__version__ = "1.0.0"

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relates images of Glance to the instances that they came from: a filter for Glance's pipeline with a table of its own."""

from __future__ import annotations

__version__ = "0.2.0"

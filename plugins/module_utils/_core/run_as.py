# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""How root runs a program as the user of a service."""

from __future__ import annotations


def run_as(user: str, group: str) -> list[str]:
    """The command before the program's own: none for root. A number has no entry in the user database, so it has no supplementary groups either."""
    if user in ("root", "0"):
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups" if user.isdecimal() else "--init-groups", "--"]

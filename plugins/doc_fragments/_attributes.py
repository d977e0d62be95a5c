# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to this collection: no compatibility is promised to users of the fragment.
"""Documentation of how modules behave in check mode, with diff and on a second run: those that keep something, and those that only look."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check mode and predict changes without making any.
    support: full
  diff_mode:
    description: Returns what has changed in the managed attributes, in check mode as well.
    support: full
  idempotent:
    description: A second run without a change in between reports and does nothing.
    support: full
"""

    INFO = r"""
attributes:
  check_mode:
    description: Changes nothing.
    support: full
  diff_mode:
    description: Changes nothing.
    support: N/A
  idempotent:
    description: Changes nothing.
    support: full
"""

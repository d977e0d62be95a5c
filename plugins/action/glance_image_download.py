# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Shows the progress of the module glance_image_download at -v; its options are documented there."""

from __future__ import annotations

from ansible_collections.xenstack.image_services.plugins.plugin_utils.progress import ProgressAction


class ActionModule(ProgressAction):
    """The module, with its progress."""

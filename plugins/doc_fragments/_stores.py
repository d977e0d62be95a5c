# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# Private to this collection: no compatibility is promised to users of the fragment.
"""Documentation of a complete configuration of stores, as filters take it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  _input:
    description: The stores, as O(xenstack.image_services.glance_stores#role:main:glance_stores) of the role.
    type: list
    elements: dict
    required: true
  backend_defaults:
    description: Options for all stores, see the role's C(glance_stores_backend_defaults).
    type: dict
    default: {}
  reserved:
    description: Glance's own directories, see the role's C(glance_stores_internal).
    type: dict
    default: {}
  swift_accounts:
    description: Accounts of the Swift stores, see the role's C(glance_stores_swift_accounts).
    type: list
    elements: dict
    default: []
  ceph:
    description: Ceph clusters of the rbd stores, see the role's C(glance_stores_ceph).
    type: list
    elements: dict
    default: []
  extra_config:
    description: Further sections, see the role's C(glance_stores_extra_config).
    type: dict
    default: {}
"""

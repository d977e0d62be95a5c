# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The options that declare one directory, for the module of one directory and for the items of the module of many."""

from __future__ import annotations

from ..._core.argspec import ArgumentSpec


def create_store_dir_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "str"},
            "recurse": {"type": "bool", "default": False},
            "require_mount": {"type": "bool", "default": False},
            "mount_point": {"type": "path"},
            "min_free": {"type": "str"},
            "setype": {"type": "str"},
            "follow": {"type": "bool", "default": False},
            "other_stores": {"type": "list", "elements": "path", "default": []},
            "probe": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
        }
    )

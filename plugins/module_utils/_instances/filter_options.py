# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The options of glance_instance_aware_plan, for its module and its action plugin."""

from __future__ import annotations

from .._core.argspec import ArgumentSpec
from .._stores.kolla.site import SITES


def create_filter_plan_argspec() -> ArgumentSpec:
    text = {"type": "str", "default": ""}
    return ArgumentSpec(
        options={
            "src": {"type": "path", "required": True},
            "files": {"type": "dict", "default": {}},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "target": {"type": "str", "choices": ["service", *SITES], "default": "service"},
            "installations": {"type": "list", "elements": "dict", "default": []},
            "keep_nova_property": {"type": "bool"},
            "service_roles": {"type": "list", "elements": "str"},
            "require_database": {"type": "bool"},
            "max_instance_ids": {"type": "int"},
            "database_url": {**text, "no_log": True},
            "extra_config": {"type": "dict", "default": {}},
            "home": {"type": "path", "required": True},
            "config_dir": {"type": "path", "default": "/etc/glance"},
            "user": {"type": "str", "default": "glance"},
            "group": {"type": "str", "default": "glance"},
            "glance_python": {"type": "path", "default": "/usr/bin/python3"},
            "site_dir": {"type": "path", "default": "/etc/kolla"},
            "site_config_dir": {"type": "path", "default": "/etc/kolla/config"},
            "site_globals": {"type": "path", "default": "/etc/kolla/globals.yml"},
            "site_files": {"type": "list", "elements": "dict", "default": []},
            "site_packages": {"type": "list", "elements": "dict", "default": []},
            "container": {"type": "str", "default": "glance_api"},
            "engine": text,
            "backup": {"type": "bool", "default": False},
            "verify": {"type": "bool", "default": True},
            "has_credentials": {"type": "bool", "default": False, "no_log": False},
        },
    )

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The options of the action plugin xen_dom0_plugin, judged before a host is asked anything. Pure: no I/O."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from ..module_utils._core.argspec import ArgumentSpec
from ..module_utils._core.errors import cannot
from .dom0_plan import is_name


def create_dom0_plugin_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str", "required": True},
            "src": {"type": "path"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "path": {"type": "str", "default": "/etc/xapi.d/plugins"},
            "mode": {"type": "str", "default": "0755"},
            "uid": {"type": "int", "default": 0},
            "gid": {"type": "int", "default": 0},
            "config": {"type": "dict"},
            "backup": {"type": "bool", "default": True},
            "force": {"type": "bool", "default": False},
            "verify": {"type": "bool", "default": False},
        },
        required_if=[("state", "present", ("src",))],
    )


def judged(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options with path and mode in one form; what cannot be is refused."""
    name, path, mode = given["name"], given["path"], given["mode"]
    verb = "install" if given["state"] == "present" else "remove"
    if not is_name(name):
        cause = "the name may have letters, digits, dots, dashes and underscores, and begins with no dot or dash"
        raise cannot(verb, "plugin", name, cause, "Give the name by which XAPI is to call it", code="bad_name")
    path = posixpath.normpath(path) if path.startswith("/") and path.isprintable() else ""
    if posixpath.dirname(path) in ("", "/"):
        cause = f"path is '{given['path']}', and not the absolute path of a directory within another one"
        raise cannot(verb, "plugin", name, cause, "Give the directory of XAPI's plugins", code="bad_path")
    if re.fullmatch(r"0?[0-7]{3}", mode) is None:
        raise cannot(verb, "plugin", name, f"the mode '{mode}' is not one like '0755'", "Give it in quotes", code="bad_mode")
    if int(mode, 8) & 0o522 != 0o500:
        cause = f"with the mode '{mode}', root cannot run it, or others can change what root runs"
        raise cannot(verb, "plugin", name, cause, "Use '0755' or '0700'", code="bad_mode")
    if min(given["uid"], given["gid"]) < 0:
        raise cannot(verb, "plugin", name, "uid and gid are numbers from 0", "Leave them out for root", code="bad_owner")
    return {**given, "path": path.replace("//", "/", 1), "mode": mode.zfill(4)}


def settings(config: Mapping[str, Any]) -> bytes:
    """The same bytes for the same settings."""
    return (json.dumps(config, indent=2, sort_keys=True) + "\n").encode()

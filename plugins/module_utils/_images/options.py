# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The options that declare one image, in a task of its own or as an item of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._content.web import create_access_argspec
from .._core.argspec import ArgumentSpec
from .._core.errors import cannot

RELATION = ("nova_installation_uuid", "instance_id")


def create_image_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "name": {"type": "str"},
            "id": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "reserved", "inactive", "absent"], "default": "present"},
            "src": {"type": "path", "aliases": ["filename"]},
            "uri": {"type": "str"},
            "checksum": {"type": "str"},
            "checksum_name": {"type": "str"},
            "decompress": {"type": "bool"},
            "disk_format": {"type": "str"},
            "container_format": {"type": "str"},
            "stores": {"type": "list", "elements": "str"},
            "stores_mode": {"type": "str", "choices": ["at_least", "exact"], "default": "at_least"},
            "on_replace": {"type": "str", "choices": ["hide", "deactivate", "delete", "keep"], "default": "hide"},
            "use_import": {"type": "bool"},
            "import_method": {"type": "str", "choices": ["glance-direct", "web-download", "glance-download"]},
            "remote_region": {"type": "str"},
            "remote_image_id": {"type": "str"},
            "remote_service_interface": {"type": "str", "choices": ["admin", "internal", "public"]},
            "visibility": {"type": "str", "choices": ["public", "private", "shared", "community"]},
            "is_public": {"type": "bool"},
            "members": {"type": "list", "elements": "str"},
            "member_status": {"type": "str", "choices": ["accepted", "pending", "rejected"]},
            "hidden": {"type": "bool", "aliases": ["is_hidden"]},
            "is_protected": {"type": "bool", "aliases": ["protected"]},
            "min_disk": {"type": "int"},
            "min_ram": {"type": "int"},
            "owner": {"type": "str", "aliases": ["project"]},
            "owner_domain": {"type": "str", "aliases": ["project_domain"]},
            "tags": {"type": "list", "elements": "str"},
            "properties": {"type": "dict"},
            "properties_mode": {"type": "str", "choices": ["merge", "exact"], "default": "merge"},
            "nova_installation_uuid": {"type": "str"},
            "instance_id": {"type": "str"},
            "kernel": {"type": "str"},
            "ramdisk": {"type": "str"},
        },
        mutually_exclusive=[("src", "uri"), ("visibility", "is_public"), ("src", "remote_image_id")],
        required_one_of=[("name", "id")],
        required_together=[("remote_region", "remote_image_id"), RELATION],
        required_by={"checksum_name": ["checksum"]},
        required_if=[
            ("import_method", "web-download", ["uri"]),
            ("import_method", "glance-download", ["remote_region", "remote_image_id"]),
            ("stores_mode", "exact", ["stores"]),
        ],
    ).merge(create_access_argspec())


def refuse_content_of_reserved(label: str, params: Mapping[str, Any]) -> None:
    """A reserved image waits for data that someone else uploads."""
    if params.get("state") != "reserved":
        return
    for option in ("src", "uri", "import_method"):
        if params.get(option) is not None:
            advice = f"Give state: present, or leave {option} out"
            raise cannot("keep", "image", label, f"state is 'reserved', and {option} is given", advice, code="reserved_content")


# The options of an image whose content the module creates.
CREATED_IMAGE_OPTIONS = (
    "name",
    "stores",
    "stores_mode",
    "on_replace",
    "use_import",
    "visibility",
    "members",
    "hidden",
    "is_protected",
    "min_disk",
    "min_ram",
    "owner",
    "owner_domain",
    "tags",
    "properties",
    "properties_mode",
    "nova_installation_uuid",
    "instance_id",
)


def create_image_option() -> ArgumentSpec:
    """The option ``image`` of modules that create images."""
    known = create_image_argspec().options
    options = {name: dict(known[name]) for name in CREATED_IMAGE_OPTIONS}
    options["name"]["required"] = True
    rules = {"required_if": [("stores_mode", "exact", ["stores"])], "required_together": [RELATION]}
    return ArgumentSpec(options={"image": {"type": "dict", "options": options, **rules}})

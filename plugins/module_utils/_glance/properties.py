# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Properties of images: which are attributes of Glance's schema, which this collection sets, and which belong to operators. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._core.errors import ImageServicesError

Record = Mapping[str, Any]

# Properties of this collection, named as the marks of VDIs where they are the same. They are Glance properties like any other, but never the operator's.
INCOMING = "image_services_incoming"
REPLACES = "image_services_replaces"
SOURCE_DIGEST = "image_services_source_digest"
SOURCE_FINGERPRINT = "image_services_fingerprint"
# Set where this collection has decompressed the source, and the service has kept what it was sent.
SOURCE_COMPRESSION = "image_services_source_compression"
# An image that is active only while it is copied; see _stores/evacuation_plan.py.
REACTIVATED = "image_services_reactivated"
# The disk in a Xen pool that an image was exported from, and when it was as the image is.
SOURCE_VDI = "image_services_vdi"
SOURCE_VDI_TIME = "image_services_vdi_time"
# The project that has created an image for another one, and the image: "<project>/<image>".
CREATED_BY = "image_services_created_by"
OWN_PROPERTIES = frozenset({INCOMING, REPLACES, SOURCE_DIGEST, SOURCE_FINGERPRINT, SOURCE_COMPRESSION, REACTIVATED, SOURCE_VDI, SOURCE_VDI_TIME, CREATED_BY})

# Attributes of Glance's image schema; everything else in a record is a property.
SCHEMA_ATTRIBUTES = frozenset(
    {
        "checksum",
        "container_format",
        "created_at",
        "direct_url",
        "disk_format",
        "file",
        "id",
        "locations",
        "min_disk",
        "min_ram",
        "name",
        "os_hash_algo",
        "os_hash_value",
        "os_hidden",
        "owner",
        "protected",
        "schema",
        "self",
        "size",
        "status",
        "stores",
        "tags",
        "updated_at",
        "virtual_size",
        "visibility",
    }
)
# Properties of Glance itself, and those that openstacksdk sets for its uploads: they describe data, not intent.
UNMANAGED_PREFIXES = ("os_glance_", "owner_specified.openstack.")


def properties_of(image: Record) -> dict[str, str]:
    """The properties that belong to operators."""
    return {
        key: str(value) for key, value in image.items() if key not in SCHEMA_ATTRIBUTES and key not in OWN_PROPERTIES and not key.startswith(UNMANAGED_PREFIXES)
    }


def property_path(key: str) -> str:
    """A JSON pointer to a property (RFC 6901)."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def property_text(value: Any) -> str:
    """The text that Glance keeps for a YAML value; Glance knows only strings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    return str(value)


def same_property(declared: Any, stored: str | None) -> bool:
    """Equal by value: `true`, `'True'` and `'true'` are one, as they are to all who read them; so are `4` and `'4'`."""
    if stored is None:
        return False
    if stored.lower() in ("true", "false"):
        return stored.lower() == property_text(declared).lower()
    if isinstance(declared, float):
        try:
            return float(stored) == declared
        except ValueError:
            return False
    if isinstance(declared, (dict, list)):
        try:
            return bool(json.loads(stored) == declared)
        except ValueError:
            return False
    return stored == str(declared)


def check_properties(name: str, properties: Mapping[str, Any] | None) -> None:
    """Refuse properties that are not the operator's to set."""
    for key in properties or {}:
        if key in SCHEMA_ATTRIBUTES:
            what = f"'{key}' is an attribute of images, not a property. Use the option of the module for it"
        elif key in OWN_PROPERTIES or key.startswith("os_glance_"):
            what = f"property '{key}' is reserved. Remove it from properties"
        else:
            continue
        raise ImageServicesError(f"Cannot manage image '{name}': {what}.", code="reserved_property")

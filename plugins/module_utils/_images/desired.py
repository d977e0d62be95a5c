# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What a task declares of an image, in Glance's own terms, and what is known of its source. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import ImageServicesError
from .._glance.relation import Relation

Record = Mapping[str, Any]

# Properties of ours. They are Glance properties like any other, but never the operator's.
INCOMING = "image_services_incoming"
REPLACES = "image_services_replaces"
SOURCE_DIGEST = "image_services_source_digest"
SOURCE_FINGERPRINT = "image_services_source"
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
# A source whose bytes are made while they are sent: known by its fingerprint alone.
MADE = "made"

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
# Glance's own, and what openstacksdk notes of its uploads: describes data, not intent.
FOREIGN_PREFIXES = ("os_glance_", "owner_specified.openstack.")


@dataclass(frozen=True)
class SourceFacts:
    """What is known of the content that a task names, as far as it has been looked at.

    ``seen`` is false where nothing has been asked of an address yet. ``decompressed`` says that Glance gets other bytes than lie there,
    or may get, while the source is not seen; ``checksum`` is that of the bytes that lie there.
    """

    kind: str
    label: str
    size: int | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str | None = None
    detected_format: str | None = None
    checksum: tuple[str, str] | None = None
    seen: bool = True
    decompressed: bool = False


@dataclass(frozen=True)
class Desired:
    """The declared image. None means «not managed», an empty value means «make empty».

    ``label`` is what messages call it; ``name`` is None where a task declares an image by its id alone.
    """

    label: str
    name: str | None = None
    state: str = "present"
    image_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] | None = None
    properties_mode: str = "merge"
    tags: tuple[str, ...] | None = None
    members: frozenset[str] | None = None
    member_status: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    stores: tuple[str, ...] | None = None
    stores_mode: str = "at_least"
    on_replace: str = "hide"
    source: SourceFacts | None = None
    # Empty is an image that belongs to no instance.
    relation: Relation | None = None


def properties_of(image: Record) -> dict[str, str]:
    """The properties that belong to operators."""
    return {
        key: str(value) for key, value in image.items() if key not in SCHEMA_ATTRIBUTES and key not in OWN_PROPERTIES and not key.startswith(FOREIGN_PREFIXES)
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


# By the number of hex digits.
BARE_DIGESTS = {32: "md5", 64: "sha256", 128: "sha512"}


def parse_checksum(text: str) -> tuple[str, str]:
    """`sha256:…`, `sha512:…` and the like, or a bare MD5, SHA-256 or SHA-512, as tasks of openstack.cloud.image have them."""
    algorithm, _colon, value = text.strip().rpartition(":")
    algorithm, value = algorithm.lower() or BARE_DIGESTS.get(len(value), ""), value.lower()
    length = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}.get(algorithm)
    if length is None or len(value) != length or set(value) - set("0123456789abcdef"):
        raise ImageServicesError(
            f"Cannot use checksum '{text}': it is not a digest that is known here. "
            "Write it as algorithm:hex or algorithm:URL of a checksum file, with sha256 or sha512, or as a bare SHA-256, SHA-512 or MD5.",
            code="bad_checksum",
        )
    return algorithm, value


def import_fingerprint(method: str, label: str) -> str:
    """Marks content that Glance fetched itself by where it fetched it from."""
    return hashlib.sha256(f"{method}\n{label}".encode()).hexdigest()

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What a task declares of an image, in Glance's own terms, and what is known of its source. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import ImageServicesError
from .._glance.relation import Relation

# A source whose bytes are made while they are sent: known by its fingerprint alone.
ENCODED = "encoded"


@dataclass(frozen=True)
class SourceFacts:
    """What is known of the content that a task names, as far as it has been looked at.

    ``seen`` is false where nothing has been asked of an address yet. ``decompressed`` says that Glance gets other bytes than the source holds,
    or may get, while the source is not seen; ``checksum`` is that of the bytes that the source holds.
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
class DesiredImage:
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

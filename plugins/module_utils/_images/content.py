# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Whether the content that Glance holds is the content that a task names. No I/O."""

from __future__ import annotations

import hashlib

from .._glance.properties import SOURCE_DIGEST, SOURCE_FINGERPRINT, Record
from .desired import ENCODED, SourceFacts

# What services use: Glance's default, and that of this collection's role.
USUAL_ALGORITHMS = ("sha512", "sha256")


def computable(algorithm: object) -> bool:
    """Whether digests of this name can be computed here: names come from services and from marks that anybody may have written."""
    try:
        # Those without a length of their own, such as shake_128, are no use for comparing.
        return hashlib.new(str(algorithm), usedforsecurity=False).digest_size > 0
    except (TypeError, ValueError):
        return False


def split_digest(mark: object) -> tuple[str, str] | None:
    """Algorithm and value of «algorithm:hex»; None for anything else."""
    algorithm, _colon, value = str(mark or "").partition(":")
    return (algorithm, value) if value and computable(algorithm) else None


def service_digest(image: Record) -> tuple[str, str] | None:
    """Glance's digest of the data, by an algorithm that can be computed here."""
    if image.get("os_hash_value") and computable(image.get("os_hash_algo")):
        return str(image["os_hash_algo"]), str(image["os_hash_value"])
    return ("md5", str(image["checksum"])) if image.get("checksum") else None


def has_data(image: Record | None) -> bool:
    return image is not None and image.get("status") in ("active", "deactivated")


def recorded_digest(image: Record) -> tuple[str, str] | None:
    """Digest of the source where the service did not keep its bytes as they were (conversion, decompression)."""
    return split_digest(image.get(SOURCE_DIGEST))


def same_content(image: Record, source: SourceFacts) -> bool | None:
    """True or False where the facts decide it; None where digests of the source are needed first."""
    if source.checksum is not None:
        known = comparable(image, source.checksum[0])
        if known is not None and (known == source.checksum[1] or not source.decompressed or recorded_digest(image) is not None):
            return known == source.checksum[1]
    if source.kind == "import":
        return image.get(SOURCE_FINGERPRINT) == source.fingerprint
    if source.kind == ENCODED:
        known = image.get(SOURCE_FINGERPRINT)
        if known is None:
            return False
        return None if source.fingerprint is None else known == source.fingerprint
    for algorithm, value in source.digests.items():
        known = comparable(image, algorithm)
        if known is not None:
            return known == value
    if source.fingerprint is not None and image.get(SOURCE_FINGERPRINT) == source.fingerprint:
        return True
    if source.size is not None and recorded_digest(image) is None and image.get("size") not in (None, source.size):
        return False
    return None


def comparable(image: Record, algorithm: str) -> str | None:
    """The image's digest by this algorithm, where Glance or we have kept one."""
    recorded = recorded_digest(image)
    if recorded is not None:
        return recorded[1] if recorded[0] == algorithm else None
    if image.get("os_hash_algo") == algorithm:
        return image.get("os_hash_value")
    return image.get("checksum") if algorithm == "md5" else None


def algorithms_to_compare(image: Record) -> list[str]:
    """What to compute of a source so that `same_content` can decide."""
    recorded = recorded_digest(image)
    if recorded is not None:
        return [recorded[0]]
    return [str(image["os_hash_algo"])] if computable(image.get("os_hash_algo")) else ["md5"]

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The content that a task names, opened and looked at before the cloud is asked anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from .._common.errors import cannot
from .._image.checksum_fetch import CHECKSUM_FILES
from .._image.checksum_file import reference
from .._image.decompress import DecompressedSource
from .._image.formats import COMPRESSIONS, guess, mismatch, sniff
from .._image.source import FileSource, HttpSource, Source
from .._plan.image_desired import SourceFacts, import_fingerprint, parse_checksum

SERVICE_SIDE_METHODS = ("web-download", "glance-download")
# What the compressed bytes are known by where no checksum is declared.
OWN_ALGORITHM = "sha256"


def open_source(label: str, params: Mapping[str, Any]) -> tuple[Source | None, SourceFacts | None]:
    """The source, None where Glance fetches the content itself, and what is known of it, None where the task names no content.

    ``label`` is what messages call the image. A bad file ends the task here. An address with a declared checksum is not asked yet: where the
    image is known by its checksum, no request is needed, and `look_at` is for the other case.
    """
    named = reference(params["checksum"] or "")
    checksum = parse_checksum(params["checksum"]) if params["checksum"] and named is None else None
    if params["state"] == "absent":
        return None, None
    if named is not None:
        checksum = named[0], CHECKSUM_FILES.digest(named[1], named[0], _file_name(params))
    method = params["import_method"]
    if method in SERVICE_SIDE_METHODS:
        if params["decompress"]:
            advice = "Leave out decompress, and have the service's import plugin image_decompression do it"
            raise cannot("upload", "image", label, f"decompress is true, and with {method} Glance fetches the content itself", advice, code="decompress")
        address = params["uri"] or f"{params['remote_region']}/{params['remote_image_id']}"
        return None, SourceFacts("import", address, fingerprint=import_fingerprint(method, address), checksum=checksum)
    if params["filename"]:
        source: Source = FileSource(params["filename"])
    elif params["uri"]:
        source = HttpSource(params["uri"])
    else:
        return None, None
    facts = SourceFacts("file" if params["filename"] else "http", source.label, checksum=checksum, seen=False, decompressed=bool(params["decompress"]))
    if isinstance(source, HttpSource) and checksum is not None:
        return source, facts
    return look_at(label, source, facts, params)


def look_at(label: str, source: Source, facts: SourceFacts, params: Mapping[str, Any]) -> tuple[Source, SourceFacts]:
    """The source with its first bytes looked at, decompressed where the task wants that and they are compressed, and what is known then."""
    compression = sniff(source.head()) if params["decompress"] else None
    if compression in COMPRESSIONS:
        source = DecompressedSource(source, str(compression), [facts.checksum[0] if facts.checksum is not None else OWN_ALGORITHM])
    found = refuse_format(label, source, params["disk_format"], params["container_format"])
    _refuse_checksum(label, source.origin, facts.checksum)
    decompressed = compression in COMPRESSIONS
    return source, replace(facts, size=source.size, fingerprint=source.fingerprint, detected_format=guess(found), seen=True, decompressed=decompressed)


def refuse_format(label: str, source: Source, disk_format: str | None, container_format: str | None) -> str | None:
    """Refuse bytes that cannot be what is declared; the format that they show."""
    found = sniff(source.head(), source.tail())
    cause = mismatch(disk_format or guess(found), container_format or "bare", found)
    if cause is not None:
        advice = f"Declare the format that '{source.label}' has, or convert it first"
        if found in COMPRESSIONS and source.origin is source:
            advice = "Set decompress: true, or declare container_format: compressed where the service takes such data"
        raise cannot("upload", "image", label, cause, advice, code="format_mismatch", details={"found": found})
    return found


def _file_name(params: Mapping[str, Any]) -> str | None:
    """The name by which a checksum file lists the content."""
    path = params["filename"] or unquote(re.split("[?#]", params["uri"] or "", maxsplit=1)[0])
    return path.rpartition("/")[2] or None


def _refuse_checksum(label: str, source: Source, checksum: tuple[str, str] | None) -> None:
    if checksum is None or not isinstance(source, FileSource):
        return
    algorithm, declared = checksum
    found = source.digests([algorithm])[algorithm]
    if found != declared:
        cause = f"the {algorithm} digest of '{source.label}' is {found}, and checksum declares {declared}"
        raise cannot("upload", "image", label, cause, "Get the file again, or correct checksum", code="checksum_mismatch")

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

from .._content.checksum_fetch import CHECKSUM_FILES
from .._content.checksum_file import reference
from .._content.decompress import DecompressedSource
from .._content.source import FileSource, HttpSource, Source
from .._content.web import access_of, checksum_access, create_access_argspec
from .._core.address import identity, shown
from .._core.errors import ImageServicesError, cannot
from .._disk.formats import COMPRESSIONS, RAW, detected, fixed_vhd, mismatch, sniff, undeclared
from .._disk.standalone import check_standalone
from .._glance.advice import ADVICE
from .desired import SourceFacts, import_fingerprint, parse_checksum

SERVICE_SIDE_METHODS = ("web-download", "glance-download")
FIXED = "the data is a fixed VHD, which Glance takes for raw data, since its mark is at its end alone"
# What the compressed bytes are known by where no checksum is declared.
OWN_ALGORITHM = "sha256"


def open_source(label: str, params: Mapping[str, Any]) -> tuple[Source | None, SourceFacts | None]:
    """The source, None where Glance fetches the content itself, and what is known of it, None where the task names no content.

    ``label`` is what messages call the image. A bad file ends the task here. An address with a declared checksum is not asked yet: where the
    image is known by its checksum, no request is needed, and `look_at` is for the other case.
    """
    if params["state"] == "absent":
        return None, None
    checksum = declared_checksum(params)
    method = params["import_method"]
    if method in SERVICE_SIDE_METHODS:
        if params["decompress"]:
            advice = "Leave out decompress, and have the service's import plugin image_decompression do it"
            raise cannot("upload", "image", label, f"decompress is true, and with {method} Glance fetches the content itself", advice, code="decompress")
        _refuse_credentials(label, params)
        address = params["uri"] or f"{params['remote_region']}/{params['remote_image_id']}"
        return None, SourceFacts("import", shown(address), fingerprint=import_fingerprint(method, identity(address)), checksum=checksum)
    if params["src"]:
        source: Source = FileSource(params["src"])
    elif params["uri"]:
        source = HttpSource(params["uri"], access=access_of(params), checked=checksum is not None)
    else:
        return None, None
    facts = SourceFacts("file" if params["src"] else "http", source.label, checksum=checksum, seen=False, decompressed=bool(params["decompress"]))
    if isinstance(source, HttpSource) and checksum is not None:
        return source, facts
    return look_at(label, source, facts, params)


def look_at(label: str, source: Source, facts: SourceFacts, params: Mapping[str, Any]) -> tuple[Source, SourceFacts]:
    """The source with its first bytes looked at, decompressed where the task wants that and they are compressed, and what is known then."""
    compression = sniff(source.head()) if params["decompress"] else None
    if compression in COMPRESSIONS:
        source = DecompressedSource(source, str(compression), [facts.checksum[0] if facts.checksum is not None else OWN_ALGORITHM])
    found = refuse_format(label, source, params["disk_format"], params["container_format"], file_name(params))
    _refuse_checksum(label, source.origin, facts.checksum)
    # What a container holds does not show.
    shows = detected(found) or (None if params["container_format"] in (None, "bare") else RAW)
    decompressed = compression in COMPRESSIONS
    return source, replace(facts, size=source.size, fingerprint=source.fingerprint, detected_format=shows, seen=True, decompressed=decompressed)


def refuse_format(label: str, source: Source, disk_format: str | None, container_format: str | None, name: str | None = None) -> str | None:
    """Refuse bytes that cannot be what is declared; what they show.

    Bytes that show nothing, and of which nothing is declared, pass here: the image in Glance may have a format already.
    """
    head, tail = source.head(), source.tail()
    found, bare = sniff(head, tail), container_format in (None, "bare")

    def unusable(cause: str, advice: str = "Get a complete copy of it, then run the task again") -> ImageServicesError:
        what = f"'{source.label}' is {found}, and {cause}"
        return cannot("upload", "image", label, what, advice, code="unusable_disk", details={"found": found})

    if bare:
        check_standalone(found, head, unusable)
    cause = mismatch(disk_format, container_format or "bare", found, name)
    fixed = bare and fixed_vhd(head, tail)
    if fixed and disk_format is None:
        cause = FIXED
    elif fixed and disk_format == RAW:
        cause = None
    elif disk_format == "vhd" and found in (None, RAW) and not tail:
        # A fixed VHD has its mark at its end, which is seen when it passes.
        cause = None
    if cause is not None and (found is not None or disk_format is not None):
        raise cannot("upload", "image", label, cause, _advice(source, disk_format, found), code="format_mismatch", details={"found": found})
    return found


def refuse_unknown(label: str, source: Source, disk_format: str | None, name: str | None) -> None:
    """Refuse bytes that show nothing where neither the task nor the image in Glance says what they are; ``disk_format`` is the image's."""
    found = refuse_format(label, source, disk_format, None, name)
    cause = undeclared(found, name) if disk_format is None else None
    if cause is not None:
        raise cannot("upload", "image", label, cause, _advice(source, None, None), code="format_mismatch", details={"found": None})


def _advice(source: Source, disk_format: str | None, found: str | None) -> str:
    if found in COMPRESSIONS and source.origin is source:
        return "Set decompress: true, or declare container_format: compressed where the service takes such data"
    if disk_format is None and found == "vhd":
        return ADVICE["fixed_vhd"]
    if disk_format is None:
        return f"See what '{source.label}' is; declare disk_format: raw if it is a raw disk all the same, or the format that it has"
    return f"Declare the format that '{source.label}' has, or convert it first"


def declared_checksum(params: Mapping[str, Any]) -> tuple[str, str] | None:
    """Algorithm and digest that a task declares of its content, read from the checksum file where it names one."""
    if not params["checksum"]:
        return None
    named = reference(params["checksum"])
    if named is None:
        return parse_checksum(params["checksum"])
    algorithm, address = named
    return algorithm, CHECKSUM_FILES.digest(address, algorithm, params["checksum_name"] or file_name(params), checksum_access(params, address))


def file_name(params: Mapping[str, Any]) -> str | None:
    """The last part of the path that the content is at."""
    path = params["src"] or unquote(re.split("[?#]", params["uri"] or "", maxsplit=1)[0])
    return path.rpartition("/")[2] or None


def _refuse_credentials(label: str, params: Mapping[str, Any]) -> None:
    given = [option for option in create_access_argspec().options if params[option] not in (None, "", {}, True)]
    if given:
        cause = f"{given[0]} is given, and Glance fetches the content itself and takes nothing of the kind"
        raise cannot("upload", "image", label, cause, "Leave out import_method, so that the task fetches the content", code="credentials")


def _refuse_checksum(label: str, source: Source, checksum: tuple[str, str] | None) -> None:
    if checksum is None or not isinstance(source, FileSource):
        return
    algorithm, declared = checksum
    found = source.digests([algorithm])[algorithm]
    if found != declared:
        cause = f"the {algorithm} digest of '{source.label}' is {found}, and checksum declares {declared}"
        raise cannot("upload", "image", label, cause, "Get the file again, or correct checksum", code="checksum_mismatch")

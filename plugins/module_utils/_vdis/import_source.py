# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The image that an import names: in Glance, in a file or behind an address, and what is known of it without reading it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._content.body import Progress
from .._content.digest import DiskDigest
from .._content.image_disk import ImageDisk
from .._content.source import FileSource, HttpSource, Source
from .._content.web import access_of
from .._core.address import shown
from .._core.errors import ImageServicesError, cannot
from .._disk.pages import whole_pages
from .._images.content import service_digest
from .._images.download import DownloadAccess, ImageData
from .._images.lookup import find_readable
from .._images.source import declared_checksum
from .import_plan import DISK, Content

# What bytes are known by where nothing is declared of them.
OWN_ALGORITHM = "sha256"


@dataclass(frozen=True)
class ImageReference:
    """An image, not yet opened. ``expected`` are the digests that its bytes must have."""

    source: Source
    content: Content
    expected: Mapping[str, str]
    disk_format: str | None
    container_format: str | None
    spool_dir: str | None = None
    # For images in Glance.
    direct: DownloadAccess | None = None

    def open(self, progress: Progress | None = None) -> ImageDisk:
        """Its disk, of which the first bytes are looked at here; ImageServicesError where they are not what was declared."""
        algorithms = list(self.expected)[:1] or [OWN_ALGORITHM]
        return ImageDisk(self.source, self.disk_format, self.container_format, algorithms=algorithms, spool_dir=self.spool_dir, progress=progress)

    def check(self, digests: Mapping[str, str]) -> None:
        """Refuse bytes that have passed and were others than declared."""
        for algorithm, found in digests.items():
            wanted = self.expected.get(algorithm, found)
            if found != wanted:
                cause = f"the {algorithm} digest of what came is {found}, and {wanted} is declared"
                raise cannot("read", "image", self.source.label, cause, "Run the task again, or correct checksum", code="digest_mismatch")

    def digest(self, algorithm: str) -> str | None:
        """A digest of the content, read now; None where there is none of this kind."""
        if isinstance(self.source, ImageData):
            return None
        if algorithm != DISK:
            return self.source.digests([algorithm])[algorithm]
        with self.open() as image:
            if not image.at_any_place:
                return None
            digest = DiskDigest(image.disk.virtual_size)
            for block in whole_pages(image.disk):
                digest.add(*block)
            return digest.hexdigest()


def open_origin(params: Mapping[str, Any]) -> ImageReference | None:
    """What a task names; None where it names no content. A bad file ends the task here; an address is not asked yet."""
    if params["state"] == "absent":
        return None
    if params["image"]:
        found = _in_glance(params)
    elif params["src"]:
        found = _file(params)
    elif params["uri"]:
        found = _address(params)
    else:
        return None
    return replace(found, spool_dir=params["spool_dir"])


def _in_glance(params: Mapping[str, Any]) -> ImageReference:
    # It brings in openstacksdk, which takes longer than many an import and is not needed for any other.
    from .._glance.connection import Cloud

    cloud = Cloud(params["glance"] or {})
    image = find_readable(cloud.glance, params["image"], "image and glance", params["on_duplicate"])
    known = service_digest(image)
    digests = dict([known]) if known is not None else {}
    content = Content(f"glance:{image['id']}", digests, fixed=True)
    direct = DownloadAccess(cloud, image["id"], params["dom0_endpoints"])
    return ImageReference(ImageData(cloud.glance, image), content, digests, image.get("disk_format"), image.get("container_format"), direct=direct)


def _file(params: Mapping[str, Any]) -> ImageReference:
    source = FileSource(params["src"])
    declared = _declared(params)
    if declared:
        algorithm, wanted = next(iter(declared.items()))
        found = source.digests([algorithm])[algorithm]
        if found != wanted:
            raise _other("file", params["src"], algorithm, found, wanted)
    status = source.status
    marks = "\n".join(map(str, (params["src"], status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)))
    content = Content(f"file:{params['src']}", declared, hashlib.sha256(marks.encode()).hexdigest())
    return ImageReference(source, content, declared, params["disk_format"], None)


def _address(params: Mapping[str, Any]) -> ImageReference:
    source = HttpSource(params["uri"], access=access_of(params), checked=bool(params["checksum"]))
    declared = _declared(params)
    # An address with a checksum is not asked before its content is needed.
    content = Content(shown(params["uri"]), declared, None if declared else source.fingerprint)
    return ImageReference(source, content, declared, params["disk_format"], None)


def _declared(params: Mapping[str, Any]) -> dict[str, str]:
    found = declared_checksum(params)
    return {} if found is None else dict([found])


def _other(kind: str, name: str, algorithm: str, found: str, wanted: str) -> ImageServicesError:
    cause = f"its {algorithm} digest is {found}, and checksum declares {wanted}"
    return cannot("read", kind, name, cause, "Get it again, or correct checksum", code="checksum_mismatch")

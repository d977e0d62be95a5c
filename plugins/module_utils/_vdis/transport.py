# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""How content gets into a new VDI: what all transports have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .._content.image_disk import ImageDisk
from .._core.errors import cannot
from .._disk.disk import RawStream
from .._disk.pages import PageSum, whole_pages
from .._disk.vhd.format import MAX_XEN_SIZE
from .._disk.vhd.reader import VhdStream
from .._xapi.session import Pool
from .._xapi.transfer import get
from .import_plan import Content
from .import_source import ImageReference


@dataclass(frozen=True)
class Filled:
    """A VDI with the complete content, still under the name and with the mark of one that is not complete."""

    ref: str
    content: Content
    bytes_transferred: int
    verified: bool
    warnings: Sequence[str] = ()


class Transport(Protocol):
    """How content reaches the pool."""

    def fill(self, given: Mapping[str, Any], origin: ImageReference, image: ImageDisk) -> Filled:
        """Make a VDI of the record ``given``, which has no size yet, and of the content. Of what fails nothing is left."""


def verify(pool: Pool, name: str, ref: str, size: int, expected: str) -> None:
    """Read a VDI back and compare the sum of its pages."""
    form = "vhd" if size <= MAX_XEN_SIZE else "raw"
    total = PageSum()
    with get(pool, "/export_raw_vdi", {"vdi": ref, "format": form}, f"verification of {name}") as download:
        label = f"{name}, as the pool gives it back,"
        back = VhdStream(download.blocks(), label) if form == "vhd" else RawStream(download.blocks(), label, size)
        for page in whole_pages(back):
            total.add(*page)
    if str(total) != expected:
        cause = "the pool gives back other data than it was sent"
        raise cannot("verify", "image", name, cause, "See the disks of the SR, then run the task again", code="verification")

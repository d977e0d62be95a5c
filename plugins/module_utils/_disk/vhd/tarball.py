# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A tarball of VHDs, as OpenStack's images of Xen are: `0.vhd` is the disk, `1.vhd` its parent, and so on; read once, as one disk.

Members that come before their turn are kept in files without a name until then.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import IO
from uuid import UUID

from ..._core.errors import ImageServicesError
from ..decoders import BrokenStream, decoder
from ..disk import ByteStream, broken
from ..extents import MIB, Block, Extent, is_zero
from ..formats import COMPRESSIONS, HEAD_SIZE, sniff
from ..tar_stream import Entry, TarStream
from .chain import Covered, uncovered
from .format import MAX_SIZE
from .reader import VhdStream, most_length, raw_parent

# Xen's own limit.
MAX_MEMBERS = 30
# Other files are left out, if there is little of them.
_MAX_OTHER = MIB
_NUMBERED = re.compile(r"(0|[1-9]\d?)\.vhd")
# As the oldest images name them.
_NAMED = {"snap.vhd": 0, "image.vhd": 1, "base.vhd": 2}


class VhdTarball:
    """The disk that the VHDs of a tarball make together; the tarball may be compressed.

    An entry that does not belong into such a tarball raises an error when it is read, possibly after data: the caller removes what it created.
    """

    def __init__(self, blocks: Iterable[bytes], label: str, spool_dir: str | None = None) -> None:
        self.label = label
        self._spool_dir = spool_dir
        self._tar = TarStream(ByteStream(self._plain(iter(blocks)), self._broken), self._broken)
        self._entries = iter(self._tar)
        self._cleanup = ExitStack()
        self._waiting: dict[int, IO[bytes]] = {}
        self._seen: set[int] = set()
        self._base_alone = False
        self.warnings: list[str] = []
        try:
            leaf = self._member(0)
            if leaf is None:
                raise self._broken("the tarball holds no 0.vhd" if self._seen else "the tarball holds no VHD")
            self._leaf = leaf
        except BaseException:
            self.close()
            raise
        self.virtual_size = self._leaf.virtual_size

    @property
    def ordered(self) -> bool:
        return not self._leaf.parent and self._leaf.ordered

    @property
    def scattered(self) -> bool:
        """Whether neighbouring sectors may come apart from each other, since the disk's parents hold some of them."""
        return self._leaf.parent

    def extents(self) -> Iterator[Extent]:
        """Known of a disk without parents only: what a parent holds is told when the parent comes."""
        if self._leaf.parent:
            cause = "its disk has parents, so that where its data lies is not known before all has come"
            raise broken("VHD tarball", self.label, cause, "Import it with an upload_format that takes the data as it comes, or give the disk as one VHD")
        yield from self._leaf.extents()

    def close(self) -> None:
        """Give up what was kept; blocks() does so at its end."""
        self._cleanup.close()

    def blocks(self) -> Iterator[Block]:
        with self._cleanup:
            covered = Covered(self.virtual_size, self._spool_dir)
            self._cleanup.callback(covered.close)
            try:
                yield from self._chain(covered)
            except OSError as exc:
                raise self._no_room(exc) from exc

    def _chain(self, covered: Covered) -> Iterator[Block]:
        member: VhdStream | None = self._leaf
        named: UUID | None = None
        uuids: set[UUID] = set()
        number = 0
        while member is not None:
            self._check_name(member, named, number)
            if raw_parent(member):
                raise self._broken(f"{number}.vhd holds only what differs from a raw disk, and a tarball holds VHDs alone")
            # A disk without children or parents hides nothing, so that nothing must be kept in mind.
            yield from uncovered(member.blocks(), covered, self.virtual_size) if number or member.parent else member.blocks()
            self._check_name(member, named, number)
            self.warnings += member.warnings
            if member.footer is not None and member.footer.uuid in uuids:
                raise self._broken(f"{number}.vhd has the id of a VHD before it: the chain goes round in a loop")
            uuids |= {member.footer.uuid} if member.footer is not None else set()
            named = member.header.parent if member.parent else None
            number += 1
            member = self._member(number)
            if member is not None and named is None:
                raise self._broken(f"{number - 1}.vhd is a complete disk, and yet {number}.vhd follows")
        if self._waiting:
            raise self._broken(f"the chain has a gap: there is {min(self._waiting)}.vhd, but no {number}.vhd")
        if named is not None:
            raise self._broken(f"{number - 1}.vhd holds only what differs from its parent, and there is no {number}.vhd")

    def _check_name(self, member: VhdStream, named: UUID | None, number: int) -> None:
        # A fixed VHD tells its id at its end.
        if named is not None and member.footer is not None and member.footer.uuid != named:
            raise self._broken(f"{number}.vhd is not the parent that {number - 1}.vhd names")

    def _member(self, number: int) -> VhdStream | None:
        """The VHD of that number, from what was kept or from what comes next."""
        if number in self._waiting:
            return VhdStream(_read(self._waiting.pop(number)), f"{self.label}:{number}.vhd", lenient=True)
        for entry in self._entries:
            found = self._number(entry)
            if found is None:
                continue
            if found == number:
                return VhdStream(self._tar.content(), f"{self.label}:{number}.vhd", entry.size, lenient=True)
            self._keep(found, entry)
        return None

    def _number(self, entry: Entry) -> int | None:
        """Which member of the chain an entry is; None for what is none."""
        name = entry.name
        numbered = _NUMBERED.fullmatch(name)
        number = int(numbered[1]) if numbered else _NAMED.get(name)
        if number is None and name.endswith(".vhd") and "/" not in name and name != "swap.vhd":
            # Alone, a VHD of any name is the disk.
            if self._seen or self._base_alone:
                raise self._broken("the tarball holds several VHDs, and not all are named 0.vhd, 1.vhd and so on")
            self._base_alone, number = True, 0
        elif number is not None and self._base_alone:
            raise self._broken("the tarball holds several VHDs, and not all are named 0.vhd, 1.vhd and so on")
        if entry.size > most_length(MAX_SIZE):
            raise self._broken(f"an entry of {entry.size} bytes is more than any VHD")
        if number is None:
            if entry.size > _MAX_OTHER and name != "swap.vhd":
                raise self._broken(f"the tarball holds {entry.size} bytes that are no VHD of a chain")
            return None
        if number in self._seen:
            raise self._broken(f"the tarball holds {number}.vhd twice")
        if number >= MAX_MEMBERS:
            raise self._broken(f"its chain is longer than {MAX_MEMBERS} VHDs")
        self._seen.add(number)
        return number

    def _keep(self, number: int, entry: Entry) -> None:
        # The file is closed, and so gone, with the tarball.
        try:
            kept: IO[bytes] = self._cleanup.enter_context(tempfile.TemporaryFile(dir=self._spool_dir))  # noqa: SIM115
            for piece in self._tar.content():
                if is_zero(piece):
                    kept.seek(len(piece), 1)
                else:
                    kept.write(piece)
            kept.truncate(entry.size)
            kept.seek(0)
        except OSError as exc:
            raise self._no_room(exc) from exc
        self._waiting[number] = kept

    def _plain(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """The tarball itself, decompressed where it is compressed."""
        head = b""
        while len(head) < HEAD_SIZE and (block := next(blocks, None)) is not None:
            head += block
        found = sniff(head)
        complete = chain((head,), blocks)
        if found not in COMPRESSIONS:
            yield from complete
            return
        decoding = decoder(str(found))
        try:
            for block in complete:
                yield from decoding.decode(block)
            decoding.finish()
        except BrokenStream as exc:
            raise self._broken(f"its {found} data is broken: {exc}") from exc

    def _no_room(self, exc: OSError) -> ImageServicesError:
        place = self._spool_dir or tempfile.gettempdir()
        return broken("VHD tarball", self.label, f"what comes before its turn cannot be kept in {place} ({exc.strerror})", "Make room there")

    def _broken(self, cause: str) -> ImageServicesError:
        return broken("VHD tarball", self.label, cause)


def _read(kept: IO[bytes]) -> Iterator[bytes]:
    while piece := kept.read(MIB):
        yield piece

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The structures of a VHD as Xen's own tools write them: read strictly, and written."""

import struct
import time
import uuid
from array import array

from failures import bad_image

SECTOR = 512
BLOCK = 2 << 20
STRIDE = (BLOCK + SECTOR) // SECTOR
# Where Xen's own tools put the table, and that they begin the data of a block on a page.
TABLE = 1536
ALIGNMENT = 4096
UNUSED = 0xFFFFFFFF
DYNAMIC, DIFFERENCING = 3, 4
EPOCH = 946684800  # 2000-01-01
MAX_SIZE = 2040 << 30
# Tables are at the beginning; further ones are ignored.
MAX_TABLES = 16 << 20
FOOTER = struct.Struct(">8sIIQI4sI4sQQHBBII16sBB426x")
HEADER = struct.Struct(">8sQQIIII16sII512s192s256x")
BATMAP = struct.Struct(">8sQIIIB483x")
LOCATOR = struct.Struct(">4sIIIQ")
SUMS = {FOOTER.size: 64, HEADER.size: 36}
NOWHERE = 0xFFFFFFFFFFFFFFFF
NO_PARENT = b"\0" * 16


def checksum(data, at):
    total = sum(bytearray(data))
    if at is not None:
        total -= sum(bytearray(data[at : at + 4]))
    return ~total & 0xFFFFFFFF


def sealed(data):
    at = SUMS[len(data)]
    return data[:at] + struct.pack(">I", checksum(data, at)) + data[at + 4 :]


def verified(data, cookie, what):
    if data[:8] != cookie:
        raise bad_image("%s is missing." % what)
    at = SUMS[len(data)]
    if struct.unpack(">I", data[at : at + 4])[0] != checksum(data, at):
        raise bad_image("%s has a wrong checksum." % what)


def geometry(size):
    """Cylinders, heads and sectors that never reach beyond the size."""
    sectors = min(size // SECTOR, 65535 * 16 * 255)
    if sectors >= 65535 * 16 * 63:
        per_track, heads = 255, 16
    else:
        per_track = 17
        heads = max(4, (sectors // per_track + 1023) // 1024)
        for wider in (31, 63):
            if heads <= 16 and sectors // per_track < heads * 1024:
                break
            per_track, heads = wider, 16
    return sectors // per_track // heads, heads, per_track


def up(value, step):
    return -(-value // step) * step


def rounded(size):
    """What an SR makes of a size."""
    return up(max(size, BLOCK), BLOCK)


class Footer(object):
    def __init__(self, size, kind, identity, stamp=None, original=None, data_offset=SECTOR, creator=b"tap\0", version=0x00010003, hidden=0):
        self.size, self.kind, self.uuid = size, kind, identity
        self.stamp = max(0, int(time.time()) - EPOCH) if stamp is None else stamp
        self.original = size if original is None else original
        self.data_offset, self.creator, self.version, self.hidden = data_offset, creator, version, hidden

    def pack(self):
        cylinders, heads, per_track = geometry(self.size)
        fields = [b"conectix", 2, 0x00010000, self.data_offset, self.stamp, self.creator, self.version, b"\0" * 4, self.original, self.size]
        return sealed(FOOTER.pack(*(fields + [cylinders, heads, per_track, self.kind, 0, self.uuid, 0, self.hidden])))


def read_footer(data, what):
    verified(data, b"conectix", "The footer of %s" % what)
    fields = FOOTER.unpack(data)
    if fields[2] != 0x00010000:
        raise bad_image("The footer of %s is of an unknown version." % what)
    made = Footer(fields[9], fields[13], fields[15], fields[4], fields[8], fields[3], fields[5], fields[6], fields[17])
    if made.kind not in (DYNAMIC, DIFFERENCING):
        raise bad_image("%s is a VHD of the type %d; a dynamic one or a child of one is wanted." % (what, made.kind))
    if not 0 < made.size <= MAX_SIZE or made.size % SECTOR:
        raise bad_image("The footer of %s gives a size of %d bytes; whole sectors and 2040 GiB at most are possible." % (what, made.size))
    return made


class Tables(object):
    """Footer, header and table of blocks, by a function that reads at an offset; what that raises for what is not there yet passes through."""

    def __init__(self, read, what):
        self.what = what
        self.footer = read_footer(read(0, SECTOR), what)
        self._inside(self.footer.data_offset, HEADER.size)
        data = read(self.footer.data_offset, HEADER.size)
        verified(data, b"cxsparse", "The header of %s" % what)
        fields = HEADER.unpack(data)
        self.table_offset, version, self.entries, block, self.parent = fields[2], fields[3], fields[4], fields[5], fields[7]
        self.parent_stamp, self.parent_name, self.locators = fields[8], fields[10], fields[11]
        if version != 0x00010000:
            raise bad_image("The header of %s is of an unknown version." % what)
        if block != BLOCK:
            raise bad_image("%s has blocks of %d bytes; Xen reads blocks of 2 MiB." % (what, block))
        # More entries than the disk has blocks are ignored.
        used = -(-self.footer.size // BLOCK)
        if self.entries < used:
            raise bad_image("The table of %s has %d entries, too few for %d bytes." % (what, self.entries, self.footer.size))
        self._inside(self.table_offset, 4 * used)
        table = read(self.table_offset, 4 * used)
        self.places = array("I")
        (getattr(self.places, "frombytes", None) or self.places.fromstring)(table)
        if struct.pack("=I", 1) != struct.pack(">I", 1):
            self.places.byteswap()
        self.table_end = max(self.footer.data_offset + HEADER.size, up(self.table_offset + 4 * used, SECTOR))
        self._batmap(read)
        taken = sorted(place for place in self.places if place != UNUSED)
        last = self.table_end // SECTOR
        for place in taken:
            if place < last:
                raise bad_image("Two blocks of %s overlap, or one is in its tables." % what)
            last = place + STRIDE
        self.end = last * SECTOR

    @property
    def raw_parent(self):
        """Whether it is the child of a raw disk: of those Xen's tools note no id."""
        return self.footer.kind == DIFFERENCING and self.parent == NO_PARENT

    def _inside(self, offset, length):
        if not inside(offset, length):
            raise bad_image("The tables of %s are not at its beginning." % self.what)

    def _batmap(self, read):
        """Xen's map of full blocks behind the table, where its creator promises one. It only saves readers time: a wrong one is left out."""
        if self.footer.creator[:3] != b"tap" or self.footer.version < 0x00010002:
            return
        at = up(self.table_offset + 4 * self.entries, SECTOR)
        if not inside(at, SECTOR):
            return
        fields = BATMAP.unpack(read(at, SECTOR))
        offset, sectors = fields[1], fields[2]
        if fields[0] != b"tdbatmap" or sectors * SECTOR * 8 < self.entries or offset < at + SECTOR or not inside(offset, sectors * SECTOR):
            return
        if checksum(read(offset, sectors * SECTOR), None) == fields[4]:
            self.table_end = max(self.table_end, offset + sectors * SECTOR)


def inside(offset, length):
    return offset >= SECTOR and offset % SECTOR == 0 and offset + length <= MAX_TABLES


def check_end(tables, data, length):
    """Whether the footer at the end is there; it must say the same as the one at the beginning, and all blocks lie before it.

    A crash, or the host that has the file open, leaves none there.
    """
    end = length
    there = data[:8] == b"conectix" and struct.unpack(">I", data[64:68])[0] == checksum(data, SUMS[FOOTER.size])
    if there:
        end = length - SECTOR
        found, mine = read_footer(data, "the end of %s" % tables.what), tables.footer
        if (found.uuid, found.size, found.kind, found.data_offset) != (mine.uuid, mine.size, mine.kind, mine.data_offset):
            raise bad_image("The footers at both ends of %s differ." % tables.what)
    if tables.end > end:
        raise bad_image("A block of %s lies beyond its end: it is cut off, or its table is damaged." % tables.what)
    return there


def no_end(what):
    """The warning of a footer that is not there."""
    return "%s has no footer at its end, as a crash leaves it. The copy at its beginning was used." % what


def identity(text):
    return uuid.UUID(text).bytes


def packed_header(entries, parent, parent_stamp, name, locators):
    fields = (b"cxsparse", NOWHERE, TABLE, 0x00010000, entries, BLOCK, 0, parent, parent_stamp, 0, name, locators)
    return sealed(HEADER.pack(*fields))


def packed_table(places):
    swapped = array("I", places)
    if struct.pack("=I", 1) != struct.pack(">I", 1):
        swapped.byteswap()
    data = (getattr(swapped, "tobytes", None) or swapped.tostring)()
    return data + b"\xff" * (up(len(data), SECTOR) - len(data))


def packed_batmap(at, places, full):
    """The map behind the table. Nothing that is set there is looked at in the block, so that all may be clear."""
    bits = bytearray(up((len(places) + 7) // 8, SECTOR))
    if full:
        for index, place in enumerate(places):
            if place != UNUSED:
                bits[index // 8] |= 0x80 >> (index % 8)
    head = BATMAP.pack(b"tdbatmap", at + SECTOR, len(bits) // SECTOR, 0x00010002, checksum(bytes(bits), None), 0)
    return head + bytes(bits)

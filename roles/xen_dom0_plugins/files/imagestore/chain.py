# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain of VHDs: whether it is one, and how each of it gets a new name, by which its child finds it."""

import io
import os
import time
from array import array

from failures import bad_image
from members import inspect
from vhd import (
    ALIGNMENT,
    BLOCK,
    DIFFERENCING,
    DYNAMIC,
    EPOCH,
    LOCATOR,
    MAX_SIZE,
    NO_PARENT,
    SECTOR,
    STRIDE,
    TABLE,
    UNUSED,
    Footer,
    identity,
    packed_batmap,
    packed_header,
    packed_table,
    rounded,
    up,
)

MAX_NAME = 512
LOCATORS = 3


def check(members):
    """Their tables from the leaf to the base."""
    if not members:
        raise bad_image("The tarball holds no VHD.")
    if 0 not in members:
        raise bad_image("The tarball holds no 0.vhd, which would be the disk.")
    count = next(number for number in range(len(members) + 1) if number not in members)
    if count != len(members):
        above = min(number for number in members if number > count)
        raise bad_image("The chain has a gap: there is %d.vhd, but no %d.vhd." % (above, count))
    seen = set()
    for number in range(count):
        tables = members[number]
        if tables.footer.uuid in seen:
            raise bad_image("%d.vhd has the id of a VHD before it: the chain goes round in a loop." % number)
        seen.add(tables.footer.uuid)
        child = tables.footer.kind == DIFFERENCING
        if not child and number + 1 < count:
            raise bad_image("%d.vhd is a complete disk, and yet %d.vhd follows." % (number, number + 1))
        if tables.raw_parent:
            raise bad_image("%s is the child of a raw disk, and a tarball holds VHDs only." % tables.what)
        if child and number + 1 == count:
            raise bad_image("%s holds only what differs from its parent, and there is no %d.vhd." % (tables.what, count))
        if child and tables.parent != members[number + 1].footer.uuid:
            raise bad_image("%d.vhd is not the parent that %d.vhd names." % (number + 1, number))
    return [members[number] for number in range(count)]


def refuse_uncovering(chain, size):
    """A child that is smaller than its parent must not grow, or it would show more of that."""
    for number, (child, parent) in enumerate(zip(chain, chain[1:])):
        wanted = rounded(max(child.footer.size, 0 if number else size))
        if parent.footer.size > child.footer.size and wanted > child.footer.size:
            raise bad_image("%s is smaller than its parent, and would show more of that when it grows." % child.what)


def locators(parent, at):
    """Their entries in the header, and what is at the place: the paths to the parent as Xen's tools write them."""
    relative = "./" + parent
    texts = (
        (b"MacX", ("file://" + relative).encode("ascii")),
        (b"W2ku", relative.replace("/", "\\").encode("utf-16-le")),
        (b"W2ru", relative.replace("/", "\\").encode("utf-16-le")),
    )
    entries, data = b"", b""
    for code, text in texts:
        entries += LOCATOR.pack(code, 1, len(text), 0, at + len(data))
        data += text + b"\0" * (SECTOR - len(text))
    return entries, data


def relink(path, uuid, parent=None, hidden=False, size=0):
    """Makes a VHD one of Xen's own: with its new id, the parent's file beside it, and tables and creator that the host's tools write.

    It grows to the size and to what an SR rounds sizes to, so that the host's tools, which grow no file of another creator, need not.
    Parents are hidden, as the toolstack hides them.
    """
    tables = inspect(path, os.path.basename(path))
    old, size = tables.footer.size, rounded(max(tables.footer.size, size))
    if size > MAX_SIZE:
        raise bad_image("The disk of %d bytes is larger than the 2040 GiB that a VHD of Xen holds." % size)
    used = -(-old // BLOCK)
    places = tables.places + array("I", [UNUSED]) * (size // BLOCK - used)
    needed = TABLE + len(packed_table(places))
    needed += len(packed_batmap(needed, places, False)) + (0 if parent is None else LOCATORS * SECTOR)
    stamp = min(tables.footer.stamp, max(0, int(time.time()) - EPOCH))
    footer = Footer(size, DYNAMIC if parent is None else DIFFERENCING, identity(uuid), stamp, tables.footer.original, hidden=int(hidden)).pack()
    with io.open(path, "r+b") as stream:
        if old % BLOCK and places[used - 1] != UNUSED:
            clear_behind(stream, places[used - 1] * SECTOR, old % BLOCK)
        end = max(needed, make_room(stream, places, needed, tables.end))
        stream.truncate(end)
        put(stream, end, footer)
        put(stream, SECTOR, tables_of(path, places, parent))
        # The copy at the beginning is last: before it, the file is still the old one to a reader.
        put(stream, 0, footer)
        stream.flush()
        os.fsync(stream.fileno())
    return inspect(path, os.path.basename(path))


def tables_of(path, places, parent):
    """Header, table and map of blocks, and the ways to the parent."""
    table = packed_table(places)
    at = TABLE + len(table)
    batmap = packed_batmap(at, places, False)
    if parent is None:
        return packed_header(len(places), NO_PARENT, 0, b"", b"") + table + batmap
    stamp = max(0, int(os.stat(os.path.join(os.path.dirname(path), parent + ".vhd")).st_mtime) - EPOCH)
    name = (parent + ".vhd").encode("utf-16-be")
    entries, data = locators(parent + ".vhd", at + len(batmap))
    return packed_header(len(places), identity(parent), stamp, name + b"\0" * (MAX_NAME - len(name)), entries) + table + batmap + data


def make_room(stream, places, needed, end):
    """Moves the blocks that lie where the tables will be to the end of all; gives the new end."""
    for place, index in sorted((place, index) for index, place in enumerate(places) if place * SECTOR < needed):
        stream.seek(place * SECTOR)
        block = stream.read(STRIDE * SECTOR)
        bitmap_at = up(end + SECTOR, ALIGNMENT) - SECTOR
        # What the footer's old place leaves between the blocks is nothing.
        put(stream, end, b"\0" * (bitmap_at - end) + block)
        places[index] = bitmap_at // SECTOR
        end = bitmap_at + STRIDE * SECTOR
    return end


def clear_behind(stream, at, offset):
    """What is behind the end of the disk in its last block becomes zeros, since the disk will reach over it."""
    stream.seek(at)
    bitmap = bytearray(stream.read(SECTOR))
    for sector in range(offset // SECTOR, BLOCK // SECTOR):
        bitmap[sector // 8] |= 0x80 >> (sector % 8)
    put(stream, at, bytes(bitmap))
    put(stream, at + SECTOR + offset, b"\0" * (BLOCK - offset))


def put(stream, offset, data):
    stream.seek(offset)
    stream.write(data)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A chain of VHDs: whether it is one, and how each of it gets a new name, by which its child finds it."""

import io
import os

from failures import bad_image
from members import inspect
from vhd import BLOCK, DIFFERENCING, EPOCH, LOCATOR, NO_PARENT, SECTOR, STRIDE, UNUSED, identity, packed_table, up

ALIGNMENT = 4096
MOST_NAME = 512


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
            raise bad_image("%d.vhd is a whole disk, and yet %d.vhd follows." % (number, number + 1))
        if child and number + 1 == count:
            raise bad_image("%s holds only what differs from its parent, and there is no %d.vhd." % (tables.what, count))
        if child and tables.parent != members[number + 1].footer.uuid:
            raise bad_image("%d.vhd is not the parent that %d.vhd names." % (number + 1, number))
    return [members[number] for number in range(count)]


def locators(parent, at):
    """Their entries in the header, and what lies at the place: the ways to the parent as Xen's tools write them."""
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


def relink(path, uuid, parent=None, hidden=False):
    """Gives a VHD its new id and, with one, the parent's file beside it; parents are hidden, as the toolstack hides them."""
    tables = inspect(path, os.path.basename(path))
    footer = tables.footer
    footer.uuid, footer.hidden = identity(uuid), int(hidden)
    with io.open(path, "r+b") as stream:
        length = os.fstat(stream.fileno()).st_size
        if parent is None:
            header = tables.header(NO_PARENT, 0, b"", b"")
        else:
            length = make_room(stream, tables, length)
            stamp = max(0, int(os.stat(os.path.join(os.path.dirname(path), parent + ".vhd")).st_mtime) - EPOCH)
            name = (parent + ".vhd").encode("utf-16-be")
            entries, data = locators(parent + ".vhd", tables.table_end)
            header = tables.header(identity(parent), stamp, name + b"\0" * (MOST_NAME - len(name)), entries)
            put(stream, tables.table_end, data)
        put(stream, footer.data_offset, header)
        put(stream, length - SECTOR, footer.pack())
        # The copy at the beginning is last: before it, the file is still the old one to a reader.
        put(stream, 0, footer.pack())
        stream.flush()
        os.fsync(stream.fileno())
    return inspect(path, os.path.basename(path))


def make_room(stream, tables, length):
    """Three sectors behind the tables; gives the new length. The first block moves to the end where it lies there."""
    needed = tables.table_end + 3 * SECTOR
    if tables.first is None:
        length = max(length, needed + SECTOR)
        stream.truncate(length)
        return length
    if tables.first >= needed:
        return length
    index = min((place, index) for index, place in enumerate(tables.places) if place != UNUSED)[1]
    bitmap_at = up(tables.end + SECTOR, ALIGNMENT) - SECTOR
    stream.seek(tables.first)
    block = stream.read(STRIDE * SECTOR)
    # What the footer's old place leaves between the blocks is nothing.
    put(stream, tables.end, b"\0" * (bitmap_at - tables.end))
    put(stream, bitmap_at, block)
    tables.places[index] = bitmap_at // SECTOR
    put(stream, tables.table_offset, packed_table(tables.places))
    length = bitmap_at + SECTOR + BLOCK + SECTOR
    stream.truncate(length)
    return length


def put(stream, offset, data):
    stream.seek(offset)
    stream.write(data)

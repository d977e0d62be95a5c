# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a chain while they come: written sparse, and looked at as soon as their tables are there."""

import errno
import io
import os

from failures import NO_SPACE, Failure, bad_image
from vhd import SECTOR, Tables, check_end

PIECE = 1 << 18
# A file may have some more than its table accounts for, as a crash can leave it.
LEFTOVER = 64 << 20
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class More(Exception):
    """The tables are not complete yet."""


def no_room(path, needed=None):
    """The failure of an SR that is full, in words."""
    free = room(path)
    wanted = "" if needed is None else " The image needs %d bytes." % needed
    return Failure(NO_SPACE, "The SR has no room for the image: %d bytes are free.%s Make room, or take another SR." % (free, wanted))


def room(path):
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


class Sparse(object):
    """A file in which long runs of zeros take no room."""

    def __init__(self, path):
        self.path = path
        self.stream = io.open(path, "w+b", buffering=0)  # noqa: SIM115 closed on exit
        self.position = 0

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.stream.close()

    def write(self, data):
        if data.strip(b"\0"):
            self.put(self.position, data)
        self.position += len(data)

    def put(self, offset, data):
        self.stream.seek(offset)
        view = memoryview(data)
        while view:
            view = view[self.stream.write(view) :]

    def finish(self):
        self.stream.truncate(self.position)
        os.fsync(self.stream.fileno())


def receive(read, path, what, size=None):
    """Writes one VHD; gives its tables when all of it is right. The size is the one announced, where one is."""
    head, tables, tried = bytearray(), None, 0
    with Sparse(path) as file:
        while True:
            data = read(PIECE)
            if not data:
                break
            file.write(data)
            if tables is None:
                head += data
                # Not at every piece: a large table would be parsed again and again.
                if len(head) >= SECTOR and len(head) >= 2 * tried:
                    tried = len(head)
                    tables = early(head, what)
                if tables is not None:
                    head = bytearray()
            if tables is not None and max(size or 0, file.position) > tables.end + LEFTOVER:
                raise bad_image("%s has more bytes than its table of blocks accounts for." % what)
        if tables is None and (early(head, what) if len(head) >= SECTOR else None) is None:
            raise bad_image("%s ends after %d bytes: it is cut off." % (what, file.position))
        file.finish()
    return inspect(path, what)


def early(head, what):
    def read(offset, count):
        if offset + count > len(head):
            raise More()
        return bytes(head[offset : offset + count])

    try:
        return Tables(read, what)
    except More:
        return None


def inspect(path, what):
    """The tables of a VHD in a file, after every check that one file allows."""
    with io.open(path, "rb") as stream:
        length = os.fstat(stream.fileno()).st_size

        def read(offset, count):
            stream.seek(offset)
            data = stream.read(count)
            if len(data) != count:
                raise bad_image("%s ends in its tables: it is cut off." % what)
            return data

        tables = Tables(read, what)
        if length % SECTOR:
            raise bad_image("%s does not consist of whole sectors: it is cut off." % what)
        tables.ended = check_end(tables, read(length - SECTOR, SECTOR), length)
    return tables

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VHDs of a disk in an SR, from the leaf to the base, held as they are now: a coalesce meanwhile changes nothing of what is read."""

import errno
import io
import os
import re

from failures import FAILED, SR, Failure
from vhd import DIFFERENCING, LOCATOR, SECTOR, Tables, check_end, no_end

MOST = 30
FILE = re.compile(r"(?:.*[/\\])?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.vhd\Z")
PIECE = 1 << 18
MAX_LOCATOR = 4096
ENCODINGS = {b"MacX": "utf-8", b"W2ru": "utf-16-le", b"W2ku": "utf-16-le"}


class Held(object):
    """One VHD: an open file, and its tables and footer as they were when it was opened."""

    def __init__(self, directory, name, staging, number):
        self.name = name
        path, what = os.path.join(directory, name + ".vhd"), "%s.vhd" % name
        link = staging.file("%d.link" % number)
        try:
            os.link(path, link)
            path = link
        except EnvironmentError as error:
            if error.errno == errno.ENOENT:
                raise Failure(FAILED, "Cannot read the disk: %s is not in the SR." % what)
            # A file system without hard links: the open file has to do.
        self.stream = io.open(path, "rb")  # noqa: SIM115 it stays open as long as this
        try:
            self.length = os.fstat(self.stream.fileno()).st_size
            self.tables = Tables(self._exactly, what)
            self.head = self._exactly(0, self.tables.table_end)
            self.tail = self._exactly(self.length - SECTOR, SECTOR)
            self.warnings = []
            if not check_end(self.tables, self.tail, self.length):
                # Nothing tells whether the last sector is of a block: the footer is sent behind it.
                self.length, self.tail = self.length + SECTOR, self.head[:SECTOR]
                self.warnings = [no_end(what)]
            self.parent = self._parent() if self.tables.footer.kind == DIFFERENCING else None
        except BaseException:
            self.stream.close()
            raise

    def _exactly(self, offset, count):
        self.stream.seek(offset)
        data = self.stream.read(count)
        if len(data) != count:
            raise Failure(FAILED, "Cannot read the disk: %s.vhd ends early." % self.name)
        return data

    def _parent(self):
        """The name of the parent's file: the ids inside need not be those of the names."""
        if self.tables.raw_parent:
            raise Failure(FAILED, "Cannot read the disk: %s.vhd is the child of a raw disk. Export it through XAPI." % self.name)
        texts = []
        for index in range(8):
            code, dummy, length, dummy, offset = LOCATOR.unpack_from(self.tables.locators, index * LOCATOR.size)
            if code in ENCODINGS and 0 < length <= MAX_LOCATOR and offset + length <= self.length:
                texts.append(self._exactly(offset, length).decode(ENCODINGS[code], "replace"))
        texts.append(self.tables.parent_name.decode("utf-16-be", "replace").partition("\0")[0])
        for text in texts:
            found = FILE.match(text)
            if found:
                return str(found.group(1))
        raise Failure(FAILED, "Cannot read the disk: %s.vhd does not tell where its parent is." % self.name)

    def pieces(self):
        yield self.head
        at, end = len(self.head), self.length - SECTOR
        while at < end:
            self.stream.seek(at)
            data = self.stream.read(min(PIECE, end - at))
            if not data:
                raise Failure(FAILED, "Cannot read the disk: %s.vhd became shorter." % self.name)
            at += len(data)
            yield data
        yield self.tail

    def close(self):
        self.stream.close()


class Family(object):
    """The chain of a VDI."""

    def __init__(self, directory, vdi, staging):
        self.members = []
        try:
            name = vdi
            while name is not None:
                if len(self.members) == MOST or name in [member.name for member in self.members]:
                    raise Failure(FAILED, "Cannot read the disk: its chain is longer than %d VHDs, or goes round in a loop." % MOST)
                self.members.append(Held(directory, name, staging, len(self.members)))
                self._related()
                name = self.members[-1].parent
        except BaseException:
            self.close()
            raise

    def _related(self):
        if len(self.members) > 1 and self.members[-2].tables.parent != self.members[-1].tables.footer.uuid:
            raise Failure(FAILED, "Cannot read the disk: %s.vhd is not the parent that %s.vhd names." % (self.members[-1].name, self.members[-2].name))

    @property
    def names(self):
        return [member.name for member in self.members]

    @property
    def warnings(self):
        return [each for member in self.members for each in member.warnings]

    def close(self):
        for member in self.members:
            member.close()


def leaf(pool, directory, vdi, sr):
    """Refuses a VDI that cannot be read as it stands."""
    ref, record = pool.record("VDI", vdi)
    if ref is None:
        raise Failure(FAILED, "The VDI %s is not in the pool." % vdi)
    if record["SR"] != pool.record("SR", sr)[0]:
        raise Failure(SR, "The VDI %s is not in the SR %s." % (vdi, sr))
    if not os.path.exists(os.path.join(directory, vdi + ".vhd")):
        raise Failure(SR, "The VDI %s is no VHD in a file. Export it through XAPI." % vdi)
    for each in record["VBDs"]:
        device = pool.call("VBD.get_record", each)
        if device["currently_attached"] and device["mode"] == "RW":
            raise Failure(FAILED, "A VM writes to the VDI %s. Upload a snapshot of it." % vdi)

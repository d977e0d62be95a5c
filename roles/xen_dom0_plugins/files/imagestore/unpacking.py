# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tarball that comes as a stream, plain or with gzip: its regular files, and nothing that a hostile one wants besides."""

import re
import zlib

from failures import bad_image

BLOCK = 512
PIECE = 1 << 18
MAX_HEADER = 64 << 10
MAX_PADDING = 64 << 20
MAX_OTHER = 1 << 20
NUMBERED = re.compile(r"(0|[1-9][0-9]?)\.vhd\Z")
# As the oldest images name them.
NAMED = {"snap.vhd": 0, "image.vhd": 1, "base.vhd": 2}
MAX_MEMBERS = 30
KINDS = {b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe", b"S": "a sparse file"}


class Buffered(object):
    """Exact reads on top of a source."""

    def __init__(self, read):
        self._read = read
        self._rest = b""
        self.position = 0

    def some(self, count):
        data = self._rest or self._read(PIECE)
        self._rest, data = data[count:], data[:count]
        self.position += len(data)
        return data

    def exactly(self, count):
        parts, left = [], count
        while left:
            data = self.some(left)
            if not data:
                raise bad_image("The image ends after %d bytes: it is cut off." % self.position)
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def skip(self, count):
        while count:
            data = self.some(min(count, PIECE))
            if not data:
                raise bad_image("The image ends after %d bytes: it is cut off." % self.position)
            count -= len(data)

    def peek(self, count):
        while len(self._rest) < count:
            data = self._read(PIECE)
            if not data:
                break
            self._rest += data
        return self._rest[:count]


class Gunzip(object):
    """Decompresses in pieces of bounded size, whatever the data claims."""

    def __init__(self, read):
        self._read = read
        self._make()
        self._input = b""
        self._over = False

    def _make(self):
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._begun = False

    def read(self, count):
        while not self._over:
            if not self._input:
                self._input = self._read(PIECE)
                if not self._input:
                    self._over = True
                    if self._begun and not self._ended():
                        raise bad_image("The gzip data of the image is cut off.")
                    return b""
            try:
                data = self._stream.decompress(self._input, count)
            except zlib.error:
                raise bad_image("The gzip data of the image is broken.")
            self._begun = True
            self._input = self._stream.unconsumed_tail
            if self._stream.unused_data:
                self._input = self._stream.unused_data.lstrip(b"\0")
                self._make()
            if data:
                return data
        return b""

    def _ended(self):
        """Python 2 tells the end of a stream only by what follows it."""
        try:
            probe = self._stream.copy()
            probe.decompress(b"\0")
        except zlib.error:
            return False
        return bool(probe.unused_data)


def plain(read):
    """The tarball itself, decompressed where it is compressed."""
    stream = Buffered(read)
    head = stream.peek(6)
    if head[:2] == b"\x1f\x8b":
        return Buffered(Gunzip(stream.some).read)
    if head[:3] == b"BZh" or head == b"\xfd7zXZ\0" or head[:4] == b"\x28\xb5\x2f\xfd":
        raise bad_image("The tarball is compressed otherwise than by gzip. Compress it by gzip, or import it through XAPI.")
    return stream


class Tarball(object):
    """Iterates over the VHDs of a chain: number and size; the content of each is read by some() before the next."""

    def __init__(self, read):
        self.stream = plain(read)
        self._left = self._padding = 0
        self._seen = set()
        self._alone = False

    def __iter__(self):
        for name, size in self._files():
            number = self._number(name, size)
            if number is not None:
                self._seen.add(number)
                yield number, size

    def some(self, count):
        if not self._left:
            return b""
        data = self.stream.some(min(count, self._left))
        if not data:
            raise bad_image("The tarball ends in the middle of an entry, after %d bytes: it is cut off." % self.stream.position)
        self._left -= len(data)
        return data

    def _number(self, name, size):
        """Which of the chain an entry is; None for what is left out."""
        numbered = NUMBERED.match(name)
        number = int(numbered.group(1)) if numbered else NAMED.get(name)
        if number is None and name.endswith(".vhd") and "/" not in name and name != "swap.vhd":
            if self._seen or self._alone:
                raise bad_image("The tarball holds several VHDs, and not all are named 0.vhd, 1.vhd and so on.")
            # Alone, a VHD of any name is the disk.
            self._alone, number = True, 0
        elif number is not None and self._alone:
            raise bad_image("The tarball holds several VHDs, and not all are named 0.vhd, 1.vhd and so on.")
        if number is None:
            if size > MAX_OTHER and name != "swap.vhd":
                raise bad_image("The tarball holds %d bytes that are no VHD of a chain." % size)
            return None
        if number in self._seen:
            raise bad_image("The tarball holds %d.vhd twice." % number)
        if number >= MAX_MEMBERS:
            raise bad_image("The chain of the tarball is longer than %d VHDs." % MAX_MEMBERS)
        return number

    def _files(self):
        path, length = None, None
        while True:
            self.stream.skip(self._left + self._padding)
            self._left = self._padding = 0
            header = self.stream.exactly(BLOCK)
            if not header.strip(b"\0"):
                self._end()
                return
            if digits(header[148:156]) != sum(bytearray(header)) - sum(bytearray(header[148:156])) + 8 * 32:
                raise bad_image("A header of the tarball has a wrong checksum, or the image is no tarball.")
            size, kind = digits(header[124:136]), header[156:157]
            if kind in (b"L", b"x", b"g"):
                found = self._extension(kind, size)
                path, length = found.get("path", path), found.get("size", length)
                continue
            name = path if path is not None else field_name(header)
            size = size if length is None else length
            path, length = None, None
            if kind in KINDS:
                raise bad_image("The tarball's entry %s is %s, which is not followed." % (shown(name), KINDS[kind]))
            if kind not in (b"0", b"\0", b"7", b"5"):
                raise bad_image("The tarball's entry %s is of an unknown type." % shown(name))
            name = inside(name)
            if kind == b"5":
                continue
            self._left, self._padding = size, -size % BLOCK
            yield name, size

    def _end(self):
        """What follows is padding; to read it lets the decompressor see its end."""
        read = 0
        while True:
            data = self.stream.some(PIECE)
            if not data:
                return
            read += len(data)
            if read > MAX_PADDING or data.strip(b"\0"):
                raise bad_image("The tarball ends, and something else follows it.")

    def _extension(self, kind, size):
        """What a header of its own says of the next entry: its path and its size."""
        if size > MAX_HEADER:
            raise bad_image("A header of the tarball has %d bytes; %d is the most that is read." % (size, MAX_HEADER))
        data = self.stream.exactly(size)
        self.stream.skip(-size % BLOCK)
        if kind == b"L":
            return {"path": data.partition(b"\0")[0]}
        found = {}
        while data:
            length = data.partition(b" ")[0]
            if not length.isdigit() or len(length) > 6 or not len(length) + 2 < int(length) <= len(data):
                raise bad_image("An extended header of the tarball is damaged.")
            key, dummy, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
            data = data[int(length) :]
            if key.startswith(b"GNU.sparse"):
                raise bad_image("The tarball holds a sparse file, which is not followed.")
            if key == b"path":
                found["path"] = value
            elif key == b"size":
                if not value.isdigit() or len(value) > 18:
                    raise bad_image("An extended header of the tarball holds no number where one must be.")
                found["size"] = int(value)
        return {} if kind == b"g" else found


def digits(field):
    if field[:1] == b"\x80":
        number = 0
        for each in bytearray(field[1:]):
            number = number << 8 | each
        if number >> 62:
            raise bad_image("A header of the tarball gives a size that no file has.")
        return number
    text = field.strip(b" \0") or b"0"
    if text.strip(b"01234567"):
        raise bad_image("A header of the tarball holds no number where one must be.")
    return int(text, 8)


def field_name(header):
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def inside(name):
    """The name without what means nothing; refused where it leads out."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if name.startswith(b"/") or b".." in parts or b"\0" in name:
        raise bad_image("The tarball's entry %s is outside of the tarball's own directory, which is not followed." % shown(name))
    return b"/".join(parts).decode("utf-8", "replace")


def shown(name):
    text = name.decode("ascii", "replace") if isinstance(name, bytes) else name
    return "'%s'" % "".join(each if " " <= each <= "~" else "?" for each in text[:80])

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A raw disk as a dynamic VHD, written while it comes: blocks of zeros are left out."""

from failures import bad_image
from members import Sparse
from vhd import ALIGNMENT, BLOCK, MAX_SIZE, NO_PARENT, SECTOR, TABLE, UNUSED, Footer, identity, packed_batmap, packed_header, packed_table, rounded, up

PIECE = 1 << 18
ZEROS = b"\0" * BLOCK


def write(read, path, size, virtual_size, uuid):
    """All of a disk of that size; gives the virtual size."""
    wanted = rounded(max(size, virtual_size or 0))
    if wanted > MAX_SIZE:
        raise bad_image("The disk of %d bytes is larger than the 2040 GiB that a VHD of Xen holds." % size)
    places = [UNUSED] * (wanted // BLOCK)
    batmap = TABLE + len(packed_table(places))
    end = batmap + len(packed_batmap(batmap, places, True))
    with Sparse(path) as file:
        for index in range(-(-size // BLOCK)):
            data = block(read, min(BLOCK, size - index * BLOCK))
            if data == ZEROS[: len(data)]:
                continue
            start = up(end + SECTOR, ALIGNMENT)
            places[index] = start // SECTOR - 1
            file.put(start - SECTOR, b"\xff" * SECTOR)
            for part in range(0, len(data), PIECE):
                piece = data[part : part + PIECE]
                if piece.strip(b"\0"):
                    file.put(start + part, piece)
            end = start + BLOCK
        footer = Footer(wanted, 3, identity(uuid)).pack()
        header = packed_header(len(places), NO_PARENT, 0, b"", b"")
        file.put(0, footer + header + packed_table(places) + packed_batmap(batmap, places, True))
        file.put(end, footer)
        file.position = end + SECTOR
        file.finish()
    return wanted


def block(read, count):
    parts = []
    while count:
        data = read(min(count, PIECE))
        if not data:
            raise bad_image("The image ends %d bytes before the end of a block: it is cut off." % count)
        parts.append(data)
        count -= len(data)
    return b"".join(parts)

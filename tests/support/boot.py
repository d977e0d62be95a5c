# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that boots: it reads a sector far inside itself and writes it to the serial port. And a machine to boot it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

MIB = 1 << 20
ORIGIN, BUFFER = 0x7C00, 0x8000
# Where the text stands: beyond the second block of a VHD.
PLACE = 5 * MIB + 512

# 16-bit code, as BIOS starts it with the drive in DL.
CODE = b"".join(
    [
        b"\xfa",  # cli
        b"\x31\xc0",  # xor ax, ax
        b"\x8e\xd8",  # mov ds, ax
        b"\xfc",  # cld
        b"\xbe" + struct.pack("<H", ORIGIN + 48),  # mov si, packet
        b"\xb4\x42",  # mov ah, 42h
        b"\xcd\x13",  # int 13h: extended read
        b"\x72\x11",  # jc end
        b"\xbe" + struct.pack("<H", BUFFER),  # mov si, buffer
        b"\xac",  # next: lodsb
        b"\x84\xc0",  # test al, al
        b"\x74\x06",  # jz done
        b"\xba\xf8\x03",  # mov dx, 3f8h: COM1
        b"\xee",  # out dx, al
        b"\xeb\xf5",  # jmp next
        b"\x90" * 3,
        b"\xb0\xfe",  # end: mov al, feh
        b"\xe6\x64",  # out 64h, al: reset
        b"\xf4",  # hlt
        b"\xeb\xfd",  # jmp hlt
    ]
)
# What to read: one sector, to 0:8000h.
PACKET = struct.pack("<BBHHHQ", 16, 0, 1, BUFFER, 0, PLACE // 512)


def write_boot_disk(path: Path, marker: str, size: int = 8 * MIB) -> Path:
    """A raw disk whose boot sector prints what stands at PLACE."""
    assert len(CODE) <= 48
    with path.open("wb") as stream:
        stream.truncate(size)
        stream.write((CODE.ljust(48, b"\0") + PACKET).ljust(510, b"\0") + b"\x55\xaa")
        stream.seek(PLACE)
        stream.write(marker.encode() + b"\r\n\0")
    return path


def boot(disk: Path, kind: str = "vpc") -> str:
    """What a machine with this disk writes to its serial port until it resets; the disk is not written to."""
    program = shutil.which("qemu-system-x86_64")
    assert program, "qemu-system-x86_64 is missing: install the package qemu-system-x86"
    machine = [program, "-machine", "pc,accel=tcg", "-m", "32", "-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot"]
    drive = f"file={disk},format={kind},if=ide,snapshot=on"
    done = subprocess.run([*machine, "-drive", drive], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout

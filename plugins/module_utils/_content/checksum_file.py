# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Checksum files as mirrors publish them: SHA256SUMS of coreutils, BSD style, or a digest alone. No I/O."""

from __future__ import annotations

import re

# Longer than the list of any mirror that is known; a disk image in its place is not read to its end.
MAX_BYTES = 1024 * 1024
DIGEST_LENGTHS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}

_REFERENCE = re.compile(r"([A-Za-z0-9]+):((?:https?|file)://.+)", re.IGNORECASE | re.DOTALL)
_GNU = re.compile(r"(\\?)([0-9A-Fa-f]{32,128}) [ *](.+)")
_BSD = re.compile(r"(\\?)([A-Za-z0-9-]+) ?\((.+)\) ?= ?([0-9A-Fa-f]{32,128})")
_BARE = re.compile(r"[0-9A-Fa-f]{32,128}")
_ESCAPE = re.compile(r"\\([\\nr])")


class NoDigest(Exception):
    """Why a checksum file does not tell the digest of a file."""


def reference(checksum: str) -> tuple[str, str] | None:
    """Algorithm and address where ``checksum`` names a checksum file, as ansible.builtin.get_url writes it."""
    found = _REFERENCE.fullmatch(checksum.strip())
    return (found[1].lower(), found[2]) if found is not None and found[1].lower() in DIGEST_LENGTHS else None


def digest_of(name: str | None, algorithm: str, data: bytes) -> str:
    """The digest that a checksum file gives for a file name, in lower case.

    ``name`` is None where the content has no name of its own; a digest alone in the file serves then as well.
    """
    if len(data) > MAX_BYTES:
        raise NoDigest(f"it is larger than {MAX_BYTES // 1024} KiB, as no checksum file is")
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|\?xml)", data, re.IGNORECASE):
        raise NoDigest("it is a web page, not a checksum file")
    # Names may be in any encoding; those that are not UTF-8 are equal to none.
    text = data.decode("utf-8-sig", "replace")
    length = DIGEST_LENGTHS[algorithm]
    if not text.strip():
        raise NoDigest("it is empty")
    alone = text.strip()
    if _BARE.fullmatch(alone):
        if len(alone) != length:
            raise NoDigest(f"it holds a digest of {len(alone)} digits, and {algorithm} has {length}")
        return alone.lower()
    if name is None:
        raise NoDigest("it lists files by name, and the content has no file name")
    exact, below, others = set(), set(), 0
    for line in text.split("\n"):
        entry = _entry(line.rstrip("\r"), algorithm)
        if entry is None:
            continue
        path, digest = entry
        if path.rpartition("/")[2] != name:
            continue
        if len(digest) != length:
            others += 1
        elif path in (name, f"./{name}"):
            exact.add(digest)
        else:
            below.add(digest)
    found = exact or below
    if len(found) > 1:
        raise NoDigest(f"it has several lines for '{name}' with different digests")
    if not found:
        raise NoDigest(f"its line for '{name}' holds no {algorithm} digest" if others else f"it has no line for '{name}'")
    return found.pop()


def _entry(line: str, algorithm: str) -> tuple[str, str] | None:
    """Name and digest of a line; None for comments, signatures and digests that are marked as another algorithm's."""
    gnu = _GNU.fullmatch(line)
    if gnu is not None:
        return _unescaped(gnu[3], gnu[1]), gnu[2].lower()
    bsd = _BSD.fullmatch(line)
    if bsd is not None and bsd[2].lower().replace("-", "") == algorithm:
        return _unescaped(bsd[3], bsd[1]), bsd[4].lower()
    return None


def _unescaped(name: str, mark: str) -> str:
    """coreutils begins a line with a backslash where the name has escapes."""
    return _ESCAPE.sub(lambda found: {"\\": "\\", "n": "\n", "r": "\r"}[found[1]], name) if mark else name

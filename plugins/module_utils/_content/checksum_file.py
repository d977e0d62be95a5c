# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Checksum files as mirrors publish them: lists of coreutils, BSD, OpenSSL and by hand, signed or not, or a digest alone. No I/O."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from os.path import commonprefix
from typing import NamedTuple

from .._core.errors import quoted

# Longer than the list of any mirror that is known; a disk image in its place is not read to its end.
MAX_BYTES = 1024 * 1024
MAX_NAMES_SHOWN = 8
DIGEST_LENGTHS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}

_REFERENCE = re.compile(r"([A-Za-z0-9]+):((?:https?|file)://.+)", re.IGNORECASE | re.DOTALL)
_HEX = "[0-9A-Fa-f]{32,128}"
_GNU = re.compile(rf"(\\?)({_HEX})([ \t].+)")
_BSD = re.compile(rf"(\\?)([A-Za-z0-9-]{{1,16}})[ \t]*\((.+)\)[ \t]*=[ \t]*({_HEX})[ \t]*")
_COLON = re.compile(rf"(.+):[ \t]*({_HEX})[ \t]*")
_BARE = re.compile(rf"({_HEX})[ \t]*")
_ESCAPE = re.compile(r"\\([\\nr])")
# What coreutils and OpenSSL call data without a name.
_STANDARD_INPUT = frozenset({"-", "stdin"})
# What begins and ends the parts of a signed file (RFC 9580, 6.2 and 7), in which lines that begin with a dash get another one.
_SIGNED, _SIGNATURE, _END = (f"-----{mark}-----" for mark in ("BEGIN PGP SIGNED MESSAGE", "BEGIN PGP SIGNATURE", "END PGP SIGNATURE"))


class NoDigest(Exception):
    """Why a checksum file does not tell the digest of a file; ``by_name`` says that another name may find it."""

    def __init__(self, cause: str, by_name: bool = False) -> None:
        super().__init__(cause)
        self.by_name = by_name


class _Entry(NamedTuple):
    """A digest, and the names that its line may mean, the exact one first; none for a digest alone."""

    digest: str
    names: tuple[str, ...] = ()
    # Whether the line says that it is of another algorithm.
    other: bool = False


def reference(checksum: str) -> tuple[str, str] | None:
    """Algorithm and address where ``checksum`` names a checksum file, as ansible.builtin.get_url writes it."""
    found = _REFERENCE.fullmatch(checksum.strip())
    return (found[1].lower(), found[2]) if found is not None and found[1].lower() in DIGEST_LENGTHS else None


def digest_of(name: str | None, algorithm: str, data: bytes) -> str:
    """The digest that a checksum file gives for a file name or the end of a path, in lower case.

    ``name`` is None where the content has no name of its own; a digest alone in the file serves then as well.
    """
    if len(data) > MAX_BYTES:
        raise NoDigest(f"it is larger than {MAX_BYTES // 1024} KiB, as no checksum file is")
    text = _decoded(data)
    if re.match(r"\s*<(!doctype|html|\?xml)", text, re.IGNORECASE):
        raise NoDigest("it is a web page, not a checksum file")
    if not text.strip():
        raise NoDigest("it is empty")
    entries = [entry for line in _lines(text) if (entry := _entry(line, algorithm)) is not None]
    if entries and all(_STANDARD_INPUT.issuperset(entry.names) for entry in entries):
        return _alone(entries, algorithm)
    if name is None:
        raise NoDigest(f"the content has no file name, and {_listed('', entries)}", by_name=True)
    return _named(name, entries, algorithm)


def _alone(entries: list[_Entry], algorithm: str) -> str:
    """The one digest of a file without names."""
    found = {entry.digest for entry in entries}
    if len(found) > 1:
        raise NoDigest(f"it holds {len(found)} digests and no file name")
    (digest,) = found
    if len(digest) != DIGEST_LENGTHS[algorithm]:
        raise NoDigest(f"it holds a digest of {len(digest)} digits, and {algorithm} has {DIGEST_LENGTHS[algorithm]}")
    if any(entry.other for entry in entries):
        raise NoDigest(f"it holds a digest of another algorithm than {algorithm}")
    return digest


def _named(name: str, entries: list[_Entry], algorithm: str) -> str:
    """The digest of the lines with this name; lines with the path itself go before those of files in directories."""
    wanted = _relative(name)
    exact: set[str] = set()
    below: set[str] = set()
    others = False
    for entry in entries:
        paths = [_relative(path) for path in entry.names]
        if not any(path == wanted or path.endswith(f"/{wanted}") for path in paths):
            continue
        if entry.other or len(entry.digest) != DIGEST_LENGTHS[algorithm]:
            others = True
        else:
            (exact if wanted in paths else below).add(entry.digest)
    found = exact or below
    if len(found) > 1:
        raise NoDigest(f"it has several lines for {quoted(name)} with different digests")
    if others and not found:
        raise NoDigest(f"its line for {quoted(name)} holds no {algorithm} digest")
    if not found:
        raise NoDigest(f"it has no line for {quoted(name)}, and {_listed(wanted, entries)}", by_name=True)
    return found.pop()


def _listed(name: str, entries: list[_Entry]) -> str:
    """The names that the list has, those that begin like the name first."""
    names = list(dict.fromkeys(entry.names[-1] for entry in entries if entry.names))
    if not names:
        return "it lists no file"
    names.sort(key=lambda each: -len(commonprefix([each.rpartition("/")[2], name.rpartition("/")[2]])))
    more = len(names) - MAX_NAMES_SHOWN
    return f"it lists {', '.join(map(quoted, names[:MAX_NAMES_SHOWN]))}" + (f" and {more} more" if more > 0 else "")


def _decoded(data: bytes) -> str:
    """Names may be in any encoding; those that cannot be read are equal to none."""
    wide = any(data.startswith(mark) for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig", "replace")


def _lines(text: str) -> Iterator[str]:
    """Lines of the list: of a signed file those that the signature is for, and no comments."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    outside = "unsigned" if _SIGNED in map(str.rstrip, lines) else "list"
    marks = {_SIGNED: "head", _SIGNATURE: "signature", _END: outside}
    part = outside
    for line in lines:
        mark = line.rstrip()
        if mark in marks:
            part = marks[mark]
        elif part == "head":
            part = "head" if mark else "signed"
        elif part in ("list", "signed") and not line.lstrip(" \t").startswith("#"):
            yield line[2:] if part == "signed" and line.startswith("- ") else line


def _entry(line: str, algorithm: str) -> _Entry | None:
    """What a line says; None for those that hold no digest."""
    line = line.lstrip(" \t")
    bare = _BARE.fullmatch(line)
    if bare is not None:
        return _Entry(bare[1].lower())
    gnu = _GNU.fullmatch(line)
    if gnu is not None:
        return _Entry(gnu[2].lower(), _gnu_names(gnu[3], gnu[1]))
    bsd = _BSD.fullmatch(line)
    if bsd is not None:
        # OpenSSL writes SHA2-256 where others write SHA256 or SHA-256.
        named = re.sub(r"^sha2(?=\d{3})", "sha", bsd[2].lower().replace("-", ""))
        return _Entry(bsd[4].lower(), (_unescaped(bsd[3], bsd[1]),), named != algorithm)
    colon = _COLON.fullmatch(line)
    return None if colon is None else _Entry(colon[2].lower(), (colon[1].rstrip(" \t"),))


def _gnu_names(rest: str, mark: str) -> tuple[str, ...]:
    """What coreutils reads behind the digest, two characters of which tell text or binary, and what others mean who align their columns."""
    exact, aligned = rest[2:] if rest[:2] in ("  ", " *") else "", rest.strip(" \t")
    names = (exact, aligned[1:] if aligned.startswith("*") else aligned)
    return tuple(dict.fromkeys(_unescaped(each, mark) for each in names if each))


def _relative(path: str) -> str:
    return path[2:] if path.startswith("./") else path


def _unescaped(name: str, mark: str) -> str:
    """coreutils begins a line with a backslash where the name has escapes."""
    return _ESCAPE.sub(lambda found: {"\\": "\\", "n": "\n", "r": "\r"}[found[1]], name) if mark else name

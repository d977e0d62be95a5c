# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Digests of content: of bytes that pass, of disks, and of local files, remembered while the file stays what it was."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from .._disk.extents import PIECE, Block

try:
    import sqlite3
except ImportError:
    # A Python that was built without it has no cache.
    sqlite3 = None  # type: ignore[assignment]

BLOCK_SIZE = 1024 * 1024
_ZEROS = bytes(PIECE)
# A file changed this shortly before it was read may change again within the clock's resolution.
SETTLED_AFTER_NS = 2_000_000_000
MAX_ENTRIES = 20_000
LOCK_SECONDS = 5.0


class Hashes:
    """Hashes of one content under several algorithms, none of them for security."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._hashes: dict[str, Any] = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}

    def update(self, block: bytes | memoryview) -> None:
        for digest in self._hashes.values():
            digest.update(block)

    def hexdigests(self) -> dict[str, str]:
        return {name: digest.hexdigest() for name, digest in self._hashes.items()}


@contextlib.contextmanager
def hashing_thread() -> Iterator[ThreadPoolExecutor]:
    """A thread that hashes one block while the next one is on its way; it ends by itself.

    Nothing waits for its end: the garbage collector may close an abandoned generator in that very thread, where to wait would be to wait for ever.
    """
    executor = ThreadPoolExecutor(max_workers=1)
    try:
        yield executor
    finally:
        executor.shutdown(wait=False)


def digests_of(blocks: Iterable[bytes], algorithms: Iterable[str]) -> dict[str, str]:
    """Hex digests of all blocks."""
    hashes = Hashes(algorithms)
    for block in blocks:
        hashes.update(block)
    return hashes.hexdigests()


class DiskDigest:
    """SHA-256 of the disk's size, and of each 2 MiB that are not zeros with their number before them, in ascending order.

    It is the same in each format, and costs nothing for what was never written. It is for files that can be read at any place: a digest of the file
    itself would have to read its holes as well.
    """

    def __init__(self, virtual_size: int) -> None:
        self._hash = hashlib.sha256(virtual_size.to_bytes(8, "little"))
        self._at = -1

    def passing(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """What whole_pages() gives for a disk whose blocks ascend; each is hashed while it is on its way and the next one is read."""
        hashed = None
        with hashing_thread() as hasher:
            for block in blocks:
                if hashed is not None:
                    hashed.result()
                hashed = hasher.submit(self.add, *block)
                yield block
            if hashed is not None:
                hashed.result()

    def add(self, offset: int, data: bytes) -> None:
        number = offset // PIECE
        if self._at < 0 or self._at // PIECE != number or self._at % PIECE == 0:
            self._fill()
            self._hash.update(number.to_bytes(8, "little"))
            self._at = number * PIECE
        self._hash.update(_ZEROS[: offset - self._at])
        self._hash.update(data)
        self._at = offset + len(data)

    def hexdigest(self) -> str:
        self._fill()
        return self._hash.hexdigest()

    def _fill(self) -> None:
        if self._at >= 0 and self._at % PIECE:
            self._hash.update(_ZEROS[: PIECE - self._at % PIECE])
            self._at += PIECE - self._at % PIECE


def default_cache_path() -> Path:
    """Below the user's cache directory (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "xenstack.image_services" / "digests.sqlite"


class DigestCache:
    """Digests by (path, size, mtime, inode, device). A cache that cannot be read or written costs time, never a task."""

    def __init__(self, path: Path | None = None, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._path = path or default_cache_path()
        self._now_ns = now_ns

    def digests(self, path: str, algorithms: Iterable[str]) -> dict[str, str]:
        """Hex digests of the file's content, read at most once for all that are missing."""
        wanted = list(dict.fromkeys(algorithms))
        status = os.stat(path)
        known = self._known(_key(path, status))
        missing = [name for name in wanted if name not in known]
        if missing:
            found = _hash_file(path, missing)
            known.update(found)
            self.remember(path, status, found)
        return {name: known[name] for name in wanted}

    def remember(self, path: str, status: os.stat_result, digests: dict[str, str]) -> None:
        """Keep digests that were computed from a file of this status, unless it changed just now or since."""
        if sqlite3 is None or self._now_ns() - status.st_mtime_ns < SETTLED_AFTER_NS or _key(path, os.stat(path)) != _key(path, status):
            return
        rows = [(_key(path, status), algorithm, digest) for algorithm, digest in digests.items()]
        with self._broken_is_empty(), self._open() as database:
            database.execute("CREATE TABLE IF NOT EXISTS digests (file TEXT, algorithm TEXT, digest TEXT, PRIMARY KEY (file, algorithm))")
            database.executemany("REPLACE INTO digests VALUES (?, ?, ?)", rows)
            database.execute("DELETE FROM digests WHERE rowid <= (SELECT max(rowid) FROM digests) - ?", (MAX_ENTRIES,))

    def _known(self, key: str) -> dict[str, str]:
        if sqlite3 is None:
            return {}
        with self._broken_is_empty():
            if self._path.exists():
                with self._open() as database:
                    rows = database.execute("SELECT algorithm, digest FROM digests WHERE file = ?", (key,)).fetchall()
                return {str(algorithm): str(digest) for algorithm, digest in rows}
        return {}

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """One transaction; what a crash of the machine loses of it is computed again."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self._path, timeout=LOCK_SECONDS)) as database:
            database.execute("PRAGMA synchronous = OFF")
            with database:
                yield database

    @contextlib.contextmanager
    def _broken_is_empty(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError:
            # No table yet, locked for long, read-only, or a full disk.
            pass
        except sqlite3.DatabaseError:
            with contextlib.suppress(OSError):
                self._path.unlink()
        except OSError:
            pass


def _key(path: str, status: os.stat_result) -> str:
    return f"{os.path.realpath(path)}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}|{status.st_dev}"


def _hash_file(path: str, algorithms: list[str]) -> dict[str, str]:
    hashes = Hashes(algorithms)
    buffer = bytearray(BLOCK_SIZE)
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            hashes.update(view[:count])
    return hashes.hexdigests()

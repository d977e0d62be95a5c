# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Digests of local files, remembered while the file stays what it was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

BLOCK_SIZE = 1024 * 1024
# A file changed this shortly before it was read may change again within the clock's resolution.
SETTLED_AFTER_NS = 2_000_000_000
MOST_ENTRIES = 512


def default_cache_path() -> Path:
    """Below the user's cache directory (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "xenstack.image_services" / "digests.json"


class DigestCache:
    """Digests by (path, size, mtime, inode, device). A cache that cannot be read or written costs time, never a task."""

    def __init__(self, path: Path | None = None, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._path = path or default_cache_path()
        self._now_ns = now_ns

    def digests(self, path: str, algorithms: Iterable[str]) -> dict[str, str]:
        """Hex digests of the file's content, read at most once for all that are missing."""
        wanted = list(dict.fromkeys(algorithms))
        status = os.stat(path)
        key = _key(path, status)
        known = self._load().get(key, {})
        missing = [name for name in wanted if name not in known]
        if missing:
            known = {**known, **_hash_file(path, missing)}
            self.remember(path, status, known)
        return {name: known[name] for name in wanted}

    def remember(self, path: str, status: os.stat_result, digests: dict[str, str]) -> None:
        """Keep digests that were computed from a file of this status, unless it changed just now or since."""
        if self._now_ns() - status.st_mtime_ns < SETTLED_AFTER_NS or _key(path, os.stat(path)) != _key(path, status):
            return
        entries = self._load()
        key = _key(path, status)
        entries[key] = {**entries.pop(key, {}), **digests}
        self._store(dict(list(entries.items())[-MOST_ENTRIES:]))

    def _load(self) -> dict[str, dict[str, str]]:
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(entries, dict):
            return {}
        return {key: value for key, value in entries.items() if isinstance(value, dict) and all(isinstance(text, str) for text in value.values())}

    def _store(self, entries: dict[str, dict[str, str]]) -> None:
        temporary = None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False, encoding="utf-8") as stream:
                temporary = stream.name
                json.dump(entries, stream)
            os.replace(temporary, self._path)
        except OSError:
            if temporary is not None:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)


def _key(path: str, status: os.stat_result) -> str:
    return f"{os.path.realpath(path)}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}|{status.st_dev}"


def _hash_file(path: str, algorithms: list[str]) -> dict[str, str]:
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    buffer = bytearray(BLOCK_SIZE)
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            for digest in hashes.values():
                digest.update(view[:count])
    return {name: digest.hexdigest() for name, digest in hashes.items()}

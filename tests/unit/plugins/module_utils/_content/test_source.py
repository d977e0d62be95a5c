# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and http addresses as sources, the digest cache, and bodies that can be sent twice."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import cast

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._content import digest
from ansible_collections.xenstack.image_services.plugins.module_utils._content.body import SizedHashingSource, upload_body
from ansible_collections.xenstack.image_services.plugins.module_utils._content.digest import DigestCache
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import FileSource, HttpSource
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.formats import HEAD_SIZE
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock
from ansible_collections.xenstack.image_services.tests.support.mirror import span

CONTENT = os.urandom(3 * 1024 * 1024 + 7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "disk.raw"
    made.write_bytes(CONTENT)
    settled = time.time() - 60
    os.utime(made, (settled, settled))
    return made


def cached(tmp_path: Path) -> DigestCache:
    return DigestCache(tmp_path / "cache" / "digests.sqlite")


def test_a_body_that_is_abandoned_may_be_closed_by_its_own_thread(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the garbage collector does wherever it happens to run; a thread that waits for itself never ends."""
    given, closed = Event(), Event()

    def close(self: digest.Hashes, block: bytes) -> None:
        assert given.wait(10)
        body.close()
        closed.set()

    monkeypatch.setattr(digest.Hashes, "update", close)
    body = cast(Generator[bytes, None, None], iter(upload_body(FileSource(str(path), cached(tmp_path)), ["sha256"])))
    next(body)
    given.set()
    assert closed.wait(10)


def test_a_body_starts_anew_each_time_it_is_sent(path: Path, tmp_path: Path) -> None:
    body = upload_body(FileSource(str(path), cached(tmp_path)), ["sha512", "md5"])
    assert isinstance(body, SizedHashingSource)
    assert len(body) == len(CONTENT)
    half = iter(body)
    next(half)
    assert b"".join(body) == CONTENT
    assert body.sent == len(CONTENT)
    assert body.digests_passed == {name: hashlib.new(name, CONTENT).hexdigest() for name in ("sha512", "md5")}
    assert b"".join(body) == CONTENT


def test_a_file_that_changes_while_it_is_sent_is_not_taken_for_whole(path: Path, tmp_path: Path) -> None:
    body = upload_body(FileSource(str(path), cached(tmp_path)), ["sha512"])
    blocks = iter(body)
    next(blocks)
    with path.open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(ImageServicesError, match="it changed while it was read"):
        list(blocks)
    assert body.failure is not None
    assert body.digests_passed == {}


@pytest.mark.parametrize(
    ("make", "cause"), [("missing", "No such file"), ("directory", "a directory"), ("empty", "it is empty"), ("pipe", "not a regular file")]
)
def test_what_is_no_image_file_is_refused(tmp_path: Path, make: str, cause: str) -> None:
    target = tmp_path / "source"
    if make == "directory":
        target.mkdir()
    elif make == "empty":
        target.touch()
    elif make == "pipe":
        os.mkfifo(target)
    with pytest.raises(ImageServicesError, match=rf"Cannot read file '{target}': .*{cause}"):
        FileSource(str(target))


def test_digests_are_computed_once_while_the_file_stays(path: Path, tmp_path: Path) -> None:
    cache = cached(tmp_path)
    right = hashlib.sha256(CONTENT).hexdigest()
    assert cache.digests(str(path), ["sha256"]) == {"sha256": right}
    status = path.stat()
    path.write_bytes(b"x" * len(CONTENT))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert cache.digests(str(path), ["sha256"]) == {"sha256": right}, "same path, size, mtime and inode"
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert cache.digests(str(path), ["sha256"]) == {"sha256": hashlib.sha256(b"x" * len(CONTENT)).hexdigest()}


def test_a_file_that_was_written_just_now_is_not_remembered(path: Path, tmp_path: Path) -> None:
    os.utime(path)
    cache = cached(tmp_path)
    cache.digests(str(path), ["sha256"])
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("garbage", [b"", b"{", b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_broken_cache_costs_time_only(path: Path, tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "digests.sqlite").write_bytes(garbage)
    assert cached(tmp_path).digests(str(path), ["md5"]) == {"md5": hashlib.md5(CONTENT).hexdigest()}


def test_many_threads_share_a_cache(tmp_path: Path) -> None:
    paths = [tmp_path / str(index) for index in range(40)]
    for path in paths:
        path.write_bytes(path.name.encode())
        os.utime(path, (0, 0))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda path: cached(tmp_path).digests(str(path), ["sha256"]), paths))
    for path in paths:
        path.write_bytes(b"x" * path.stat().st_size)
        os.utime(path, (0, 0))
    assert [cached(tmp_path).digests(str(path), ["sha256"])["sha256"] for path in paths] == [
        hashlib.sha256(path.name.encode()).hexdigest() for path in paths
    ], "all of them are remembered"


def test_a_broken_cache_is_replaced(path: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "digests.sqlite").write_bytes(b"no database" * 1000)
    for _run in range(2):
        cached(tmp_path).digests(str(path), ["sha256"])
    path.write_bytes(b"x" * len(CONTENT))
    os.utime(path, (0, 0))
    cached(tmp_path).digests(str(path), ["md5"])
    assert (tmp_path / "cache" / "digests.sqlite").read_bytes().startswith(b"SQLite format 3")


def test_a_cache_that_cannot_be_written_costs_time_only(path: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the directory should be", encoding="utf-8")
    assert cached(tmp_path).digests(str(path), ["md5"]) == {"md5": hashlib.md5(CONTENT).hexdigest()}


class ImageServer(BaseHTTPRequestHandler):
    """Serves CONTENT; `/broken` closes each answer after a third of what is left, down to the last 300 kB, `/dumb` does so without knowing ranges."""

    validator = '"v1"'

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        ranged = self.headers.get("Range") if self.path != "/dumb" else None
        start, end = span(ranged, len(CONTENT))
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(end - start))
        if ranged:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(CONTENT)}")
        if self.path != "/plain":
            self.send_header("ETag", self.validator)
        self.end_headers()
        rest = CONTENT[start:end]
        if self.path in ("/broken", "/dumb") and len(rest) > 300_000:
            rest = rest[: len(rest) // 3]
        try:
            self.wfile.write(rest)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Tests need no access log."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), ImageServer)
    thread = Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


def test_an_address_is_read_with_its_size_and_mark(server: str) -> None:
    source = HttpSource(server + "/image", JumpingClock())
    assert source.size == len(CONTENT)
    assert source.fingerprint is not None
    assert source.head() == CONTENT[:HEAD_SIZE]
    assert b"".join(source.blocks()) == CONTENT
    assert HttpSource(server + "/plain", JumpingClock()).fingerprint is None


def test_a_broken_transfer_goes_on_where_it_stopped(server: str) -> None:
    source = HttpSource(server + "/broken", JumpingClock())
    assert b"".join(source.blocks()) == CONTENT


def test_a_server_without_ranges_is_not_trusted_in_the_middle(server: str) -> None:
    with pytest.raises(ImageServicesError, match="cannot continue in the middle"):
        list(HttpSource(server + "/dumb", JumpingClock()).blocks())


def test_an_address_that_does_not_answer_is_named(server: str) -> None:
    with pytest.raises(ImageServicesError, match=rf"Cannot read uri '{server}/missing': the server answered 404"):
        HttpSource(server + "/missing").head()
    with pytest.raises(ImageServicesError, match="nothing listens at 127.0.0.1:9"):
        HttpSource("http://127.0.0.1:9/image").head()
    with pytest.raises(ImageServicesError, match="it is not a valid address"):
        HttpSource("gopher://127.0.0.1/image").head()


def test_a_python_without_sqlite_has_no_cache(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "sqlite3", None)
    expected = {"md5": hashlib.md5(CONTENT).hexdigest()}
    assert [cached(tmp_path).digests(str(path), ["md5"]) for _time in range(2)] == [expected, expected]
    assert not (tmp_path / "cache").exists()

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksum files in the spellings of coreutils and BSD, and everything that is none."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._content.checksum_fetch import ChecksumFiles
from ansible_collections.xenstack.image_services.plugins.module_utils._content.checksum_file import DIGEST_LENGTHS, MAX_BYTES, NoDigest, digest_of, reference
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from hypothesis import given
from hypothesis import strategies as st

A, B = "a" * 64, "b" * 64
ALGORITHMS = st.sampled_from(sorted(DIGEST_LENGTHS))
NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1, max_size=40)


@pytest.mark.parametrize(
    "text",
    [
        f"{A}  disk.img\n",
        f"{A} *disk.img",
        f"{A.upper()}  ./disk.img\r\n",
        f"SHA256 (disk.img) = {A}\n",
        f"SHA256(disk.img)= {A}\n",
        f"SHA-256 (disk.img) = {A}\n",
        f"{A}\n",
        f"\ufeff{A}  disk.img\n",
        f"{B}  other.img\n{A}  images/disk.img\n",
        f"{B}  old/disk.img\n{A}  disk.img\n",
        f"{A}  disk.img\n{A}  disk.img\n",
        f"SHA512 (disk.img) = {'c' * 128}\nSHA256 (disk.img) = {A}\nMD5 (disk.img) = {'d' * 32}\n",
        f"{'c' * 128}  disk.img\n{A}  disk.img\n",
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# disk.img: 512 bytes\nSHA256 (disk.img) = {A}\n-----BEGIN PGP SIGNATURE-----\n",
    ],
)
def test_the_digest_of_a_name_is_found(text: str) -> None:
    assert digest_of("disk.img", "sha256", text.encode()) == A


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "it is empty"),
        (b" \n\n", "it is empty"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"\n <html><body>404</body></html>", "it is a web page"),
        (f"{A}  other.img\n".encode(), "it has no line for 'disk.img'"),
        (f"{A}  disk.img.torrent\n".encode(), "it has no line for 'disk.img'"),
        (f"{A}  disk.img\n{B}  disk.img\n".encode(), "several lines for 'disk.img'"),
        (f"{A}  old/disk.img\n{B}  new/disk.img\n".encode(), "several lines for 'disk.img'"),
        (f"{'c' * 128}  disk.img\n".encode(), "its line for 'disk.img' holds no sha256 digest"),
        (f"SHA512 (disk.img) = {A}\n".encode(), "it has no line for 'disk.img'"),
        (b"c" * 128, "it holds a digest of 128 digits, and sha256 has 64"),
        (b"QFI\xfb" + bytes(range(256)) * 64, "it has no line for 'disk.img'"),
        (b"x" * (MAX_BYTES + 1), "it is larger than 1024 KiB"),
    ],
)
def test_what_tells_no_digest_is_named(data: bytes, cause: str) -> None:
    with pytest.raises(NoDigest, match=cause):
        digest_of("disk.img", "sha256", data)


def test_content_without_a_name_needs_a_digest_alone() -> None:
    assert digest_of(None, "sha256", A.encode()) == A
    with pytest.raises(NoDigest, match="has no file name"):
        digest_of(None, "sha256", f"{A}  disk.img".encode())


@pytest.mark.parametrize("style", [[], ["--tag"], ["--binary"]], ids=["text", "tag", "binary"])
@pytest.mark.parametrize("name", ["disk.img", "a disk (new).img", "back\\slash", "two\nlines", " leading", "ünïcode"])
def test_what_coreutils_writes_is_read(tmp_path: Path, style: list[str], name: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    (tmp_path / "decoy").write_bytes(b"another")
    written = subprocess.run(["sha256sum", *style, "decoy", name], cwd=tmp_path, check=True, capture_output=True).stdout
    assert digest_of(name, "sha256", written) == hashlib.sha256(b"content").hexdigest()


@given(ALGORITHMS, NAMES.filter(lambda name: not set("\\\r\n") & set(name)), st.binary(max_size=20), st.booleans())
def test_every_name_is_found_again(algorithm: str, name: str, content: bytes, tagged: bool) -> None:
    digest = hashlib.new(algorithm, content).hexdigest()
    line = f"{algorithm.upper()} ({name}) = {digest}" if tagged else f"{digest}  {name}"
    decoy = hashlib.new(algorithm, content + b"!").hexdigest()
    assert digest_of(name, algorithm, f"{decoy}  {name}.old\n{line}\n".encode()) == digest


@given(ALGORITHMS, NAMES, st.one_of(st.binary(max_size=400), st.text(alphabet="abc0123456789 *()=\\\n\r\tMDSHA./", max_size=400).map(str.encode)))
def test_no_bytes_break_the_reader(algorithm: str, name: str, data: bytes) -> None:
    with contextlib.suppress(NoDigest):
        assert len(digest_of(name, algorithm, data)) == DIGEST_LENGTHS[algorithm]


def test_a_reference_is_an_algorithm_and_an_address() -> None:
    assert reference("SHA256:https://mirror.example.com/SHA256SUMS") == ("sha256", "https://mirror.example.com/SHA256SUMS")
    assert reference("sha512:file:///srv/SHA512SUMS") == ("sha512", "file:///srv/SHA512SUMS")
    for text in ("", A, f"sha256:{A}", "https://mirror.example.com/SHA256SUMS", "crc32:https://mirror.example.com/x", "sha256:ftp://mirror.example.com/x"):
        assert reference(text) is None


class Mirror(BaseHTTPRequestHandler):
    """Serves lists slowly, and counts how often."""

    requests: list[str] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        time.sleep(0.1)
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        lines = "".join(f"{hashlib.sha256(str(number).encode()).hexdigest()}  disk{number}\n" for number in range(20)).encode()
        self.wfile.write(b"y" * (64 * 1024 * 1024) if self.path == "/disk" else b"<html>welcome" if self.path == "/page" else lines)

    def log_message(self, format: str, *args: object) -> None:
        """Tests need no access log."""

    def handle(self) -> None:
        """A client that has seen enough is no error."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


@pytest.fixture
def mirror() -> Iterator[str]:
    Mirror.requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_many_threads_fetch_a_file_once(mirror: str) -> None:
    files = ChecksumFiles()
    barrier = threading.Barrier(20)

    def ask(number: int) -> str:
        barrier.wait()
        return files.digest(f"{mirror}/SHA256SUMS", "sha256", f"disk{number}")

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(ask, range(20)))
    assert found == [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20)]
    assert Mirror.requests == ["/SHA256SUMS"]
    with pytest.raises(ImageServicesError, match="it has no line for 'disk20'"):
        files.digest(f"{mirror}/SHA256SUMS", "sha256", "disk20")
    assert len(Mirror.requests) == 1


def test_a_file_that_cannot_be_had_is_named_for_each_who_asks(mirror: str) -> None:
    files = ChecksumFiles()
    for _ask in range(2):
        with pytest.raises(ImageServicesError, match=rf"Cannot read checksum file '{mirror}/missing': the server answered 404 Not Found\."):
            files.digest(f"{mirror}/missing", "sha256", "disk")
    assert Mirror.requests == ["/missing"]


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("{mirror}/disk", "it is larger than 1024 KiB"),
        ("{mirror}/page", "it is a web page"),
        ("http://127.0.0.1:9/SHA256SUMS", "nothing listens at 127.0.0.1:9"),
        ("http://[::1/SHA256SUMS", "it is not a valid address"),
        ("file:///nonexistent/SHA256SUMS", "No such file or directory"),
        ("file:///", "Is a directory"),
    ],
)
def test_other_files_are_refused_with_a_sentence(mirror: str, address: str, cause: str) -> None:
    with pytest.raises(ImageServicesError, match=f"Cannot read checksum file '.*': {cause}"):
        ChecksumFiles().digest(address.format(mirror=mirror), "sha256", "disk")


def test_a_local_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "SHA256 SUMS").write_text(f"{A}  disk\n", encoding="utf-8")
    assert ChecksumFiles().digest(f"file://{tmp_path}/SHA256%20SUMS", "sha256", "disk") == A

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksum files in the spellings of coreutils and BSD, and everything that is none."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
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
# Its lines could be taken for digests.
SIGNATURE = f"-----BEGIN PGP SIGNATURE-----\nVersion: 1\n\n{'c' * 64}\n=cccc\n-----END PGP SIGNATURE-----\n"
ALGORITHMS = st.sampled_from(sorted(DIGEST_LENGTHS))
NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=("Cs",)), min_size=1, max_size=40)


def signed(text: str) -> str:
    return f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{text}{SIGNATURE}"


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
        # Blanks in other numbers than coreutils writes, and lines of other programs.
        f"{A} disk.img\n",
        f"{A}\tdisk.img\n",
        f"{A}   disk.img\n",
        f"{A}\t\tdisk.img \r\n",
        f"  {A}  disk.img\n",
        f"{A}\t*disk.img\n",
        f"{A}  *disk.img\n",
        f"{B} other.img\n{A}   images/disk.img\n",
        f"SHA2-256(disk.img)= {A}\n",
        f"SHA2-512(disk.img)= {'c' * 128}\nSHA2-256(disk.img)= {A}\n",
        f"SHA3-256(disk.img)= {B}\nSHA2-512/256(disk.img)= {B}\nSHA256(disk.img)= {A}\n",
        f"sha256\t(disk.img) =\t{A}\n",
        f"disk.img: {A}\n",
        f"other.img: {B}\nimages/disk.img:\t{A.upper()}\r\n",
        f"disk.img:{A}\n",
        # Comments.
        f"# SHA-256 of images\n\n{A}  disk.img\n",
        f"# disk.img: {B}\n  # {B}  disk.img\n{A}  disk.img\n",
        f"# of disk.img\n{A}\n",
        # Digests alone.
        f"\n  {A}  \r\n\n",
        f"{A}\n{A}\n",
        f"{A}  -\n",
        f"SHA256 (-) = {A}\n",
        f"SHA2-256(stdin)= {A}\n",
        signed(f"{A}\n"),
        # Signed files.
        signed(f"{A}  disk.img\n"),
        signed(f"{A} *disk.img\n").replace("\n", "\r\n"),
        signed(f"- --- list ---\n- {A}  disk.img\n"),
        f"{B}  disk.img\n" + signed(f"{A}  disk.img\n") + f"{B}  disk.img\n",
        f"{A}  disk.img\n{SIGNATURE}",
        f"{SIGNATURE}{A}  disk.img\n",
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
        (f"{A}  other.img\n".encode(), "it has no line for 'disk.img', and it lists 'other.img'"),
        (f"{A}  disk.img.torrent\n".encode(), "it has no line for 'disk.img', and it lists 'disk.img.torrent'"),
        (f"{A}  my-disk.img\n".encode(), "it has no line for 'disk.img', and it lists 'my-disk.img'"),
        (f"{A}  images/disk\n{B}  ./old\n".encode(), "it has no line for 'disk.img', and it lists 'images/disk', './old'"),
        (f"{A}  one\n{A}\n".encode(), "it has no line for 'disk.img', and it lists 'one'"),
        (f"# {A}  disk.img\n".encode(), "it has no line for 'disk.img', and it lists no file"),
        (f"{A}  disk.img\n{signed('# nothing' + chr(10))}".encode(), "it has no line for 'disk.img', and it lists no file"),
        (f"{A}  disk.img\n{B}  disk.img\n".encode(), "several lines for 'disk.img'"),
        (f"{A}  old/disk.img\n{B}  new/disk.img\n".encode(), "several lines for 'disk.img'"),
        (f"{'c' * 128}  disk.img\n".encode(), "its line for 'disk.img' holds no sha256 digest"),
        (f"{A} disk.img\n{B}\tdisk.img\n".encode(), "several lines for 'disk.img'"),
        (f"{A}  disk.img\n{B}   disk.img\n".encode(), "several lines for 'disk.img'"),
        (f"SHA2-256(disk.img)= {A}\ndisk.img: {B}\n".encode(), "several lines for 'disk.img'"),
        (f"SHA512 (disk.img) = {A}\n".encode(), "its line for 'disk.img' holds no sha256 digest"),
        (f"SHA3-256(disk.img)= {A}\n".encode(), "its line for 'disk.img' holds no sha256 digest"),
        (b"c" * 128, "it holds a digest of 128 digits, and sha256 has 64"),
        (f"{A}\n{B}\n".encode(), "it holds 2 digests and no file name"),
        (f"SHA3-256(stdin)= {A}\n".encode(), "it holds a digest of another algorithm than sha256"),
        (b"QFI\xfb" + bytes(range(256)) * 64, "it has no line for 'disk.img', and it lists no file"),
        (codecs.BOM_UTF16_LE + "<html>".encode("utf-16-le"), "it is a web page"),
        (codecs.BOM_UTF16_LE, "it is empty"),
        (b"x" * (MAX_BYTES + 1), "it is larger than 1024 KiB"),
    ],
)
def test_what_tells_no_digest_is_named(data: bytes, cause: str) -> None:
    with pytest.raises(NoDigest, match=cause) as excinfo:
        digest_of("disk.img", "sha256", data)
    assert excinfo.value.by_name is ("it lists" in cause)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_encodings_of_editors_and_shells_are_read(encoding: str, end: str) -> None:
    marks = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
    for text in (f"{B}  ötherdïsk.img{end}{A}  dïsk.img{end}", f"{A}{end}", signed(f"{A} *dïsk.img\n").replace("\n", end)):
        assert digest_of("dïsk.img", "sha256", marks.get(encoding, b"") + text.encode(encoding)) == A


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("disk.img", "1"),
        ("./disk.img", "1"),
        ("old/disk.img", "2"),
        ("2025/old/disk.img", "2"),
        ("new/disk.img", "3"),
        (" disk.img", "4"),
        ("a: b", "5"),
        ("d/disk.img", None),
        ("disk.im", None),
    ],
)
def test_a_name_may_be_the_end_of_a_path(name: str, found: str | None) -> None:
    listed = {"disk.img": "1", "2025/old/disk.img": "2", "./new/disk.img": "3", "x/ disk.img": "4"}
    text = "".join(f"{digit * 64}  {path}\n" for path, digit in listed.items()) + f"a: b: {'5' * 64}\n"
    if found is not None:
        assert digest_of(name, "sha256", text.encode()) == found * 64
    else:
        with pytest.raises(NoDigest, match="it lists"):
            digest_of(name, "sha256", text.encode())


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["other"], "'other'"),
        (["b", "a", "b"], "'b', 'a'"),
        (["a", "debian-12.raw", "dir/debian-13.raw"], "'dir/debian-13.raw', 'debian-12.raw', 'a'"),
        ([f"file{number}" for number in range(3000)], ", ".join(f"'file{number}'" for number in range(8)) + " and 2992 more"),
        (["x" * 5000], f"'{'x' * 80}…'"),
        (["\u202egnp.\x1b[2Jdisk\x00"], "'?gnp.?[2Jdisk?'"),
    ],
)
def test_names_of_the_list_are_shown_in_one_short_line(names: list[str], shown: str) -> None:
    with pytest.raises(NoDigest) as excinfo:
        digest_of("debian-13.qcow2", "sha256", "".join(f"{A}  {name}\n" for name in names).encode())
    assert str(excinfo.value) == f"it has no line for 'debian-13.qcow2', and it lists {shown}"


def test_content_without_a_name_needs_a_digest_alone() -> None:
    assert digest_of(None, "sha256", A.encode()) == A
    assert digest_of(None, "sha256", f"{A}  -".encode()) == A
    with pytest.raises(NoDigest, match="the content has no file name, and it lists 'disk.img'"):
        digest_of(None, "sha256", f"{A}  disk.img".encode())


@pytest.mark.parametrize("style", [[], ["--tag"], ["--binary"]], ids=["text", "tag", "binary"])
@pytest.mark.parametrize("name", ["disk.img", "a disk (new).img", "back\\slash", "two\nlines", " leading", "ünïcode"])
def test_what_coreutils_writes_is_read(tmp_path: Path, style: list[str], name: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    (tmp_path / "decoy").write_bytes(b"another")
    written = subprocess.run(["sha256sum", *style, "decoy", name], cwd=tmp_path, check=True, capture_output=True).stdout
    assert digest_of(name, "sha256", written) == hashlib.sha256(b"content").hexdigest()


LINES = {
    "coreutils": "{digest}  {name}",
    "binary": "{digest} *{name}",
    "one space": "{digest} {name}",
    "tab": "{digest}\t{name}",
    "three spaces": "{digest}   {name}",
    "BSD": "{algorithm} ({name}) = {digest}",
    "OpenSSL": "{algorithm}({name})= {digest}",
    "name first": "{name}: {digest}",
}
# Blanks around a name, and what makes a line something else, are beyond all but the lines of coreutils and BSD.
PLAIN_NAMES = NAMES.filter(lambda name: not set("\\\r\n") & set(name) and name == name.strip(" \t") and name[0] not in "#*-<" and len(name) < 32)


@given(
    algorithm=ALGORITHMS,
    name=PLAIN_NAMES,
    content=st.binary(max_size=20),
    line=st.sampled_from(sorted(LINES)),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    wrap=st.sampled_from([str, signed]),
)
def test_every_name_is_found_again(algorithm: str, name: str, content: bytes, line: str, encoding: str, wrap: Callable[[str], str]) -> None:
    digest, decoy = (hashlib.new(algorithm, data).hexdigest() for data in (content, content + b"!"))
    lines = [LINES[line].format(algorithm=algorithm.upper(), name=each[0], digest=each[1]) for each in ((f"{name}.old", decoy), (name, digest))]
    assert digest_of(name, algorithm, wrap("\n".join([*lines, ""])).encode(encoding)) == digest


@given(ALGORITHMS, NAMES.filter(lambda name: not set("\\\r\n") & set(name) and name.strip(" \t")), st.binary(max_size=20), st.booleans())
def test_every_name_that_coreutils_writes_is_found_again(algorithm: str, name: str, content: bytes, tagged: bool) -> None:
    digest = hashlib.new(algorithm, content).hexdigest()
    line = f"{algorithm.upper()} ({name}) = {digest}" if tagged else f"{digest}  {name}"
    decoy = hashlib.new(algorithm, content + b"!").hexdigest()
    assert digest_of(name, algorithm, f"{decoy}  {name}.old\n{line}\n".encode()) == digest


PIECES = st.sampled_from([A, B, "c" * 40, "SHA256", "SHA2-256", "disk.img", "./", "(", ")", "=", ":", "\\", "*", "#", "-", " ", "\t", "\n", "\r\n", signed(A)])


@given(
    ALGORITHMS,
    st.one_of(st.none(), st.just("disk.img"), NAMES),
    st.one_of(
        st.binary(max_size=400),
        st.text(alphabet="abc0123456789 *()=\\\n\r\tMDSHA./#:-", max_size=400).map(str.encode),
        st.lists(PIECES, max_size=30).map("".join).map(str.encode),
        st.lists(PIECES, max_size=30).map("".join).map(lambda text: text.encode("utf-16")),
    ),
)
def test_no_bytes_break_the_reader(algorithm: str, name: str | None, data: bytes) -> None:
    """It gives a digest that is in the file, or a reason that fits into one line of a message."""
    found, reason = "", ""
    try:
        found = digest_of(name, algorithm, data)
    except NoDigest as exc:
        reason = str(exc)
    assert bool(found) is not bool(reason)
    assert len(found) == (0 if reason else DIGEST_LENGTHS[algorithm])
    assert found.encode() in data.lower().replace(b"\0", b"")
    assert len(reason) < 1500
    assert reason.isprintable()


@pytest.mark.parametrize(
    "piece", [":", ": ", ")", ") = ", "(", "a" * 128 + ":", f"{A} ", f"{A}\t*", f"SHA256 ({A}) = ", "-", "- ", "#", "\\", f"{A}\n", "\n", f"x: {A}\n"]
)
def test_the_longest_list_of_any_piece_is_read_in_its_length(piece: str) -> None:
    """A reader that tries each beginning with each end would take hours."""
    with contextlib.suppress(NoDigest):
        digest_of("disk.img", "sha256", (piece * (MAX_BYTES // len(piece))).encode())


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

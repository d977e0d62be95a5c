# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfers that break: they are resumed only where the same bytes are certain to follow. Credentials: they stay with their server."""

from __future__ import annotations

import hashlib
import random
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._content.checksum_fetch import ChecksumFiles
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import HttpSource
from ansible_collections.xenstack.image_services.plugins.module_utils._content.web import Access, access_of, checksum_access, same_server
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock
from ansible_collections.xenstack.image_services.tests.support.disks import partitioned
from ansible_collections.xenstack.image_services.tests.support.mirror import span

SIZE = 700_000
CONTENT = partitioned(random.Random(1).randbytes(SIZE))
NOW = 1_800_000_000
STRONG, WEAK = {"ETag": '"v1"'}, {"ETag": 'W/"v1"'}
OLD = {"Last-Modified": formatdate(NOW - 3600, usegmt=True), "Date": formatdate(NOW, usegmt=True)}
FRESH = {"Last-Modified": formatdate(NOW - 5, usegmt=True), "Date": formatdate(NOW, usegmt=True)}

Answer = tuple[int, Mapping[str, str], bytes]


def resumed(start: int, end: int, **headers: str) -> Answer:
    """As a server answers well."""
    return 206, {**STRONG, "Content-Range": f"bytes {start}-{end - 1}/{SIZE}", **headers}, CONTENT[start:end]


@dataclass
class Script:
    """A server that breaks its first whole answer after half, and then answers ranges as it is told to."""

    marks: Mapping[str, str]
    resume: Callable[[int, int], Answer]
    content: bytes = CONTENT
    tail: bool = True
    seen: list[Mapping[str, str]] = field(default_factory=list)
    breaks: int = 1

    def answer(self, headers: Mapping[str, str]) -> tuple[Answer, int | None]:
        self.seen.append(headers)
        start, end = span(headers.get("Range"), len(self.content))
        if headers.get("Range", "").endswith("-"):
            return self.resume(start, end), None
        if headers.get("Range"):
            return (206, {**self.marks, "Content-Range": f"bytes {start}-{end - 1}/{len(self.content)}"}, self.content[start:end]), None
        # The first look at the beginning is the first of two requests for all.
        broken = len(self.seen) > 1 and self.breaks
        self.breaks -= bool(broken)
        return (200, self.marks, self.content), SIZE // 2 if broken else None


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Host and port of a server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (status, marks, body), cut = script.answer(dict(self.headers))
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(body)), **marks}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body[:cut])
            except ConnectionError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Tests need no access log."""

    with listening(Handler) as address:
        yield f"http://{address}"


def read(script: Script, checked: bool = False) -> bytes:
    with serving(script) as uri:
        return b"".join(HttpSource(uri + "/disk", JumpingClock(), checked=checked).blocks())


def ranges(script: Script) -> list[Mapping[str, str]]:
    return [headers for headers in script.seen if headers.get("Range", "").endswith("-")]


@pytest.mark.parametrize(("marks", "sent"), [(STRONG, '"v1"'), (OLD, OLD["Last-Modified"])], ids=["strong ETag", "old Last-Modified"])
def test_a_strong_validator_lets_a_transfer_go_on(marks: Mapping[str, str], sent: str) -> None:
    script = Script(marks, lambda start, end: (206, {**marks, "Content-Range": f"bytes {start}-{end - 1}/{SIZE}"}, CONTENT[start:end]))
    assert read(script) == CONTENT
    (asked,) = ranges(script)
    assert asked["If-Range"] == sent
    assert int(asked["Range"].removeprefix("bytes=").rstrip("-")) > 0


@pytest.mark.parametrize("marks", [WEAK, FRESH, {}], ids=["weak ETag", "Last-Modified of just now", "nothing"])
def test_without_a_strong_validator_a_transfer_goes_on_only_where_a_digest_is_checked(marks: Mapping[str, str]) -> None:
    script = Script(marks, resumed)
    with pytest.raises(ImageServicesError, match="no strong ETag, and no checksum is declared"):
        read(script)
    assert ranges(script) == []
    script = Script(marks, resumed)
    assert read(script, checked=True) == CONTENT
    (asked,) = ranges(script)
    assert "If-Range" not in asked, "a weak validator never goes there"


WRONG_PARTS: dict[str, Callable[[int, int], Answer]] = {
    "another start": lambda start, end: (206, {**STRONG, "Content-Range": f"bytes 0-{end - 1}/{SIZE}"}, CONTENT[:end]),
    "shifted by a byte": lambda start, end: resumed(start + 1, end),
    "before it": lambda start, end: resumed(start - 1, end),
    "another length of all": lambda start, end: resumed(start, end, **{"Content-Range": f"bytes {start}-{end - 1}/{SIZE + 1}"}),
    "no Content-Range": lambda start, end: (206, STRONG, CONTENT[start:end]),
    "another unit": lambda start, end: resumed(start, end, **{"Content-Range": f"items {start}-{end - 1}/{SIZE}"}),
    "an end before its start": lambda start, end: resumed(start, end, **{"Content-Range": f"bytes {start}-{start - 1}/{SIZE}"}),
    "an end behind the end": lambda start, end: resumed(start, end, **{"Content-Range": f"bytes {start}-{SIZE}/*"}),
    "several parts": lambda start, end: (206, {**STRONG, "Content-Type": "multipart/byteranges; boundary=x"}, CONTENT[start:end]),
}


@pytest.mark.parametrize("checked", [False, True], ids=["unchecked", "checked"])
@pytest.mark.parametrize("name", WRONG_PARTS)
def test_a_part_that_was_not_asked_for_is_refused(name: str, checked: bool) -> None:
    script = Script(STRONG, WRONG_PARTS[name])
    with pytest.raises(ImageServicesError, match="continues with another part of it than the one from byte") as excinfo:
        read(script, checked)
    assert len(ranges(script)) == 1, "the fault has struck"
    assert str(excinfo.value).startswith("Cannot read uri 'http://127.0.0.1:")


def test_content_that_changed_meanwhile_is_refused() -> None:
    for answer in (lambda start, end: (200, {"ETag": '"v2"'}, CONTENT[::-1]), lambda start, end: resumed(start, end, ETag='"v2"')):
        script = Script(STRONG, answer)
        with pytest.raises(ImageServicesError, match="the content changed"):
            read(script)
        assert len(ranges(script)) == 1


def test_content_that_changes_between_the_look_and_the_transfer_is_refused() -> None:
    script = Script(STRONG, resumed, breaks=0)
    with serving(script) as uri:
        source = HttpSource(uri, JumpingClock())
        assert source.head()
        script.content = CONTENT[::-1]
        with pytest.raises(ImageServicesError, match="the content changed between two requests"):
            list(source.blocks())


def test_a_shorter_part_than_asked_for_is_taken_and_the_rest_asked_for() -> None:
    script = Script(STRONG, lambda start, end: resumed(start, min(end, start + 200_000)))
    assert read(script) == CONTENT
    assert len(ranges(script)) == 2


def test_the_end_is_looked_at_where_it_may_show_a_fixed_vhd() -> None:
    script = Script(STRONG, resumed, breaks=0)
    with serving(script) as uri:
        assert HttpSource(uri, JumpingClock()).tail() == CONTENT[-512:]
        script.marks = {"ETag": '"v2"'}
        changed = HttpSource(uri, JumpingClock())
        assert changed.head()
        script.marks = STRONG
        assert changed.tail() == b"", "of other content"
        script.content, script.seen = b"QFI\xfb\0\0\0\3" + CONTENT[8:], []
        assert HttpSource(uri, JumpingClock()).tail() == b""
        assert len(script.seen) == 1, "its beginning tells what it is"


class Recorder:
    """A server that notes what headers came, and redirects where it is told to."""

    def __init__(self, body: bytes = CONTENT, location: str | None = None) -> None:
        self.body, self.location = body, location
        self.seen: list[Mapping[str, str]] = []

    @contextmanager
    def serving(self) -> Iterator[str]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                recorder.seen.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response_only(200 if recorder.location is None else 302)
                if recorder.location is not None:
                    self.send_header("Location", recorder.location)
                self.send_header("Content-Length", str(0 if recorder.location else len(recorder.body)))
                self.end_headers()
                if recorder.location is None:
                    try:
                        self.wfile.write(recorder.body)
                    except ConnectionError:
                        self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                """Tests need no access log."""

        with listening(Handler) as address:
            yield address


GIVEN = {"url_username": "märy", "url_password": "pass word", "headers": {"X-Token": "of-the-header", "X-Number": 5}}
BASIC = "Basic " + b64encode("märy:pass word".encode()).decode()


def test_credentials_go_to_their_server_and_not_where_it_redirects_to() -> None:
    other, own = Recorder(), Recorder()
    with ExitStack() as stack:
        other_host, own_host = stack.enter_context(other.serving()), stack.enter_context(own.serving())
        own.location = f"http://{other_host}/there"
        source = HttpSource(f"http://{own_host}/here", JumpingClock(), access_of(GIVEN))
        assert b"".join(source.blocks()) == CONTENT
    assert own.seen
    assert other.seen
    assert all((seen["authorization"], seen["x-token"], seen["x-number"]) == (BASIC, "of-the-header", "5") for seen in own.seen)
    assert not [seen for seen in other.seen if {"authorization", "x-token", "x-number"} & set(seen)]


def test_a_password_in_the_address_is_used_and_not_shown() -> None:
    own = Recorder()
    with own.serving() as host:
        source = HttpSource(f"http://m%C3%A4ry:pass%20word@{host}/disk?X-Amz-Signature=0123456789abcdef", JumpingClock())
        assert source.head()
        assert source.label == f"http://{host}/disk"
        assert own.seen[0]["authorization"] == BASIC
        own.location = "gopher://nowhere"
        with pytest.raises(ImageServicesError) as excinfo:
            HttpSource(f"http://märy:pass%20word@{host}/disk?sig=0123456789abcdef", JumpingClock()).head()
    assert "pass" not in str(excinfo.value)
    assert "0123456789abcdef" not in str(excinfo.value)


def test_the_same_content_is_known_by_another_signature_and_not_by_another_query() -> None:
    with script_at({"ETag": '"v1"'}) as uri:

        def mark(query: str) -> str | None:
            return HttpSource(f"{uri}/disk{query}", JumpingClock()).fingerprint

        assert mark("?X-Amz-Signature=0123456789abcdef&X-Amz-Date=1") == mark("?X-Amz-Signature=fedcba9876543210&X-Amz-Date=2") == mark("")
        assert mark("?v2") != mark("?v1")


@contextmanager
def script_at(marks: Mapping[str, str]) -> Iterator[str]:
    with serving(Script(marks, resumed, breaks=0)) as uri:
        yield uri


def test_redirects_end() -> None:
    own = Recorder()
    with own.serving() as host:
        own.location = f"http://{host}/again"
        with pytest.raises(ImageServicesError, match="more than 10 redirects"):
            HttpSource(f"http://{host}/", JumpingClock()).head()
    assert 5 < len(own.seen) < 20


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a/x", "http://a/y", True),
        ("http://a/x", "http://A:80/y", True),
        ("http://a/x", "https://a/y", True),
        ("https://a/x", "http://a/y", False),
        ("http://a:8080/x", "https://a/y", False),
        ("http://a/x", "http://b/x", False),
        ("http://a/x", "http://a.b/x", False),
        ("https://a/x", "https://a:8443/x", False),
    ],
)
def test_what_is_the_same_server(one: str, other: str, same: bool) -> None:
    assert same_server(one, other) is same


def test_a_checksum_file_gets_the_credentials_of_its_own_server_alone() -> None:
    line = f"{hashlib.sha256(CONTENT).hexdigest()}  disk\n".encode()
    one, two = Recorder(line), Recorder(line)
    with ExitStack() as stack:
        own, other = stack.enter_context(one.serving()), stack.enter_context(two.serving())
        params = {**GIVEN, "uri": f"http://{own}/disk"}
        files = ChecksumFiles()
        for host in (own, other):
            address = f"http://{host}/SHA256SUMS"
            assert files.digest(address, "sha256", "disk", checksum_access(params, address)) == hashlib.sha256(CONTENT).hexdigest()
        assert [seen.get("authorization") for seen in one.seen] == [BASIC]
        assert [seen.get("authorization") for seen in two.seen] == [None]
        assert checksum_access({**GIVEN, "uri": None}, f"http://{other}/x") == access_of(GIVEN), "of a local file"
        files.digest(f"http://{own}/SHA256SUMS", "sha256", "disk")
        assert one.seen[-1].get("authorization") is None, "what was fetched with credentials is not given to whom has none"


def test_a_header_with_a_line_break_is_refused() -> None:
    with pytest.raises(ImageServicesError, match="Cannot send header 'X-Token': it holds a line break") as excinfo:
        access_of({"headers": {"X-Token": "secret\r\nX-Other: 1"}})
    assert "secret" not in str(excinfo.value)
    assert access_of({}) == Access()

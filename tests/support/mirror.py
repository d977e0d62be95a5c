# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server with files that a test can change, which counts what is asked of it and can be slow."""

from __future__ import annotations

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BLOCK = 64 * 1024
# Of an answer whose gate is closed, these last blocks come one a second: a test that does not open it by then is about to fail.
GATED_BLOCKS = 32


class Mirror(ThreadingHTTPServer):
    """Serves ``files`` by path, with ETags and ranges.

    ``requests`` are the paths asked for, ``served`` the bytes that left it; ``rate`` is in bytes per second for each answer. The end of an
    answer trickles while ``gate`` is closed, which is open unless a test closes it; ``opened`` tells of each answer whether it was open before the last byte.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.served = 0
        self.rate: float | None = None
        self.opened: list[bool] = []
        self.gate = threading.Event()
        self.gate.set()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self) -> Mirror:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def uri(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has seen enough is no error."""


def span(ranged: str | None, size: int) -> tuple[int, int]:
    """Begin and end of the part that a Range header asks for."""
    first, _dash, last = ranged.removeprefix("bytes=").partition("-") if ranged else ("0", "", "")
    return int(first), int(last) + 1 if last else size


class _Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        ranged = self.headers.get("Range")
        start, end = span(ranged, len(content))
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(end - start))
        if ranged:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.end_headers()
        if end < len(content) or start == len(content) - 512:
            # A look at the end, which is no transfer.
            self.wfile.write(content[start:end])
            return
        for offset in range(start, len(content), BLOCK):
            if offset + GATED_BLOCKS * BLOCK >= len(content):
                opened = self.server.gate.wait(1)
                if offset + BLOCK >= len(content):
                    self.server.opened.append(opened)
            self.wfile.write(content[offset : offset + BLOCK])
            self.server.served += len(content[offset : offset + BLOCK])
            if self.server.rate is not None:
                time.sleep(BLOCK / self.server.rate)

    def log_message(self, format: str, *args: object) -> None:
        """Tests need no access log."""

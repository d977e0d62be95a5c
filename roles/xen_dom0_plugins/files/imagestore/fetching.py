# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of an image, from the first source that has them; a broken connection is taken up where it broke."""

import re

from compat import http_client
from failures import SOURCE, Failure
from servers import Refused, Untrusted, cause, place, request

# Read in one go. Python 2 collects that much, and loses it when the connection breaks meanwhile.
PIECE = 1 << 16
PIECE_COLLECTED = 1 << 14
# So much has to come for a try to be progress.
PROGRESS = 1 << 16
# So many tries of each source without progress are made.
TRIES = 3
MAX_PAUSE = 5
RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)\Z")
# These may pass; every other refusal stays.
PASSING = (408, 425, 429, 500, 502, 503, 504)


class Fetch(object):
    def __init__(self, sources, size, watch):
        self.sources = list(sources)
        self.watch = watch
        self.position = 0
        self.size = size
        self._errors = {}
        self._tries = 0
        self._marked = 0
        self._connection = None
        self._response = None
        self._skip = 0

    def open(self):
        """Asks for the image; afterwards the size is known, if a source tells it."""
        while self._response is None:
            self.watch.check()
            if not self.sources or self._tries >= TRIES * len(self.sources):
                raise self._given_up()
            if self._tries and self._tries % len(self.sources) == 0:
                self.watch.pause(min(MAX_PAUSE, 0.25 * 2 ** (self._tries // len(self.sources))))
            source = self.sources[0]
            try:
                self._ask(source)
            except (Untrusted, Refused) as error:
                self.watch.check()
                self._failed(source, error, stays=getattr(error, "status", 0) not in PASSING)
            except (EnvironmentError, ValueError, http_client.HTTPException) as error:
                self.watch.check()
                self._failed(source, error, stays=False)

    def read(self, count):
        """At most so many bytes; none at the end of the image."""
        while True:
            self.watch.check()
            if self.size is not None and self.position >= self.size:
                self.close()
                return b""
            self.open()
            try:
                data = self._receive(count)
                if data and self._skip:
                    self._skip, data = max(0, self._skip - len(data)), data[self._skip :]
                    if not data:
                        continue
            except (EnvironmentError, ValueError, http_client.HTTPException) as error:
                self.watch.check()
                self._failed(self.sources[0], error, stays=False)
                continue
            self.watch.check()
            if not data:
                if self.size is None:
                    self.size = self.position
                    continue
                self._failed(self.sources[0], Untrusted("the connection ended after %d of %d bytes" % (self.position, self.size)), stays=False)
                continue
            self.position += len(data)
            if self.position - self._marked >= PROGRESS:
                self._marked, self._tries = self.position, 0
            return data

    def _receive(self, count):
        """What has arrived, no matter how much; never more than the image can have."""
        if self.size is not None:
            count = min(count, self.size - self.position + self._skip)
        if hasattr(self._response, "read1"):
            return self._response.read1(min(count, PIECE))
        return self._response.read(min(count, PIECE_COLLECTED))

    def close(self):
        self.watch.holding(None)
        if self._connection is not None:
            self._connection.close()
        self._connection = self._response = None

    def _ask(self, source):
        headers = {"Range": "bytes=%d-" % self.position} if self.position else {}
        self._connection, response = request(source, "GET", headers, self.watch)
        if response.status == 206 and self.position:
            found = RANGE.match(response.getheader("content-range") or "")
            first, last = (int(found.group(1)), int(found.group(2))) if found else (-1, -1)
            if first != self.position or last < first or found.group(3) != "*" and last >= int(found.group(3)):
                raise Untrusted("it answers with another part of the image than the one asked for")
            self._sized(None if found.group(3) == "*" else int(found.group(3)))
            self._skip = 0
        elif response.status == 200:
            length = response.getheader("content-length")
            chunked = "chunked" in (response.getheader("transfer-encoding") or "").lower()
            self._sized(int(length) if length and length.isdigit() and not chunked else None)
            # It knows no ranges: what was read before comes again.
            self._skip = self.position
        else:
            raise Refused(response.status)
        self._response = response

    def _sized(self, size):
        if size is None:
            return
        if self.size is not None and size != self.size:
            raise Untrusted("it offers %d bytes, and the image has %d" % (size, self.size))
        self.size = size

    def _failed(self, source, error, stays):
        """The next try is at another source, if there is one; one whose refusal stays is not asked again."""
        self.close()
        self._errors[source["url"]] = "%s: %s" % (place(source["url"]), cause(error))
        self.sources.remove(source)
        if not stays:
            self.sources.append(source)
            self._tries += 1

    def _given_up(self):
        after = " after %d bytes" % self.position if self.position else ""
        return Failure(SOURCE, "Cannot read the image%s: no source gives it. %s." % (after, "; ".join(sorted(self._errors.values()))))

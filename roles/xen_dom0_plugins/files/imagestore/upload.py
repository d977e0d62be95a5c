# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VDI becomes an image: its chain as a tarball with gzip, made while it is sent."""

import hashlib
import itertools
import json
import tarfile
import zlib

import checks
import staging
from compat import http_client, native
from failures import BAD_DIGEST, SOURCE, Failure
from family import Family, leaf
from poolclient import Pool
from servers import ERRORS, Refused, Untrusted, cause, connect, place, request, target
from watch import Watch

PATCH = "application/openstack-images-v2.1-json-patch"
# Chunks of the request, and so of the compressed data.
CHUNK = 1 << 17
MAX_ANSWER = 1 << 20
BLOCK = 512


def run(session, params, settings):
    given = checks.upload(params)
    pool = Pool(settings["xapi"], session)
    directory = staging.sr_directory(pool, settings, given["sr"])
    staging.clean(directory, pool)
    leaf(pool, directory, given["vdi"], given["sr"])
    with staging.Staging(directory, given["vdi"]) as held, Watch(pool, given["task"], held) as watch:
        family = Family(directory, given["vdi"], held)
        try:
            sent, digest = Upload(given, family, watch).run()
        finally:
            family.close()
    return {"bytes_sent": sent, "digest": digest, "chain": family.names, "warnings": family.warnings}


class Unfinished(Exception):
    """The data did not arrive; another target may be asked if the image still waits for it."""


class Upload(object):
    def __init__(self, given, family, watch):
        self.given, self.family, self.watch = given, family, watch
        self._errors = []
        self._touched = None

    def run(self):
        try:
            for server in self.given["targets"]:
                server = dict(server, url=server["url"].rstrip("/"))
                try:
                    return self._to(server)
                except (Untrusted, Refused, Unfinished) + ERRORS as error:
                    self.watch.check()
                    self._errors.append("%s: %s" % (place(server["url"]), error if isinstance(error, Unfinished) else cause(error)))
            raise Failure(SOURCE, "Cannot send the image: no target takes it. %s." % "; ".join(self._errors))
        except Failure as failure:
            raise Failure(failure.code, failure.sentence + self._left())

    def _left(self):
        """What became of the image: whoever made it has to remove it or to fill it again."""
        if self._touched is None:
            return ""
        try:
            return " The image is left in the status %s." % self._image(self._touched)["status"]
        except (Untrusted, Refused, KeyError) + ERRORS:
            return " The image may be left unfinished."

    def _to(self, server):
        image = self._image(server)
        if image.get("status") != "queued":
            raise Unfinished("the image has the status %s, and only a queued one takes data" % checks.shown(image.get("status")))
        self._describe(server)
        self._touched = server
        digests = self._send(server)
        image = self._image(server)
        if image.get("status") != "active":
            raise Unfinished("the image has the status %s after all was sent" % checks.shown(image.get("status")))
        digest = digests.agreed(image)
        if digest is None:
            raise Failure(BAD_DIGEST, "The image has another digest than the data that was sent to %s." % place(server["url"]))
        return digests.sent, digest

    def _answer(self, server, method, wanted, headers, body=None):
        connection, response = request(server, method, headers, self.watch, body)
        try:
            data = response.read(MAX_ANSWER)
            if response.status not in wanted:
                raise Refused(response.status)
            return data
        finally:
            self.watch.holding(None)
            connection.close()

    def _image(self, server):
        found = json.loads(self._answer(server, "GET", (200,), {}).decode("utf-8"))
        if not isinstance(found, dict):
            raise ValueError()
        return found

    def _describe(self, server):
        given = dict(self.given["properties"], container_format="ovf", disk_format="vhd")
        changes = [{"op": "add", "path": "/" + name.replace("~", "~0").replace("/", "~1"), "value": value} for name, value in sorted(given.items())]
        self._answer(server, "PATCH", (200,), {"Content-Type": PATCH}, json.dumps(changes).encode("ascii"))

    def _send(self, server):
        url = server["url"] + "/file"
        connection = connect(server, url)
        try:
            self.watch.holding(connection.sock)
            connection.putrequest("PUT", target(url))
            for name, value in server["headers"].items():
                connection.putheader(name, value)
            connection.putheader("Content-Type", "application/octet-stream")
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()
            digests = Digests()
            try:
                for chunk in self._compressed():
                    connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    digests.update(chunk)
                connection.send(b"0\r\n\r\n")
            except EnvironmentError:
                self.watch.check()
                # It may have answered before it closed.
                self._refusal(connection)
                raise
            response = connection.getresponse()
            response.read(MAX_ANSWER)
            if response.status not in (200, 201, 204):
                raise Refused(response.status)
            return digests
        finally:
            self.watch.holding(None)
            connection.close()

    def _refusal(self, connection):
        try:
            status = connection.getresponse().status
        except (EnvironmentError, ValueError, http_client.HTTPException):
            return
        raise Refused(status)

    def _compressed(self):
        """The tarball with gzip, in chunks."""
        packer = zlib.compressobj(self.given["compression"], zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        total = sum(member.length for member in self.family.members)
        done, waiting = 0, []
        for piece in self._tarball():
            self.watch.check()
            done += len(piece)
            self.watch.progress(done, total)
            waiting.append(packer.compress(piece))
            if sum(len(each) for each in waiting) >= CHUNK:
                yield b"".join(waiting)
                waiting = []
        yield b"".join(waiting) + packer.flush()

    def _tarball(self):
        parts = []
        for number, member in enumerate(self.family.members):
            entry = tarfile.TarInfo("%d.vhd" % number)
            entry.size = member.length
            parts += [[entry.tobuf(tarfile.GNU_FORMAT)], member.pieces(), [b"\0" * (-member.length % BLOCK)]]
        return itertools.chain(*(parts + [[b"\0" * (2 * BLOCK)]]))


class Digests(object):
    """Of every kind that an image service may tell afterwards: it does not tell before which one it takes."""

    KINDS = ("sha512", "sha256", "md5")

    def __init__(self):
        self._found = {}
        for kind in self.KINDS:
            try:
                self._found[kind] = hashlib.new(kind)
            except ValueError:
                # The policy of the host allows not all.
                pass
        self.sent = 0

    def update(self, data):
        self.sent += len(data)
        for each in self._found.values():
            each.update(data)

    def value(self, kind):
        return self._found[kind].hexdigest() if kind in self._found else None

    def agreed(self, image):
        """The digest by which the image is what was sent, the best that it tells of itself; None when it is something else."""
        if image.get("size") not in (None, self.sent):
            return None
        kind, told = image.get("os_hash_algo"), image.get("os_hash_value")
        if kind not in self._found or not told:
            kind, told = "md5", image.get("checksum")
        if told and self.value(kind) not in (None, told):
            return None
        kind = native(kind) if told and self.value(kind) else "sha512"
        return {"algorithm": kind, "value": self.value(kind)}

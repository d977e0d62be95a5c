# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image becomes a VDI: fetched into the staging of the SR, checked, relinked, and moved into the SR at once."""

import hashlib
import os
import subprocess
import uuid

import chain
import checks
import members
import rawdisk
import staging
from failures import BAD_DIGEST, BAD_REQUEST, FAILED, SOURCE, SR, Failure, bad_image
from fetching import Fetch
from poolclient import Pool, PoolFailure
from unpacking import Tarball
from vhd import no_end
from watch import Watch


class Metered(object):
    """Counts and digests the bytes as they come."""

    def __init__(self, fetch, digest, watch):
        self.fetch, self.watch = fetch, watch
        self.algorithm = digest["algorithm"] if digest else "sha512"
        self.expected = digest["value"] if digest else None
        self._digest = hashlib.new(self.algorithm)
        self.received = 0

    def read(self, count):
        data = self.fetch.read(count)
        self._digest.update(data)
        self.received += len(data)
        self.watch.progress(self.received, self.fetch.size)
        return data

    def finish(self):
        """What is left, and whether all of it is the image."""
        rest = 0
        while True:
            data = self.read(1 << 18)
            if not data:
                break
            rest += len(data)
            if rest > 64 << 20 or data.strip(b"\0"):
                raise bad_image("The image ends, and something else follows it.")
        found = self._digest.hexdigest()
        if self.expected is not None and found != self.expected:
            sentence = "The %s digest of what came is %s, and the image has %s. Nothing was imported." % (self.algorithm, found, self.expected)
            raise Failure(BAD_DIGEST, sentence)
        return {"algorithm": self.algorithm, "value": found}


def run(session, params, settings, parents=()):
    """The request of download; parents are names for the members behind the leaf, where the caller wants to choose them."""
    given = checks.download(params)
    pool = Pool(settings["xapi"], session)
    directory = staging.sr_directory(pool, settings, given["sr"])
    staging.clean(directory, pool)
    names = [given["vdi"]] + [checks.uuid(each, "parents") for each in parents]
    for name in names:
        refuse_existing(pool, directory, name)
    try:
        with staging.Staging(directory, given["vdi"]) as place, Watch(pool, given["task"], place) as watch:
            job = Job(given, pool, directory, place, watch, settings)
            return job.run(names)
    except EnvironmentError as error:
        if error.errno in members.NO_ROOM:
            raise members.no_room(directory)
        raise


def refuse_existing(pool, directory, name):
    if pool.record("VDI", name)[0] is not None or any(os.path.exists(os.path.join(directory, name + end)) for end in (".vhd", ".raw", ".qcow2")):
        raise Failure(BAD_REQUEST, "The VDI %s exists. Give the uuid of one that does not." % name)


class Job(object):
    def __init__(self, given, pool, directory, place, watch, settings):
        self.given, self.pool, self.directory, self.place, self.watch, self.settings = given, pool, directory, place, watch, settings
        self.fetch = Fetch(given["sources"], given["image"]["size"], watch)
        self.metered = Metered(self.fetch, given["image"]["digest"], watch)

    def run(self, names):
        try:
            if self.given["format"] == "raw":
                names = self._raw(names)
            else:
                found = self._tarball() if self.given["format"] == "vhd tarball" else self._single()
                names = names + [str(uuid.uuid4()) for dummy in range(len(found) - len(names))]
            digest = self.metered.finish()
        finally:
            self.fetch.close()
        warnings = []
        if self.given["format"] != "raw":
            checked = chain.check(found)
            chain.refuse_uncovering(checked, self.given["virtual_size"] or 0)
            warnings = [no_end(each.what) for each in checked if not each.ended]
            names = self._relink(checked, names)
        self.watch.check()
        self._judge(names)
        done = {"vdi": names[0], "chain": names, "virtual_size": self._commit(names)}
        return dict(done, bytes_received=self.metered.received, digest=digest, warnings=warnings)

    def _part(self, number):
        return self.place.file("%d.part" % number)

    def _raw(self, names):
        self.fetch.open()
        size = self.fetch.size
        if size is None:
            raise Failure(SOURCE, "Cannot read the image: no source tells its size, which a raw disk must have. Give image.size.")
        rawdisk.write(self.metered.read, self._part(0), size, self.given["virtual_size"], names[0])
        os.rename(self._part(0), self.place.file(names[0] + ".vhd"))
        return names[:1]

    def _single(self):
        self.fetch.open()
        self._room(self.fetch.size or 0)
        return {0: members.receive(self.metered.read, self._part(0), "The image", self.fetch.size)}

    def _tarball(self):
        found, tarball = {}, Tarball(self.metered.read)
        for number, size in tarball:
            self._room(size)
            found[number] = members.receive(tarball.some, self._part(number), "%d.vhd" % number, size)
        return found

    def _room(self, size):
        if size > members.room(self.directory):
            raise members.no_room(self.directory, size)

    def _relink(self, found, names):
        """Base first, so that each child can name a parent that is there."""
        names = names[: len(found)]
        for number in reversed(range(len(found))):
            final = self.place.file(names[number] + ".vhd")
            os.rename(self._part(number), final)
            size = 0 if number else self.given["virtual_size"] or 0
            chain.relink(final, names[number], names[number + 1] if number + 1 < len(names) else None, hidden=number > 0, size=size)
            self.watch.check()
        return names

    def _judge(self, names):
        """The host's own tool is asked too, where there is one."""
        tool = self.settings["vhd_util"]
        if not os.access(tool, os.X_OK):
            return
        for name in reversed(names):
            command = [tool, "check", "-n", self.place.file(name + ".vhd")] + (["-p"] if name == names[0] and len(names) > 1 else [])
            with open(os.devnull, "rb") as nothing:
                process = subprocess.Popen(command, stdin=nothing, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=self.place.path)
                output = process.communicate()[0]
            if process.returncode:
                said = " ".join(output.decode("ascii", "replace").split())[:200]
                raise bad_image("vhd-util refuses what was written of the image: %s." % said)

    def _commit(self, names):
        """From here the files are the SR's; whatever fails takes them away again."""
        files = [name + ".vhd" for name in names]
        self.place.announce(files)
        ref = self.pool.record("SR", self.given["sr"])[0]
        moved, complete = [], False
        try:
            for file in reversed(files):
                moved.append(file)
                os.rename(self.place.file(file), os.path.join(self.directory, file))
            synchronise(self.directory)
            self.pool.call("SR.scan", ref)
            vdi, record = self.pool.record("VDI", names[0])
            if vdi is None:
                raise Failure(SR, "The SR does not show the VDI %s after a scan." % names[0])
            complete = True
            return int(record["virtual_size"])
        except PoolFailure as error:
            raise Failure(SR if error.details[0].startswith("SR_") else FAILED, "The SR does not take the image: %s." % ", ".join(error.details))
        finally:
            if not complete:
                self._take_back(moved, ref)

    def _take_back(self, moved, ref):
        for file in reversed(moved):
            staging.unlink(os.path.join(self.directory, file))
        try:
            self.pool.call("SR.scan", ref)
        except (PoolFailure, Failure):
            # The first failure is the one to tell.
            pass


def synchronise(directory):
    """The new names are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except EnvironmentError:
        # Not every network file system can; the files themselves are there.
        pass
    finally:
        os.close(descriptor)

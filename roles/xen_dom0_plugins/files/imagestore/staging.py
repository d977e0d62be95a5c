# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory in the SR for incomplete files. Its name tells its owner, and a lock whether the owner still runs."""

import errno
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import socket
import time

from failures import SR, Failure
from watch import FLAG

NAME = re.compile(r"imagestore\.([0-9a-f]{12})\.(\d{1,10})\.(\d{1,20})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.staging\Z")
LOCK = "lock"
MOVING = "moving"
# Of another host nothing tells for certain that a process lives: its beat is awaited so long.
SILENCE = 3600
INVENTORY = "/etc/xensource-inventory"
FILE_DRIVERS = ("nfs", "ext", "file", "smb")


def host():
    """Which host this is, in few characters."""
    try:
        with io.open(INVENTORY, encoding="utf-8", errors="replace") as stream:
            lines = [line for line in stream if line.startswith("INSTALLATION_UUID=")]
    except EnvironmentError:
        lines = []
    return hashlib.sha256((lines[0].strip() if lines else socket.gethostname()).encode("utf-8")).hexdigest()[:12]


def started(pid):
    """When a process began, in the kernel's clock; None when there is none."""
    try:
        with io.open("/proc/%d/stat" % pid, "rb") as stream:
            return int(stream.read().rpartition(b")")[2].split()[19])
    except (EnvironmentError, IndexError, ValueError):
        return None


def sr_directory(pool, settings, uuid):
    """Where the files of an SR are on this host."""
    dummy, record = pool.record("SR", uuid)
    if record is None:
        raise Failure(SR, "The SR %s is not in the pool." % uuid)
    if record["type"] not in FILE_DRIVERS:
        sentence = "The SR %s is of the type %s; the plugin writes into SRs of files only (%s). Import through XAPI."
        raise Failure(SR, sentence % (uuid, record["type"], ", ".join(FILE_DRIVERS)))
    path = os.path.join(settings["sr_base_path"], uuid)
    if not os.path.isdir(path):
        raise Failure(SR, "The SR %s is not attached to this host: there is no %s. Plug its PBD." % (uuid, path))
    return path


class Staging(object):
    """Made on entry, gone on exit, however that comes."""

    def __init__(self, directory, vdi):
        self.directory = directory
        self.path = os.path.join(directory, "imagestore.%s.%d.%d.%s.staging" % (host(), os.getpid(), started(os.getpid()), vdi))
        self._lock = None

    def __enter__(self):
        os.mkdir(self.path, 0o700)
        try:
            self._lock = os.open(self.file(LOCK), os.O_CREAT | os.O_RDWR, 0o600)
            take(self._lock)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *failure):
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    def file(self, name):
        return os.path.join(self.path, name)

    def beat(self):
        try:
            os.utime(self.file(LOCK), None)
        except EnvironmentError:
            pass

    def announce(self, names):
        """What will be moved into the SR: who finds this after a crash takes it away again."""
        with io.open(self.file(MOVING), "wb") as stream:
            stream.write(json.dumps(names).encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())


def take(descriptor):
    """Whether this process has the lock now. A file system without locks has none to give, and no process holds one there."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except EnvironmentError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)
    return True


def lives(directory, name):
    found = NAME.match(name)
    if found.group(1) == host():
        return started(int(found.group(2))) == int(found.group(3))
    lock = os.path.join(directory, name, LOCK)
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except EnvironmentError:
        lock, descriptor = os.path.join(directory, name), None
    try:
        if descriptor is not None and not take(descriptor):
            return True
        return time.time() - os.stat(lock).st_mtime < SILENCE
    except EnvironmentError:
        return True
    finally:
        if descriptor is not None:
            os.close(descriptor)


def running(directory, vdi):
    """The directories of living transfers of a VDI."""
    found = [name for name in os.listdir(directory) if NAME.match(name) and NAME.match(name).group(4) == vdi]
    return [os.path.join(directory, name) for name in found if lives(directory, name)]


def cancel(directory, vdi):
    told = False
    for path in running(directory, vdi):
        try:
            os.close(os.open(os.path.join(path, FLAG), os.O_CREAT | os.O_WRONLY, 0o600))
            told = True
        except EnvironmentError:
            # It ended meanwhile.
            pass
    return told


def clean(directory, pool):
    """Remove what the dead have left: their staging, and what they had moved into the SR without anybody knowing it yet."""
    removed = []
    for name in sorted(os.listdir(directory)):
        if not NAME.match(name) or lives(directory, name):
            continue
        removed.extend(orphans(directory, os.path.join(directory, name), pool))
        shutil.rmtree(os.path.join(directory, name), ignore_errors=True)
        if not os.path.exists(os.path.join(directory, name)):
            removed.append(name)
    return removed


def orphans(directory, staging, pool):
    try:
        with io.open(os.path.join(staging, MOVING), encoding="utf-8") as stream:
            names = json.load(stream)
    except (EnvironmentError, ValueError):
        return []
    files = [name for name in names if re.match(r"[0-9a-f-]{36}\.vhd\Z", name)] if isinstance(names, list) else []
    # The leaf is the first: where the pool knows it, the chain is complete and in use.
    if not files or pool.record("VDI", files[0][:-4])[0] is not None:
        return []
    return [name for name in files if unlink(os.path.join(directory, name))]


def unlink(path):
    try:
        os.unlink(path)
    except EnvironmentError:
        return False
    return True

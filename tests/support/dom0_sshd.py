# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real OpenSSH server whose sessions land in a root of their own: busybox, the directory of XAPI's plugins, and at most one Python.

Root gets that root in a mount namespace, which goes with the server. For an ordinary user, sessions have a PATH of their own, and the rest of the machine.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import select
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.xenstack.image_services.tests.support.deployment import free_port

DEADLINE = 60.0
USER, USER_ID = "operator", 4242
ACCOUNTS = {"root": (0, "/root", "/bin/sh"), "sshd": (100, "/run/sshd", "/bin/false"), USER: (USER_ID, "/", "/bin/sh")}
PROGRAM = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "/usr/sbin/sshd"
LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64")
# In the namespace, where /run is one of its own.
PLACE = "/run/dom0"
PLUGINS = "/etc/xapi.d/plugins"


@functools.cache
def has_namespaces() -> bool:
    """Whether this user can have a root of the test's own."""
    return os.getuid() == 0 and subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


@dataclass(frozen=True)
class Dom0:
    """A host that listens on a port of the loopback."""

    base: Path
    isolated: bool
    port: int
    process: subprocess.Popen[bytes]

    @property
    def root(self) -> Path:
        """What sessions have as /, with what is mounted there."""
        return Path(f"/proc/{self.process.pid}/root{PLACE}/root") if self.isolated else self.base / "root"

    @property
    def user(self) -> str:
        return "root" if self.isolated else pwd.getpwuid(os.getuid()).pw_name

    @property
    def directory(self) -> str:
        """The directory of the plugins, as sessions see it."""
        return PLUGINS if self.isolated else f"{self.base}/root{PLUGINS}"

    @property
    def owner(self) -> tuple[int, int]:
        return (0, 0) if self.isolated else (os.getuid(), os.getgid())

    @property
    def plugins(self) -> Path:
        """The same directory, as the test sees it."""
        return self.root / PLUGINS.lstrip("/")

    def variables(self, user: str | None = None, port: int | None = None) -> dict[str, Any]:
        """Of the host in an inventory."""
        known = f"-F /dev/null -o UserKnownHostsFile={self.base}/known_hosts -o GlobalKnownHostsFile=/dev/null -o HostKeyAlias=dom0 -o IdentitiesOnly=yes"
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": port or self.port,
            "ansible_user": user or self.user,
            "ansible_ssh_private_key_file": f"{self.base}/id",
            # No connection is kept for later, so that none outlives a test.
            "ansible_ssh_args": f"{known} -o ControlMaster=no -o ControlPath=none",
            # A module of Ansible would fail.
            "ansible_python_interpreter": "/nowhere/python3",
        }

    def files(self) -> dict[str, tuple[str, int, int, bytes]]:
        """Each file in the directory of the plugins and beside it, with its mode, owner and content."""
        top, found = self.plugins.parent, {}
        for path in sorted(top.rglob("*")):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if path.is_file():
                    found[str(path.relative_to(top))] = (f"{status.st_mode & 0o7777:04o}", status.st_uid, status.st_gid, path.read_bytes())
        return found

    def remount(self, options: str) -> None:
        """The file system of the plugins alone."""
        target = f"{PLACE}/root{PLUGINS}"
        subprocess.run(["nsenter", "-t", str(self.process.pid), "-m", "mount", "-o", f"remount,{options}", target], check=True)

    def stop(self) -> None:
        """With all that it has started: what serves a session outlives what listens."""
        for pid in _family(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def running(base: Path, *, python: str | None = None, small: int = 0) -> Iterator[Dom0]:
    """``python`` is the one interpreter of the host; ``small`` is the size in KiB of a file system that the plugins have for themselves."""
    isolated = has_namespaces()
    mounts = _make_root(base / "root", isolated, python)
    if small:
        mounts += f"mount -t tmpfs -o size={small}k,mode=755 tmpfs {PLACE}/root{PLUGINS}\n"
    for name in ("id", "host_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(base / name)], stdin=subprocess.DEVNULL, check=True)
    (base / "known_hosts").write_text(f"dom0 {(base / 'host_key.pub').read_text()}")
    (base / "passwd").write_text("".join(f"{name}:x:{uid}:{uid}::{home}:{shell}\n" for name, (uid, home, shell) in ACCOUNTS.items()))
    (base / "shadow").write_text("".join(f"{name}:*:19000::::::\n" for name in ACCOUNTS))
    shutil.copy(base / "passwd", base / "root/etc/passwd")
    host = _start(base, isolated, mounts)
    try:
        yield host
    finally:
        host.stop()


def _make_root(root: Path, isolated: bool, python: str | None) -> str:
    """The files of the root; what is to be mounted below it is returned as lines of a script."""
    busybox = shutil.which("busybox")
    assert busybox, "there is no busybox: make .build/openssh"
    for name in ("bin", "dev", "tmp", "usr", PLUGINS.lstrip("/")):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(busybox, root / "bin/busybox")
    for applet in subprocess.run([busybox, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    mounted = []
    if python is not None:
        code = "import os, sys; print(getattr(sys, 'base_prefix', sys.prefix)); print(os.path.realpath(sys.executable)); print(sys.version_info[0])"
        prefix, real, major = subprocess.run([python, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        (root / "bin" / ("python3" if major == "3" else "python")).symlink_to(real)
        if prefix == "/usr":
            (root / "usr/bin").mkdir()
            shutil.copy(real, root / "usr/bin")
        else:
            mounted.append(prefix)
    if isolated and (mounted or python or b"/ld-" in (root / "bin/busybox").read_bytes()):
        for library in map(Path, LIBRARIES):
            if library.is_symlink():
                (root / library.name).symlink_to(os.readlink(library))
            elif library.is_dir():
                mounted.append(str(library))
    lines = ["mount -t tmpfs -o mode=755 tmpfs /run", f"mkdir -p /run/sshd {PLACE}/root", f"mount --bind {shlex.quote(str(root))} {PLACE}/root"]
    for device in ("/dev/null", "/dev/urandom"):
        (root / device.lstrip("/")).touch()
        lines.append(f"mount --bind {device} {PLACE}/root{device}")
    for path in mounted if isolated else ():
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        lines.append(f"mount --bind {shlex.quote(path)} {shlex.quote(f'{PLACE}/root{path}')}")
    return "\n".join(lines) + "\n"


def _start(base: Path, isolated: bool, mounts: str) -> Dom0:
    """Another one may take the port between its choice and its use."""
    for _dummy in range(5):
        port = free_port()
        keys = f"{PLACE}/authorized_keys" if isolated else f"{base}/id.pub"
        settings = [
            f"ListenAddress 127.0.0.1:{port}",
            f"HostKey {base}/host_key",
            f"AuthorizedKeysFile {keys}",
            *("StrictModes no", "UsePAM no", "PermitRootLogin yes", "PasswordAuthentication no", "PidFile none", "PrintMotd no", "UseDNS no"),
            # An sshd of an ordinary user has none to give, and an answer through one would be mixed with errors.
            "PermitTTY no",
        ]
        command = shlex.join([PROGRAM, "-D", "-e", "-f", str(base / "sshd_config")])
        if isolated:
            settings.append(f"ChrootDirectory {PLACE}/root")
            accounts = "".join(f"mount --bind {shlex.quote(f'{base}/{name}')} /etc/{name}\n" for name in ("passwd", "shadow"))
            # An ordinary user of the host reads the key as well.
            script = f"{mounts}{accounts}cat {shlex.quote(f'{base}/id.pub')} >{keys}\nexec {command}"
            argv = ["unshare", "-m", "sh", "-e", "-c", script]
        else:
            settings.append(f'ForceCommand PATH={base}/root/bin exec {base}/root/bin/sh -c "$SSH_ORIGINAL_COMMAND"')
            argv = shlex.split(command)
        (base / "sshd_config").write_text("\n".join(settings) + "\n")
        with open(base / "sshd.log", "wb") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        host = Dom0(base, isolated, port, process)
        if _listens(host):
            return host
        said = (base / "sshd.log").read_text()
        host.stop()
        assert "in use" in said, said
    raise AssertionError("no port was free")


def _listens(host: Dom0) -> bool:
    """Whether it greets, within the deadline and before it ends."""
    end = time.monotonic() + DEADLINE
    while host.process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", host.port), timeout=DEADLINE) as client:
            if client.recv(8).startswith(b"SSH-"):
                # Not of another one that listens there.
                return host.process.poll() is None
        time.sleep(0.02)
    return False


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for known in found:
        found.extend(parents.get(known, []))
    return found


class Cut:
    """A relay to a port, which ends a connection for good when the client has sent so many bytes on it."""

    def __init__(self, port: int, after: int) -> None:
        self._target, self._after = port, after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.cuts = 0
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Cut:
        self._threads[0].start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, dummy = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._relay, args=[client])
            self._threads.append(thread)
            thread.start()

    def _relay(self, client: socket.socket) -> None:
        sent = 0
        with client, socket.create_connection(("127.0.0.1", self._target)) as server, contextlib.suppress(OSError):
            while True:
                for source in select.select([client, server], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    sent += len(data) if source is client else 0
                    if sent > self._after:
                        self.cuts += 1
                        return
                    (server if source is client else client).sendall(data)

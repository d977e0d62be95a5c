# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that has imported what others would import, and is forked once for each: playbooks of tests, and the modules that they run on this host.

Python's start and the imports are most of what a task costs. Python is started as ever; `ci/quick_tasks.py` in there hands its files, directory and
environment over, and ends as the fork has ended. A module and its utilities are those that Ansible has sent.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import pkgutil
import random
import selectors
import signal
import socket
import sys
import tempfile
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MODULES_IMPORT = ("ansible.module_utils.basic", "openstack", "openstack.image.v2._proxy", "keystoneauth1.identity.v3", "keystoneauth1.loading", "yaml")
# The standard streams and the directory.
FILES = 4
REFUSED = b"no"


class Server:
    """A connection that is closed ends its fork; otherwise it is told how the fork has ended. The server ends with its standard input.

    ``read`` are the variables that the server has read: who has other values gets no fork.
    """

    def __init__(self, path: str, read: Iterable[str]) -> None:
        self._read = list(read)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(path)
        self._listener.listen(64)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(0, selectors.EVENT_READ, self._end)
        self._ended = False
        self._forks: dict[socket.socket, int] = {}

    def serve(self) -> dict[str, Any] | None:
        """What this process is to run where it is a fork."""
        while not self._ended:
            for key, _events in self._selector.select():
                if (request := key.data()) is not None:
                    return dict(request)
        return None

    def _end(self) -> None:
        self._ended = True
        for pid in self._forks.values():
            os.killpg(pid, signal.SIGKILL)

    def _accept(self) -> dict[str, Any] | None:
        connection, _address = self._listener.accept()
        message, files, _flags, _from = socket.recv_fds(connection, 1 << 18, FILES)
        if len(files) != FILES:
            connection.close()
            return None
        request = json.loads(message)
        pid = os.fork() if self._settings(request["environment"]) == self._settings(os.environ) else None
        if pid == 0:
            self._leave(connection)
            return {**request, "files": files}
        for file in files:
            os.close(file)
        if pid is None:
            self._answer(connection, REFUSED)
            return None
        os.setpgid(pid, pid)
        self._forks[connection] = pid
        ended = os.pidfd_open(pid)
        self._selector.register(ended, selectors.EVENT_READ, lambda: self._report(connection, ended))
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._kill(connection))
        return None

    def _leave(self, own: socket.socket) -> None:
        """Forget the server's files without closing what later has their numbers."""
        os.setpgid(0, 0)
        self._selector.close()
        for connection in (self._listener, own, *self._forks):
            connection.detach()

    def _settings(self, environment: Mapping[str, str]) -> list[str | None]:
        return [environment.get(name) for name in self._read]

    def _kill(self, connection: socket.socket) -> None:
        # It may have ended at the same moment.
        if connection in self._forks:
            self._selector.unregister(connection)
            os.killpg(self._forks[connection], signal.SIGKILL)

    def _report(self, connection: socket.socket, ended: int) -> None:
        self._selector.unregister(ended)
        os.close(ended)
        _pid, status = os.waitpid(self._forks.pop(connection), 0)
        if connection in self._selector.get_map():
            self._selector.unregister(connection)
        self._answer(connection, str(os.waitstatus_to_exitcode(status)).encode())

    def _answer(self, connection: socket.socket, message: bytes) -> None:
        # Who was killed has gone.
        with contextlib.suppress(OSError):
            connection.send(message)
        connection.close()


def become(request: dict[str, Any]) -> types.CodeType:
    """Be the process that has asked, up to the module that it was given."""
    *streams, directory = request["files"]
    os.fchdir(directory)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(len(streams), 1024)
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()
    sys.argv = sys.orig_argv[1:] = request["arguments"] or [""]
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    if request["arguments"]:
        module.__file__ = request["arguments"][0]
        with open(module.__file__, "rb") as file:
            return compile(file.read(), module.__file__, "exec")
    return compile(sys.stdin.buffer.read(), "<stdin>", "exec")


def prepare_modules() -> Iterable[str]:
    for library in MODULES_IMPORT:
        importlib.import_module(library)
    return []


def begin_playbook() -> None:
    """With a directory for its files that goes with it and with no other one."""
    from ansible import constants
    from ansible.utils.path import cleanup_tmp_file

    atexit.unregister(cleanup_tmp_file)
    constants.DEFAULT_LOCAL_TMP = tempfile.mkdtemp(prefix=f"ansible-local-{os.getpid()}", dir=os.path.dirname(constants.DEFAULT_LOCAL_TMP))
    atexit.register(cleanup_tmp_file, constants.DEFAULT_LOCAL_TMP)


def prepare_playbooks() -> Iterable[str]:
    """What each run reads before it comes to the playbook: ansible-core, the options of its plugins, and where its own modules and plugins are."""
    import ansible.cli.playbook
    from ansible import constants
    from ansible.plugins import loader
    from ansible.utils.collection_loader import _collection_finder as finder

    for plugins in ("become", "cache", "callback", "connection", "inventory", "shell", "strategy", "vars"):
        list(getattr(loader, f"{plugins}_loader").all(class_only=True))
    for plugins in ("action", "filter", "lookup", "test"):
        package = importlib.import_module(f"ansible.plugins.{plugins}")
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            with contextlib.suppress(ImportError):
                importlib.import_module(found.name)
    finder._meta_yml_to_dict = functools.cache(finder._meta_yml_to_dict)
    routes = Path(ansible.__file__).with_name("config") / "ansible_builtin_runtime.yml"
    finder._meta_yml_to_dict(routes.read_bytes(), ("ansible.builtin", "runtime.yml"))
    return {"HOME"} | {variable["name"] for setting in constants.config.get_configuration_definitions().values() for variable in setting.get("env", [])}


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    path, kind = sys.argv[1:]
    server = Server(path, {"modules": prepare_modules, "playbooks": prepare_playbooks}[kind]())
    # What is there now is there for all forks, and no garbage.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 50, 1000)
    os.write(1, b"\n")
    request = server.serve()
    if request is not None:
        code = become(request)
        if kind == "playbooks":
            begin_playbook()
        exec(code, vars(sys.modules["__main__"]))


if __name__ == "__main__":
    main()

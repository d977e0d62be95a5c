# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spend less time on each task of Ansible: the demo repeats some hundred, and the tests run some ten thousand.

`venv.sh` and `image.sh` install this where demo and tests run Ansible and its modules. Ansible sends each module in an archive, and Python would
compile all of it again for each task: the bytecode is kept, and looked up by the source itself, so that none is ever used for another one.
"""

from __future__ import annotations

import _imp
import gc
import hashlib
import marshal
import os
import sys
import zipimport
from types import CodeType

STORED = os.path.join(sys.prefix, "module-bytecode")
_compile = zipimport._compile_source  # type: ignore[attr-defined]


def compile_source(path: str, source: bytes) -> CodeType:
    """What `zipimport` would compile, with the path of this archive in it."""
    stored = os.path.join(STORED, hashlib.sha256(source).hexdigest())
    try:
        with open(stored, "rb") as stream:
            code: CodeType = marshal.loads(stream.read())
    except (OSError, EOFError, ValueError, TypeError):
        code = _compile(path, source)
        _store(stored, code)
    _imp._fix_co_filename(code, path)
    return code


def _store(path: str, code: CodeType) -> None:
    """The whole file or none of it; who may not write here compiles each time."""
    new = f"{path}.{os.getpid()}"
    try:
        os.makedirs(STORED, exist_ok=True)
        with open(new, "wb") as stream:
            stream.write(marshal.dumps(code))
        os.replace(new, path)
    except OSError:
        pass


# Coverage reads the source of what runs, from its archive.
if "COVERAGE_PROCESS_START" not in os.environ:
    zipimport._compile_source = compile_source  # type: ignore[attr-defined]

# What Python runs; empty for a module, which comes by standard input.
called = os.path.basename(sys.orig_argv[1]) if len(sys.orig_argv) > 1 else ""

# It ends long before garbage in cycles matters, and so do the processes that Ansible forks; the search for it takes a fifth of their time.
if called in ("", "ansible-playbook"):
    gc.set_threshold(200_000, 50, 1000)


def hand_over(server: str) -> int | None:
    """Let a fork of that server be this process; how it has ended, or nothing where the server wants no such process."""
    import json
    import socket

    umask = os.umask(0)
    os.umask(umask)
    request = {"environment": dict(os.environ), "umask": umask, "arguments": sys.orig_argv[1:]}
    directory = os.open(".", os.O_RDONLY)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(server)
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2, directory])
        os.close(directory)
        answer = connection.recv(16)
    return None if answer == b"no" else int(answer or 1)


# Tests have such servers for what they run as themselves; another user, whom a task becomes, has none.
server = ""
if called == "ansible-playbook":
    server = os.environ.pop("IMAGE_SERVICES_PLAYBOOK_SERVER", "")
elif called == "" or (called.startswith("AnsiballZ_") and len(sys.orig_argv) == 2):
    server = os.environ.get("IMAGE_SERVICES_MODULE_SERVER", "")
if server and os.access(server, os.W_OK) and os.stat(server).st_uid == os.geteuid() and (code := hand_over(server)) is not None:
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)

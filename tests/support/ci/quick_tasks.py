# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spend less time on each task of Ansible; the tests run some ten thousand of them.

`venv.sh` and `image.sh` install this where the tests run Ansible and its modules. Ansible sends each module in an archive, and Python would
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

# A module comes by standard input. It ends long before garbage in cycles matters, and so do the processes that Ansible forks; the search for
# it takes a fifth of their time.
if len(sys.orig_argv) == 1 or os.path.basename(sys.orig_argv[1]) == "ansible-playbook":
    gc.set_threshold(200_000, 50, 1000)

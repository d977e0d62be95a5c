# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of Debian's packages that the tests run below directories of their own. Nothing of the system's is used but the programs."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

# As root, the servers run as this one: PostgreSQL refuses to run as root.
ORDINARY = "nobody"


def program(name: str) -> str:
    """The path of a program of a Debian package, also of one that is on nobody's PATH."""
    elsewhere = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin") or (elsewhere[-1] if elsewhere else None)
    assert found, f"Cannot find {name}. Run: make .build/databases"
    return found


def as_ordinary(command: list[str]) -> list[str]:
    """The command with the rights of an ordinary user, ended when this process ends in whatever way."""
    rights = ["--reuid", ORDINARY, "--regid", str(pwd.getpwnam(ORDINARY).pw_gid), "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *rights, "--pdeathsig", "KILL", *command]


@contextlib.contextmanager
def directory_of_servers() -> Iterator[Path]:
    """A directory that the servers' user reaches, which the temporary ones of the tests are not as root, and short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="image-services-"))
    try:
        if os.getuid() == 0:
            account = pwd.getpwnam(ORDINARY)
            os.chown(made, account.pw_uid, account.pw_gid)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)

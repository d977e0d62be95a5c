# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose once what a deployment below one directory needs: free ports, passwords, and whom its services run as.

What an older version has chosen stays, and what it did not know is added. With --show, nothing is written and the settings are printed.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

# What the services of XAVS and of LOCI images run as.
GLANCE_UID = 42424


def free_ports(count: int) -> list[int]:
    """Unused ports of the loopback; all are held until the last is found."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _port in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


def closed_parent(path: Path) -> Path | None:
    """The first directory above ``path`` that another user may not pass."""
    return next((parent for parent in path.parents if parent.exists() and not parent.stat().st_mode & stat.S_IXOTH), None)


def choose(base: Path) -> dict[str, Any]:
    keystone_port, glance_port, pool_port = free_ports(3)
    closed = closed_parent(base)
    uid, note = GLANCE_UID, f"it belongs to UID {GLANCE_UID}, whom the services run as"
    if os.geteuid():
        uid = os.geteuid()
        note = f"it belongs to UID {uid}: only root can give it to {GLANCE_UID}"
    elif closed is not None:
        uid = 0
        note = f"it belongs to root: UID {GLANCE_UID} may not pass {closed} (chmod o+x)"
    return {
        "demo_keystone_port": keystone_port,
        "demo_glance_port": glance_port,
        "demo_pool_port": pool_port,
        "demo_uid": uid,
        "demo_note": note,
        "demo_passwords": {name: secrets.token_urlsafe(18) for name in ("admin", "glance", "alice", "bob", "pool")},
    }


def completed(chosen: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    passwords = {**chosen["demo_passwords"], **known.get("demo_passwords", {})}
    return {**chosen, **known, "demo_passwords": passwords}


def main() -> None:
    target, only_shown = Path(sys.argv[1]).resolve(), "--show" in sys.argv[2:]
    known = json.loads(target.read_text()) if target.exists() else {}
    settings = completed(choose(target.parent), known)
    if only_shown:
        print(json.dumps(settings))
        return
    if settings == known:
        return
    partial = target.with_suffix(".partial")
    descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(settings, stream, indent=2)
    partial.replace(target)
    print("changed")


if __name__ == "__main__":
    main()

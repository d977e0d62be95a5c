# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""VMDKs by qemu-img. Only those that hold all of their data themselves: others name files of this host, and qemu-img would follow.

Source: VMware's virtual disk format 5.0.
"""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Callable
from typing import IO

from .disk import broken

_HEADER = struct.Struct("<4sIIQQQQ")
_MOST_DESCRIPTOR = 1024 * 1024
_WHOLE = frozenset({"monolithicsparse", "streamoptimized"})
_ADVICE = "Convert it with: qemu-img convert -O qcow2, on a host that may read all of its files"


# As AnsibleModule.run_command: the command and pass_fds; exit code, output and errors.
RunCommand = Callable[..., "tuple[int, str, str]"]


def convert(packed: IO[bytes], plain: IO[bytes], label: str, run: RunCommand) -> None:
    """Write the disk of a VMDK into another file, both without a name; what is zeros stays a hole."""
    _check(packed, label)
    program = shutil.which("qemu-img")
    if program is None:
        advice = "Install it there (Debian: qemu-utils, Red Hat: qemu-img), or convert the image to qcow2"
        raise broken("vmdk image", label, "vmdk is read by qemu-img, which is not found on this host", advice)
    source, target = packed.fileno(), plain.fileno()
    command = [program, "convert", "-f", "vmdk", "-O", "raw", f"/proc/self/fd/{source}", f"/proc/self/fd/{target}"]
    code, _output, errors = run(command, pass_fds=(source, target))
    if code:
        said = re.sub(r"\S*/proc/self/fd/\d+\S*", "it", " ".join(errors.split()))[-300:]
        raise broken("vmdk image", label, f"qemu-img says: {said or code}")
    plain.seek(0)


def _check(packed: IO[bytes], label: str) -> None:
    packed.seek(0)
    head = packed.read(512)
    if len(head) < 512 or head[:4] != b"KDMV":
        raise broken("vmdk image", label, "it is only a description of a disk whose data is in other files", _ADVICE)
    _magic, _version, _flags, capacity, _grain, at, sectors = _HEADER.unpack(head[: _HEADER.size])
    if not capacity or not at or not sectors or sectors * 512 > _MOST_DESCRIPTOR:
        raise broken("vmdk image", label, "it does not describe the disk that it holds", _ADVICE)
    packed.seek(at * 512)
    text = packed.read(sectors * 512).partition(b"\0")[0].decode("utf-8", "replace")
    kind = re.search(r'^\s*createType\s*=\s*"?([^"\n]*)', text, re.MULTILINE | re.IGNORECASE)
    parent = re.search(r"^\s*parentCID\s*=\s*([0-9a-f]+)", text, re.MULTILINE | re.IGNORECASE)
    if kind is None or kind[1].strip().lower() not in _WHOLE:
        raise broken("vmdk image", label, f"its type '{kind[1].strip()[:40] if kind else ''}' keeps data in other files", _ADVICE)
    if re.search("parentFileNameHint", text, re.IGNORECASE) or (parent is not None and parent[1].lower() != "ffffffff"):
        raise broken("vmdk image", label, "it holds only what differs from a parent", _ADVICE)
    packed.seek(0)

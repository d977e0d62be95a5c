# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Whether an image holds its complete disk in a format that services take, as far as its first bytes tell. What it names is never opened."""

from __future__ import annotations

from . import qcow2, vmdk_format
from .vmdk_format import CONVERT, Broken

_QCOW1, _QED = "qcow1", "qed"
# Glance refuses them whatever is declared.
_NEVER_TAKEN = frozenset({_QCOW1, _QED})


def check_standalone(found: str | None, head: bytes, broken: Broken) -> None:
    """Raise what ``broken`` makes of cause and advice where the data cannot be used by itself; ``found`` is what `sniff` has called it."""
    if found == "qcow2":
        qcow2.check_standalone(head, broken)
    elif found == "vmdk":
        vmdk_format.check_standalone(head, broken)
    elif found in _NEVER_TAKEN:
        # To convert one that names another file would read that file.
        raise broken("no service takes images of that format", CONVERT if _names_a_file(str(found), head) else "Convert it with: qemu-img convert -O qcow2")


def _names_a_file(found: str, head: bytes) -> bool:
    """Whether the header refers to a backing file: by its place in qcow1, by the first of the features in QED."""
    return any(head[8:16]) if found == _QCOW1 else bool(int.from_bytes(head[16:24], "little") & 1)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the qcow2 image of an ordinary disk, some data and the rest empty: demo_disk.py <file>. The collection has to be on PYTHONPATH."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from ansible_collections.xenstack.image_services.plugins.module_utils._disk.disk import RawDisk
from ansible_collections.xenstack.image_services.plugins.module_utils._disk.qcow2_writer import Qcow2Writer

MIB = 1 << 20
DISK = 256 * MIB
DATA = 16 * MIB


def main() -> None:
    target = Path(sys.argv[1])
    partial = target.with_suffix(".partial")
    with tempfile.TemporaryFile(dir=target.parent) as raw:
        raw.write(os.urandom(DATA))
        raw.truncate(DISK)
        with partial.open("wb") as stream:
            stream.writelines(Qcow2Writer(RawDisk(raw, "disk")))
    partial.replace(target)


if __name__ == "__main__":
    main()

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One executable file out of a directory of Python modules, for a host whose Python nobody knows beforehand."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterator, Sequence

# The first of them that the host has runs the modules.
INTERPRETERS = ("python3", "python2", "python", "python2.7")
PREAMBLE = """#!/bin/sh
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# A zip of Python modules follows this text: «unzip -l» lists them.
for python in {interpreters}; do
    if command -v "$python" >/dev/null 2>&1; then
        exec "$python" "$0" "$@"
    fi
done
echo "No Python to run $0 with: looked for {interpreters}." >&2
exit 127
"""
# The oldest date that a zip knows: the bytes depend on the modules alone.
EPOCH = (1980, 1, 1, 0, 0, 0)


def build(directory: str, interpreters: Sequence[str] = INTERPRETERS) -> bytes:
    """The same bytes for the same modules, on every controller: nothing is compressed, since compressors differ."""
    if not os.path.isfile(os.path.join(directory, "__main__.py")):
        raise ValueError(f"Cannot build a plugin of '{directory}': it has no __main__.py.")
    made = io.BytesIO()
    made.write(PREAMBLE.format(interpreters=" ".join(interpreters)).encode())
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(modules(directory)):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # whatever system the controller is
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            with open(os.path.join(directory, name), "rb") as stream:
                archive.writestr(entry, stream.read())
    return made.getvalue()


def modules(directory: str) -> Iterator[str]:
    """Names of the modules, with slashes, relative to the directory."""
    for place, folders, files in os.walk(directory):
        folders[:] = [folder for folder in folders if folder != "__pycache__"]
        for file in files:
            if file.endswith(".py"):
                yield os.path.relpath(os.path.join(place, file), directory).replace(os.sep, "/")

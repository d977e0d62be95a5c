# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One executable file out of a directory of Python modules, for a host whose Python is not known beforehand."""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator, Sequence

# The first of them that the host has runs the modules.
INTERPRETERS = ("python3", "python2", "python", "python2.7")
# In one of the first lines of a plugin of this collection, before its name and, where its modules tell one, its version.
MARKER = "# xenstack.image_services dom0 plugin "
VERSION = re.compile(rb'^VERSION = "([0-9A-Za-z.+-]+)"$', re.MULTILINE)
PREAMBLE = """#!/bin/sh
{marker}
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
    contents = {name: _read(os.path.join(directory, name)) for name in sorted(modules(directory))}
    versions = [found[1].decode() for found in map(VERSION.search, contents.values()) if found]
    marker = " ".join([MARKER.rstrip(), os.path.basename(os.path.abspath(directory)), *versions[:1]])
    buffer = io.BytesIO()
    buffer.write(PREAMBLE.format(marker=marker, interpreters=" ".join(interpreters)).encode())
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # whatever system the controller is
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def modules(directory: str) -> Iterator[str]:
    """Names of the modules, with slashes, relative to the directory."""
    for place, folders, files in os.walk(directory):
        folders[:] = [folder for folder in folders if folder != "__pycache__"]
        for file in files:
            if file.endswith(".py"):
                yield os.path.relpath(os.path.join(place, file), directory).replace(os.sep, "/")

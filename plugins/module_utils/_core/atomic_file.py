# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A file that is made beside its place, so that it can be moved there when it is whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def beside(directory: str, name: str, suffix: str = ".part") -> Iterator[tuple[str, int]]:
    """A new file in the same directory, gone again unless it was moved away."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name[:200]}.", suffix=suffix, dir=directory)
    try:
        yield temporary, descriptor
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(temporary)

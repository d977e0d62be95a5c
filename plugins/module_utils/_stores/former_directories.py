# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Directories that file stores have left: Glance still reads and deletes the images that are there. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from .._core.ini import literal, parse
from .configured import backends
from .declaration import split_priority
from .paths import normal

# As the role writes them into the addition to Glance's unit.
WRITABLE = re.compile(r"^ReadWritePaths=([\"'])-(.*)\1$", re.MULTILINE)


def former_directories(current: Collection[str], deployed: str, unit: str) -> list[str]:
    """What the deployed configuration or the unit names and the new configuration does not.

    The unit remembers directories of earlier configurations, because the role keeps them there until they are empty.
    """
    kept = {normal(path) for path in current}
    named = [*_configured(deployed), *(path.replace("%%", "%") for _quote, path in WRITABLE.findall(unit))]
    return [path for path in dict.fromkeys(normal(path) for path in named) if path.startswith("/") and path not in kept]


def _configured(deployed: str) -> Iterator[str]:
    sections = parse(deployed)
    for store, kind in backends(deployed).items():
        if kind == "file":
            options = sections.get(store, {})
            yield from (literal(value) for value in options.get("filesystem_store_datadir", [])[-1:] if literal(value))
            yield from (split_priority(literal(value))[0] for value in options.get("filesystem_store_datadirs", []))

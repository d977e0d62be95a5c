# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""unpack.py <program.json> <directory>: makes the directory hold the files that the JSON object names, and no others of the package."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def unpack(program: Path, directory: Path) -> bool:
    """Whether anything had to be written or removed."""
    wanted = {directory / name: text for name, text in json.loads(program.read_text(encoding="utf-8")).items()}
    here = {path for path in directory.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    stale = here - set(wanted)
    new = {path: text for path, text in wanted.items() if path not in here or path.read_text(encoding="utf-8") != text}
    for path in stale:
        path.unlink()
    for path, text in new.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return bool(stale or new)


if __name__ == "__main__":
    print("changed" if unpack(Path(sys.argv[1]), Path(sys.argv[2])) else "same")

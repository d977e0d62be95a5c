# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Files of a configuration as they are read on their host, before anything is planned."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from .accounts import uid_of
from .errors import cannot
from .runner import ReadJob


def matching(directory: str, names: Collection[str]) -> list[str]:
    """The paths in a directory whose names fit a pattern, in their order; no directory has none. As in a shell, a pattern finds no hidden name."""
    try:
        found = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise cannot("read", "directory", directory, os.strerror(exc.errno or 0), "Run the task as a user who may read it", code="unreadable") from exc
    return [os.path.join(directory, name) for name in found if not name.startswith(".") and any(fnmatchcase(name, pattern) for pattern in names)]


def read(paths: Iterable[str]) -> list[dict[str, Any]]:
    """Path with and without links, content in base64 and mode of each file that exists; a link is followed, and anything but a file is left out."""
    files = []
    for path in paths:
        try:
            # Nothing that is not a file is opened: a pipe would wait for who writes to it.
            if not stat.S_ISREG(os.stat(path).st_mode):
                continue
            with open(path, "rb") as stream:
                content, mode = stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            raise cannot("read", "file", path, os.strerror(exc.errno or 0), "Run the task as a user who may read it", code="unreadable") from exc
        encoded = base64.b64encode(content).decode("ascii")
        files.append({"path": path, "real_path": os.path.realpath(path), "content": encoded, "mode": f"{mode:04o}"})
    return files


def texts(files: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What was read, by path; bytes that are no UTF-8 survive when the text is written again."""
    return {str(file["path"]): base64.b64decode(file["content"]).decode("utf-8", "surrogateescape") for file in files}


class ConfigFilesInfoJob(ReadJob["dict[str, Any]"]):
    """The work of the module config_files_info."""

    def look(self) -> dict[str, Any]:
        found = [path for pattern in self.params["patterns"] for path in matching(pattern["directory"], pattern["names"])]
        directories = [path for path in self.params["directories"] if os.path.isdir(path)]
        users = {name: uid_of(name) for name in self.params["users"]}
        return {"files": read([*self.params["files"], *found]), "directories": directories, "users": users, "uid": os.geteuid()}

    def shown(self, seen: dict[str, Any]) -> dict[str, Any]:
        return seen

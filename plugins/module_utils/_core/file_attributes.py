# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Owner, group, mode and the like of a file, as Ansible's own modules keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule


class FileAttributes:
    """Of what the options of a module with ``add_file_common_args`` say, or other options of the same names."""

    def __init__(self, module: AnsibleModule, given: Mapping[str, Any] | None = None) -> None:
        self._module = module
        self._given = module.params if given is None else given

    def move(self, temporary: str, path: str) -> None:
        self._module.atomic_move(temporary, path, unsafe_writes=bool(self._given.get("unsafe_writes")))

    def keep_copy(self, path: str) -> str:
        """A copy of the file beside it, with the time in its name; its path."""
        return str(self._module.backup_local(path))

    def settle(self, path: str, changed: bool, diff: dict[str, Any] | None) -> bool:
        arguments = self._module.load_file_common_arguments(self._given, path=path)
        return bool(self._module.set_fs_attributes_if_different(arguments, changed, diff))

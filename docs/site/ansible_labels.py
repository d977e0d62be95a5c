# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives Sphinx the labels of Ansible's own documentation that pages refer to: the site is built without a network, and a wrong label is an error."""

from __future__ import annotations

import zlib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

ADDRESS = "https://docs.ansible.com/projects/ansible/latest/"
PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
PLUGINS = {
    "ansible.builtin": ["copy_module", "file_module", "pip_module", "raw_module"],
    "openstack.cloud": ["image_info_module", "image_module"],
}


def inventory() -> bytes:
    lines = [f"{label} std:label -1 {page} -" for label, page in PAGES.items()]
    for collection, plugins in PLUGINS.items():
        directory = f"collections/{collection.replace('.', '/')}"
        lines += [f"ansible_collections.{collection}.{plugin} std:label -1 {directory}/{plugin}.html {collection}.{plugin}" for plugin in plugins]
    head = "# Sphinx inventory version 2\n# Project: Ansible\n# Version: latest\n# The remainder of this file is compressed using zlib.\n"
    return head.encode() + zlib.compress(("\n".join(lines) + "\n").encode())


def declare(app: Sphinx, config: Config) -> None:
    path = Path(app.srcdir, "ansible.inv")
    path.write_bytes(inventory())
    config.intersphinx_mapping = {"ansible": (ADDRESS, str(path))}


def setup(app: Sphinx) -> dict[str, bool]:
    # Before intersphinx reads its own settings.
    app.connect("config-inited", declare, priority=1)
    return {"parallel_read_safe": True}

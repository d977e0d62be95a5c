# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: why uv or pip could not install packages, and what to do."""

from __future__ import annotations

DOCUMENTATION = r"""
name: install_failure
short_description: Describe why Python packages could not be installed
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Returns cause and advice for a failed run of uv or pip, from what it printed. The role C(wsgi_service) uses it for Glance and Keystone.
positional: _input
options:
  _input:
    description: The result of the task that ran uv or pip.
    type: dict
    required: true
  directory:
    description: Directory of wheels that the packages were to come from, empty for a package index.
    type: str
    default: ""
seealso:
  - plugin: xenstack.image_services.failure_text
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Install a package from a directory
  ansible.builtin.command:
    argv: [/opt/glance/uv/bin/pip, install, --no-index, --find-links, /srv/wheels, our-filter]
  register: installed
  changed_when: true
  failed_when: false

- name: Report why the installation failed
  ansible.builtin.fail:
    msg: "Cannot install our-filter: {{ installed | xenstack.image_services.install_failure('/srv/wheels') }}"
  when: installed.rc != 0
"""

RETURN = r"""
_value:
  description: The cause and what to do about it, as two sentences without the verb and the object.
  type: str
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.xenstack.image_services.plugins.filter.failure_text import failure_text

PACKAGE = r"(?P<package>[\w.+!-]+(?:==[\w.+!-]+)?)"
# What uv and pip print of a package that is nowhere, or in no file for this Python and architecture.
ABSENT = [
    re.compile(rf"{PACKAGE} (?:was not found in the provided|has no (?:wheels|usable wheels|source))"),
    re.compile(rf"there is no version of {PACKAGE}"),
    re.compile(rf"No matching distribution found for {PACKAGE}"),
]
ALTERED = [re.compile(rf"Hash mismatch for .{PACKAGE}"), re.compile(rf"tampered with them\. {PACKAGE}")]
UNTRUSTED = re.compile(r"UnknownIssuer|certificate verify failed|CERTIFICATE_VERIFY_FAILED|invalid peer certificate", re.IGNORECASE)

REFILL = (
    "Fill it with 'pip download' and the lock files of the roles, as the guide 'Hosts without the internet' says, for the Python and architecture of this host."
)


def install_failure(result: Mapping[str, Any], directory: str = "") -> str:
    said = " ".join(str(result.get("stderr") or "").split())
    if directory:
        return _of_directory(said, result, directory)
    if UNTRUSTED.search(said):
        return (
            "the certificate of the package index, or of the proxy in front of it, is signed by an authority that this host does not trust. Add the authority "
            "to those of the host, or set the variable of the role that ends in _index_ca_cert."
        )
    advice = "Check that the host reaches the package index; the variables of the role that end in _index_url and _index_proxy set another one."
    return f"{failure_text(result)} {advice}"


def _of_directory(said: str, result: Mapping[str, Any], directory: str) -> str:
    absent, altered = _first(ABSENT, said), _first(ALTERED, said)
    if absent:
        return f"directory '{directory}' has no package '{absent}' that this host can use. {REFILL}"
    if altered:
        cause = f"package '{altered}' in directory '{directory}' does not have the digest of the lock file"
        return f"{cause}. Remove the file, and find out where it is from. {REFILL}"
    return f"{failure_text(result)} The packages are in directory '{directory}'. {REFILL}"


def _first(patterns: list[re.Pattern[str]], said: str) -> str:
    return next((found["package"].rstrip(".") for found in (pattern.search(said) for pattern in patterns) if found), "")


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"install_failure": install_failure}

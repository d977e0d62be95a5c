# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the database of a service, from a URL or from fields."""

from __future__ import annotations

DOCUMENTATION = r"""
name: database_url
short_description: Write the URL of a database, and tell what it needs
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Gives the URL of SQLAlchemy for a database in fields. User and password may hold any character.
  - A URL is returned as it is, and read as SQLAlchemy reads it.
  - What cannot be used is a finding. No finding repeats a part of a password.
positional: _input
options:
  _input:
    description:
      - A URL, or a dictionary with C(type) (C(mysql) or C(postgresql)), C(host), C(port), C(user), C(password), C(name) and C(ca_cert).
    type: raw
    required: true
  label:
    description: Name of the variable, for findings.
    type: str
    default: database
  drivers:
    description: Whether only drivers are accepted that the roles of this collection install.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Write the URL of a database
  ansible.builtin.set_fact:
    connection: "{{ (fields | xenstack.image_services.database_url).url }}"
  vars:
    fields:
      type: postgresql
      host: db.example.org
      user: glance
      password: "{{ vault_password }}"
      name: glance
  no_log: true
"""

RETURN = r"""
_value:
  description: What is known of the database.
  type: dict
  contains:
    url:
      description: The URL, empty where there are findings.
      type: str
      returned: success
    backend:
      description: Kind of the database, such as V(mysql).
      type: str
      returned: success
    name:
      description: The URL without user and password.
      type: str
      returned: success
    packages:
      description: Python packages of the driver.
      type: list
      elements: str
      returned: success
    secrets:
      description: The password, as it is written in the URL and as it reads.
      type: list
      elements: str
      returned: success
    findings:
      description: Why it cannot be used, as sentences.
      type: list
      elements: str
      returned: success
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._core.database_url import database


def database_url(given: str | Mapping[str, Any], label: str = "database", drivers: bool = True) -> dict[str, Any]:
    found = asdict(database(given, label, drivers))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"database_url": database_url}

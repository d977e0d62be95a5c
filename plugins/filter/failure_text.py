# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the cause of a failed task as one sentence, without secrets."""

from __future__ import annotations

DOCUMENTATION = r"""
name: failure_text
short_description: Describe why a task failed
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Returns the error output of a failed command, else the message of the failed module, in one line that ends with a full stop.
  - Of a loop, the failures of all items are joined.
positional: _input
options:
  _input:
    description: The result of a failed task, for example C(ansible_failed_result) in a C(rescue) section.
    type: dict
    required: true
  lines:
    description: How many lines of the error output are used, counted from its end. V(0) uses all lines.
    type: int
    default: 0
  secrets:
    description: Texts that are replaced by C(***).
    type: list
    elements: str
    default: []
  packages_from:
    description:
      - For a run of uv or pip, where the packages were to come from. It is a directory of wheels, or V(index) for a package index.
      - Cause and advice are then those of an installation, for example which package the directory lacks.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Migrate the database, and restore the files if that fails
  block:
    - name: Migrate the database
      ansible.builtin.command: glance-manage db sync
      changed_when: true
  rescue:
    - name: Restore the files
      ansible.builtin.command: restore-files
      changed_when: true

    - name: Report the failure
      ansible.builtin.fail:
        msg: "Cannot migrate the database: {{ ansible_failed_result | xenstack.image_services.failure_text(lines=1) }} The files are restored."

- name: Install a package from a directory
  ansible.builtin.command:
    argv: [/opt/glance/uv/bin/pip, install, --no-index, --find-links, /srv/wheels, our-filter]
  register: installed
  changed_when: true
  failed_when: false

- name: Report why the installation failed
  ansible.builtin.fail:
    msg: "Cannot install our-filter: {{ installed | xenstack.image_services.failure_text(packages_from='/srv/wheels') }}"
  when: installed.rc != 0
"""

RETURN = r"""
_value:
  description: The cause, as a sentence.
  type: str
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.xenstack.image_services.plugins.plugin_utils.install_failure import explain_install

INDEX = "index"
UNKNOWN = "the task failed without a message"
MAX_LENGTH = 2000


def failure_text(result: Mapping[str, Any], lines: int = 0, secrets: Iterable[Any] = (), packages_from: str = "") -> str:
    results = result.get("results")
    failed = [each for each in results if each.get("failed")] if isinstance(results, (list, tuple)) else []
    text = " ".join(dict.fromkeys(_cause(each, lines) for each in failed or [result]))
    for secret in sorted({str(each) for each in secrets if each not in (None, "")}, key=len, reverse=True):
        text = text.replace(secret, "***")
    if len(text) > MAX_LENGTH:
        text = text[:MAX_LENGTH].rstrip() + "…"
    sentence = text if text[-1] in ".!?…" else text + "."
    if not packages_from:
        return sentence
    return explain_install(" ".join(str(result.get("stderr") or "").split()), sentence, "" if packages_from == INDEX else packages_from)


def _cause(result: Mapping[str, Any], lines: int) -> str:
    written = [line for line in str(result.get("stderr") or "").splitlines() if line.strip()]
    return " ".join(" ".join(written[-lines:]).split()) or " ".join(str(result.get("msg") or "").split()) or UNKNOWN


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"failure_text": failure_text}

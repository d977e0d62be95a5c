# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exports in the test's own process: where a test can change what it sees, and libraries are loaded once."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._vdis.export_job import ExportJob
from ansible_collections.xenstack.image_services.tests.support.xapi import PASSWORD, PoolUnderTest


class Exporter:
    """The job of xen_vdi_export; a failure that is no sentence of ours ends the test."""

    def __init__(self, pool: PoolUnderTest, **usual: Any) -> None:
        self._pool = pool
        self._usual = usual

    def __call__(self, check: bool = False, **given: Any) -> dict[str, Any]:
        options = dict.fromkeys(("vdi", "vm", "device", "base", "format", "image", "glance", "dest", "uri", "headers", "fingerprint"))
        usual = {"username": "root", "validate_certs": True, "timeout": 600, "snapshot": True, "compression_level": 1}
        return carry_out(ExportJob({**options, **usual, **self._usual, **self._pool.options(**given)}, self, lambda sent, size: None), check)

    def refused(self, **given: Any) -> str:
        """The sentence with which it has failed; nothing where it has succeeded."""
        try:
            self(**given)
        except ImageServicesError as exc:
            sentence = str(exc)
        else:
            return ""
        assert sentence.startswith("Cannot "), sentence
        assert PASSWORD not in sentence
        return sentence

    # What Ansible itself does with files.

    def move(self, temporary: str, path: str) -> None:
        os.replace(temporary, path)

    def settle(self, path: str, changed: bool, diff: dict[str, Any] | None) -> bool:
        return changed

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The module class that keeps secrets within its options out of logs and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .argspec import ArgumentSpec


class SecretMaskingModule(AnsibleModule):
    """Knows the secrets within its options before the first line about them is logged.

    ``no_log`` on whole dictionaries would mask user and project names in every result.
    """

    def __init__(self, spec: ArgumentSpec, secrets: Callable[[Mapping[str, Any]], Iterable[str]], **kwargs: Any) -> None:
        self._secrets = secrets
        super().__init__(**spec.module_kwargs(), **kwargs)

    def _log_invocation(self) -> None:
        self._know_secrets()
        super()._log_invocation()

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        # Options that Ansible itself refuses are in its answer, and nothing has been logged by then.
        self._know_secrets()
        super().fail_json(msg, **kwargs)

    def _know_secrets(self) -> None:
        self.no_log_values.update(self._secrets(self.params))

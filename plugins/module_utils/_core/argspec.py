# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Argument specs that can be merged without changing either side, and the module class that keeps the secrets within options out of logs and answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule

Rules = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class ArgumentSpec:
    """What ``AnsibleModule`` needs to know of a module's options."""

    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mutually_exclusive: Rules = ()
    required_together: Rules = ()
    required_one_of: Rules = ()
    required_if: Rules = ()
    required_by: Mapping[str, Any] = field(default_factory=dict)

    def merge(self, other: ArgumentSpec) -> ArgumentSpec:
        """A new spec with both; an option named in both is a programming error."""
        twice = set(self.options) & set(other.options)
        if twice:
            raise ValueError(f"options defined twice: {sorted(twice)}")
        return ArgumentSpec(
            options={**self.options, **other.options},
            mutually_exclusive=(*self.mutually_exclusive, *other.mutually_exclusive),
            required_together=(*self.required_together, *other.required_together),
            required_one_of=(*self.required_one_of, *other.required_one_of),
            required_if=(*self.required_if, *other.required_if),
            required_by={**self.required_by, **other.required_by},
        )

    def module_kwargs(self) -> dict[str, Any]:
        """Keyword arguments for ``AnsibleModule``."""
        return {
            "argument_spec": {name: dict(option) for name, option in self.options.items()},
            "mutually_exclusive": [list(rule) for rule in self.mutually_exclusive],
            "required_together": [list(rule) for rule in self.required_together],
            "required_one_of": [list(rule) for rule in self.required_one_of],
            "required_if": [list(rule) for rule in self.required_if],
            "required_by": dict(self.required_by),
        }


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

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The shape of every module's work, and the one place that runs it and turns our one exception into a failure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Generic, TypeVar

from ansible.module_utils.basic import AnsibleModule

from .errors import ImageServicesError
from .identifiers import refuse_blank
from .parent import ending_with_parent
from .signals import signals_as_errors

Params = Mapping[str, Any]
Seen = TypeVar("Seen")
Plan = TypeVar("Plan")
Done = TypeVar("Done")


class Job(ABC, Generic[Seen, Plan, Done]):
    """The work of one module in four steps, each of which gets what those before it have returned.

    ``__init__`` checks the options and sends no request. Only ``apply`` changes something.
    """

    def __init__(self, params: Params) -> None:
        self.params = params
        # Sessions and the like that a step opens; closed after the last step, whatever ends the job.
        self.opened = ExitStack()

    @classmethod
    def of(cls, module: AnsibleModule) -> Job[Seen, Plan, Done]:
        """The job of a module's options."""
        return cls(module.params)

    @abstractmethod
    def look(self) -> Seen:
        """Read what exists."""

    @abstractmethod
    def plan(self, seen: Seen) -> Plan:
        """Compare it with what is declared; refuse what cannot be done."""

    def must_apply(self, plan: Plan) -> bool:
        """Whether the plan has anything to do."""
        return bool(getattr(plan, "changed", False))

    @abstractmethod
    def apply(self, seen: Seen, plan: Plan) -> Done:
        """Carry out the plan."""

    @abstractmethod
    def result(self, seen: Seen, plan: Plan, done: Done | None) -> dict[str, Any]:
        """The module's result; ``done`` is None where nothing was to do, and in check mode, which predicts."""


class ReadJob(Job[Seen, None, None]):
    """The work of a module that changes nothing: it looks, and returns what it has seen."""

    def plan(self, seen: Seen) -> None:
        return None

    def apply(self, seen: Seen, plan: None) -> None:
        return None

    def result(self, seen: Seen, plan: None, done: None) -> dict[str, Any]:
        return {"changed": False, **self.shown(seen)}

    @abstractmethod
    def shown(self, seen: Seen) -> dict[str, Any]:
        """What the module returns besides ``changed``."""


def carry_out(job: Job[Any, Any, Any], check_mode: bool) -> dict[str, Any]:
    """Run the steps of a job. No other place decides by check mode whether something is changed."""
    with job.opened:
        seen = job.look()
        plan = job.plan(seen)
        done = job.apply(seen, plan) if job.must_apply(plan) and not check_mode else None
        return job.result(seen, plan, done)


def run(module: AnsibleModule, job: type[Job[Any, Any, Any]]) -> None:
    """Refuse names that name nothing; exit with the result of the job, its ``warnings`` as warnings, or fail with its sentence and structured error.

    A signal that ends the task, and the end of the process that waits for it, let the job remove what is incomplete first.
    """
    try:
        refuse_blank(module.argument_spec, module.params, module.required_one_of or ())
        with signals_as_errors("finish", "task", module._name), ending_with_parent():
            result = carry_out(job.of(module), module.check_mode)
    except ImageServicesError as exc:
        module.fail_json(**exc.as_result())
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(**result)

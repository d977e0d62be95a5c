# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module has one shape: main() runs one job, whose steps are look, plan, apply and result."""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import Job, carry_out
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

MODULES = "ansible_collections.xenstack.image_services.plugins.modules"
# Their work is done by action plugins.
NAMES = sorted({path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")} - {"glance_stores_plan", "xen_dom0_plugin"})


@pytest.mark.parametrize("name", NAMES)
def test_main_runs_one_job(name: str) -> None:
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8"))
    (main,) = (part for part in tree.body if isinstance(part, ast.FunctionDef) and part.name == "main")
    call = main.body[-1].value if isinstance(main.body[-1], ast.Expr) else None
    assert isinstance(call, ast.Call)
    assert ast.unparse(call.func) == "run"
    job = getattr(importlib.import_module(f"{MODULES}.{name}"), ast.unparse(call.args[1]))
    assert issubclass(job, Job)
    assert job.__name__.endswith("Job")
    assert not any(isinstance(part, (ast.FunctionDef, ast.Lambda)) for part in ast.walk(main) if part is not main)


@dataclass
class Planned:
    changed: bool


class Recorded(Job[str, Planned, str]):
    def __init__(self, changed: bool) -> None:
        super().__init__({})
        self.steps: list[str] = []
        self._changed = changed

    def look(self) -> str:
        self.opened.callback(self.steps.append, "close")
        self.steps.append("look")
        return "seen"

    def plan(self, seen: str) -> Planned:
        self.steps.append("plan")
        return Planned(self._changed)

    def apply(self, seen: str, plan: Planned) -> str:
        self.steps.append("apply")
        return "done"

    def result(self, seen: str, plan: Planned, done: str | None) -> dict[str, Any]:
        self.steps.append("result")
        return {"changed": plan.changed, "done": done}


@pytest.mark.parametrize(
    ("changed", "check_mode", "steps", "done"),
    [
        (True, False, "look plan apply result close", "done"),
        (True, True, "look plan result close", None),
        (False, False, "look plan result close", None),
        (False, True, "look plan result close", None),
    ],
)
def test_only_a_plan_with_changes_is_applied_and_never_in_check_mode(changed: bool, check_mode: bool, steps: str, done: str | None) -> None:
    job = Recorded(changed)
    assert carry_out(job, check_mode) == {"changed": changed, "done": done}
    assert " ".join(job.steps) == steps


def test_what_a_step_opened_is_closed_where_the_next_one_fails() -> None:
    class Failing(Recorded):
        def plan(self, seen: str) -> Planned:
            raise ValueError("no plan")

    job = Failing(True)
    with pytest.raises(ValueError, match="no plan"):
        carry_out(job, False)
    assert job.steps == ["look", "close"]

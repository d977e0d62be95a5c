# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows and hooks run targets of the Makefile and nothing else, all that .ci/run runs, and actions that are pinned by a hash."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):(?!=)", MAKEFILE, re.MULTILINE))


def steps(workflow: Path) -> Iterator[dict[str, Any]]:
    for job in yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values():
        yield from job["steps"]


def targets(command: str) -> set[str]:
    """What a command of make makes; options and variables are not targets."""
    make, *words = shlex.split(command)
    assert make == "make", command
    return {word for word in words if not word.startswith("-") and "=" not in word}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda workflow: workflow.stem)
def test_steps_run_make_or_a_pinned_action(workflow: Path) -> None:
    for step in steps(workflow):
        if "run" in step:
            assert targets(step["run"]) <= TARGETS
        else:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])


def test_hooks_run_make() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert {target for hook in repository["hooks"] for target in targets(hook["entry"])} <= TARGETS


def prerequisites(target: str) -> set[str]:
    """A target with the targets that it stands for."""
    needed = re.search(rf"^{target}:([^#\n]*)", MAKEFILE, re.MULTILINE)
    return {target}.union(*(prerequisites(name) for name in (needed[1].split() if needed else []) if name in TARGETS))


def test_workflows_run_what_ci_runs() -> None:
    (ci,) = [workflow for workflow in WORKFLOWS if workflow.stem == "ci"]
    run = set().union(*(prerequisites(target) for step in steps(ci) if "run" in step for target in targets(step["run"])))
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    wanted = {target for command in re.findall(r"^step [a-z-]+ (make .+?)(?: &)?$", script, re.MULTILINE) for target in targets(command) if target in TARGETS}
    checks = re.search(r"^for check in (.+); do$", script, re.MULTILINE)
    assert checks
    wanted |= {f"lint-{check}" for check in checks[1].split()}
    # The tests are split between jobs.
    assert wanted - {"test"} <= run
    assert prerequisites("test") - {"test"} <= run
    assert len(wanted) > 12


def test_lint_is_all_that_ci_lints() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    checks = re.search(r"^for check in (.+); do$", script, re.MULTILINE)
    assert checks
    assert {f"lint-{check}" for check in checks[1].split()} == prerequisites("lint") - {"lint"}

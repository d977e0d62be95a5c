# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What these tests share with the others."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import TypeVar

Result = TypeVar("Result")


def helper(name: str) -> ModuleType:
    """One of tests/support, by its file: what lies beside it is for the environment of Ansible."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[3] / "support" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def at_once(work: Callable[[int], Result], count: int) -> list[Result]:
    """What each of so many threads gives, which all start together; the first one's problem is the test's."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Result:
        barrier.wait(60)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))

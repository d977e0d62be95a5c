# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What these tests share with the others."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType


def helper(name: str) -> ModuleType:
    """One of tests/support, by its file: what lies beside it is for the environment of Ansible."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[3] / "support" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

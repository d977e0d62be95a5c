# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every attribute of an object is created in __init__ (or declared in the class), so that a reader finds all of its state in one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

# Attributes that a base class of the standard library creates.
INHERITED = {"Transport": {"_connection", "_extra_headers"}, "PlainConnection": {"timeout"}, "Pool": {"_session"}}
FILES = sorted(path for folder in ("module_utils", "plugin_utils") for path in (ROOT / "plugins" / folder).rglob("*.py") if path.name != "__init__.py")
BIRTH = ("__init__", "__post_init__")


def assigned(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Attributes of self that are assigned below the node, with their lines."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store) and isinstance(part.value, ast.Name) and part.value.id == "self":
            yield part.attr, part.lineno


def declared(cls: ast.ClassDef) -> Iterator[str]:
    for part in cls.body:
        targets = [part.target] if isinstance(part, ast.AnnAssign) else part.targets if isinstance(part, ast.Assign) else []
        yield from (target.id for target in targets if isinstance(target, ast.Name))
        if isinstance(part, ast.FunctionDef) and part.name in BIRTH:
            yield from (name for name, _line in assigned(part))


def late(source: str) -> Iterator[tuple[int, str, str]]:
    """Line, class and name of attributes that come into being after __init__."""
    classes = {part.name: part for part in ast.walk(ast.parse(source)) if isinstance(part, ast.ClassDef)}
    for name, cls in classes.items():
        line_of_descent = [cls, *(classes[base.id] for base in cls.bases if isinstance(base, ast.Name) and base.id in classes)]
        known = {attribute for each in line_of_descent for attribute in declared(each)} | INHERITED.get(name, set())
        for method in cls.body:
            if isinstance(method, ast.FunctionDef) and method.name not in BIRTH:
                yield from ((line, name, attribute) for attribute, line in assigned(method) if attribute not in known)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "plugins")))
def test_no_attribute_is_created_outside_init(path: Path) -> None:
    assert list(late(path.read_text(encoding="utf-8"))) == []


def test_a_late_attribute_is_found() -> None:
    source = "class A:\n    def __init__(self):\n        self.a = 1\n    def b(self):\n        self.a = 2\n        self.c, d = 3, 4\n"
    assert list(late(source)) == [(6, "A", "c")]
    assert list(late(source + "class B(A):\n    def e(self):\n        self.a = 3\n        with open('f') as self.f:\n            pass\n"))[1:] == [
        (10, "B", "f")
    ]

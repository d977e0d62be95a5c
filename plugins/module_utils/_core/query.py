# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""JMESPath expressions that shape what an info module returns."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from .argspec import ArgumentSpec
from .errors import ImageServicesError

try:
    import jmespath
    from jmespath.exceptions import JMESPathError
except ImportError:
    JMESPATH_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    JMESPATH_IMPORT_ERROR = None


def create_query_argspec() -> ArgumentSpec:
    return ArgumentSpec(options={"query": {"type": "str"}})


def compile_query(expression: str | None) -> Callable[[Any], Any]:
    """Refuse a bad expression before anything is asked of a server; without one the data passes unchanged."""
    if expression is None:
        return lambda data: data
    if JMESPATH_IMPORT_ERROR is not None:
        raise ImageServicesError(missing_required_lib("jmespath", reason="for the option 'query'"))
    try:
        compiled = jmespath.compile(expression)
    except JMESPathError as exc:
        raise _bad_query(expression, exc) from exc

    def search(data: Any) -> Any:
        try:
            return compiled.search(data)
        except JMESPathError as exc:
            raise _bad_query(expression, exc) from exc

    return search


def _bad_query(expression: str, exc: Exception) -> ImageServicesError:
    cause = " ".join(str(exc).split())
    return ImageServicesError(f"Cannot use query '{expression}': {cause}. Write a JMESPath expression, for example [].id.", code="bad_query")

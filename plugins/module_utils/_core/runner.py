# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Run a module's job and turn our one exception into a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from .errors import ImageServicesError
from .identifiers import refuse_blank
from .parent import ending_with_parent
from .signals import signals_as_errors


def run(module: AnsibleModule, job: Callable[[AnsibleModule], dict[str, Any]]) -> None:
    """Refuse names that name nothing; exit with what ``job`` returns, its ``warnings`` as warnings, or fail with its sentence and structured error.

    A signal that ends the task, and the end of who waits for it, let the job remove what is not complete first.
    """
    try:
        refuse_blank(module.argument_spec, module.params, module.required_one_of or ())
        with signals_as_errors("finish", "task", module._name), ending_with_parent():
            result = job(module)
    except ImageServicesError as exc:
        module.fail_json(**exc.as_result())
    for warning in result.pop("warnings", ()):
        module.warn(warning)
    module.exit_json(**result)

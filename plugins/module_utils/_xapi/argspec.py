# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Options of every module that talks to a pool, and the module class that keeps their secrets out of logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback

from .._common.argspec import ArgumentSpec
from .._glance.argspec import auth_secrets, create_cloud_argspec
from .._plan.xen_sr import is_secret

# One transfer has one patience: that of the pool's side.
LEFT_TO_THE_POOL = frozenset({"timeout", "wait"})


def create_pool_argspec(timeout: int = 600) -> ArgumentSpec:
    """The options of community.general's xenserver modules, under the same names, and ours for certificates."""
    return ArgumentSpec(
        options={
            "hostname": {"type": "str", "required": True, "fallback": (env_fallback, ["XENSERVER_HOST"])},
            "username": {"type": "str", "default": "root", "fallback": (env_fallback, ["XENSERVER_USER"])},
            "password": {"type": "str", "required": True, "no_log": True, "fallback": (env_fallback, ["XENSERVER_PASSWORD"])},
            "validate_certs": {"type": "bool", "default": True, "fallback": (env_fallback, ["XENSERVER_VALIDATE_CERTS"])},
            "ca_path": {"type": "path"},
            "fingerprint": {"type": "list", "elements": "str"},
            "timeout": {"type": "int", "default": timeout},
        }
    )


def create_glance_option() -> ArgumentSpec:
    """The cloud's options in a dictionary of their own: both sides have a validate_certs."""
    options = {name: dict(option) for name, option in create_cloud_argspec().options.items() if name not in LEFT_TO_THE_POOL}
    return ArgumentSpec(options={"glance": {"type": "dict", "options": options}})


class PoolModule(AnsibleModule):
    """Knows the secrets of both sides before the first line about its options is logged."""

    def __init__(self, spec: ArgumentSpec, **kwargs: Any) -> None:
        super().__init__(**spec.module_kwargs(), **kwargs)

    def _log_invocation(self) -> None:
        self._know_secrets()
        super()._log_invocation()

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        # Options that Ansible itself refuses are in its answer, and nothing has been logged by then.
        self._know_secrets()
        super().fail_json(msg, **kwargs)

    def _know_secrets(self) -> None:
        if self.params.get("password"):
            self.no_log_values.add(str(self.params["password"]))
        device_config = self.params.get("device_config")
        if isinstance(device_config, Mapping):
            self.no_log_values.update(str(value) for key, value in device_config.items() if is_secret(key) and value)
        glance = self.params.get("glance")
        if not isinstance(glance, Mapping):
            return
        self.no_log_values.update(auth_secrets(glance.get("auth")))
        cloud = glance.get("cloud")
        if isinstance(cloud, Mapping):
            self.no_log_values.update(auth_secrets(cloud.get("auth")))

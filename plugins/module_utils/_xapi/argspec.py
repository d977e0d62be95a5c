# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Options of every module that talks to a pool, and the module class that keeps their secrets out of logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.basic import env_fallback

from .._core.address import source_secrets
from .._core.argspec import ArgumentSpec, SecretMaskingModule
from .._glance.argspec import cloud_secrets, create_cloud_argspec
from .results import is_secret

# One transfer has one idle timeout: that of the pool's side.
LEFT_TO_THE_POOL = frozenset({"timeout", "wait"})


def create_pool_argspec(timeout: int = 600) -> ArgumentSpec:
    """The options of community.general's xenserver modules, under the same names, and those for certificates."""
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


def pool_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Secrets among the options of a pool, and of the cloud beside it."""
    if params.get("password"):
        yield str(params["password"])
    yield from source_secrets(params)
    device_config = params.get("device_config")
    if isinstance(device_config, Mapping):
        yield from (str(value) for key, value in device_config.items() if is_secret(key) and value)
    glance = params.get("glance")
    if isinstance(glance, Mapping):
        yield from cloud_secrets(glance)


class PoolModule(SecretMaskingModule):
    """A module with the options of a pool."""

    def __init__(self, spec: ArgumentSpec, **kwargs: Any) -> None:
        super().__init__(spec, pool_secrets, **kwargs)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Options of every module that talks to a cloud, and the module class that keeps their secrets out of logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._core.address import source_secrets
from .._core.argspec import ArgumentSpec, SecretMaskingModule
from .cloud_keys import HARMLESS_AUTH_KEYS, may_be_secret


def create_cloud_argspec(timeout: int = 600) -> ArgumentSpec:
    """The options of openstack.cloud's modules, under the same names and aliases."""
    return ArgumentSpec(
        options={
            "cloud": {"type": "raw"},
            "auth": {"type": "dict"},
            "auth_type": {"type": "str"},
            "region_name": {"type": "str"},
            "interface": {"type": "str", "choices": ["admin", "internal", "public"], "aliases": ["endpoint_type"]},
            "validate_certs": {"type": "bool", "aliases": ["verify"]},
            "ca_cert": {"type": "path", "aliases": ["cacert"]},
            "client_cert": {"type": "path", "aliases": ["cert"]},
            "client_key": {"type": "path", "aliases": ["key"], "no_log": False},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": timeout},
            "api_timeout": {"type": "int"},
            "sdk_log_path": {"type": "path"},
            "sdk_log_level": {"type": "str", "choices": ["INFO", "DEBUG"], "default": "INFO"},
        }
    )


def auth_secrets(auth: object) -> Iterator[str]:
    """Every value below an auth dictionary that may be a secret."""
    if not isinstance(auth, Mapping):
        return
    for key, value in auth.items():
        if key not in HARMLESS_AUTH_KEYS:
            yield from _texts(value)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool) and str(value):
        yield str(value)


def cloud_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Secrets among the options of a cloud."""
    yield from auth_secrets(params.get("auth"))
    cloud = params.get("cloud")
    if isinstance(cloud, Mapping):
        yield from auth_secrets(cloud.get("auth"))
        yield from _texts([value for key, value in cloud.items() if may_be_secret(str(key))])


def image_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Secrets among the options of a cloud and of images, those of a list of images included."""
    yield from cloud_secrets(params)
    images = params.get("images")
    for each in (params, params.get("defaults"), *(images if isinstance(images, list) else ())):
        if isinstance(each, Mapping):
            yield from source_secrets(each)


class CloudModule(SecretMaskingModule):
    """A module with the options of a cloud."""

    def __init__(self, spec: ArgumentSpec, **kwargs: Any) -> None:
        super().__init__(spec, image_secrets, **kwargs)

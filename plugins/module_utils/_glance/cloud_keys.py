# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Keys of a cloud that is given as a dictionary, as openstacksdk takes them. It ignores any other without a word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._core.nearest import nearest

# Every other value of an auth dictionary is treated as a secret, those of unknown plugins included.
HARMLESS_AUTH_KEYS = frozenset(
    {
        "application_credential_id",
        "application_credential_name",
        "auth_type",
        "auth_url",
        "default_domain",
        "default_domain_id",
        "default_domain_name",
        "domain_id",
        "domain_name",
        "endpoint",
        "identity_provider",
        "project_domain_id",
        "project_domain_name",
        "project_id",
        "project_name",
        "protocol",
        "system_scope",
        "tenant_id",
        "tenant_name",
        "trust_id",
        "user_domain_id",
        "user_domain_name",
        "user_id",
        "username",
    }
)
# Of Keystone's own plugins.
_SECRETS = frozenset({"application_credential_secret", "auth_token", "passcode", "password", "token"})
_AUTH_KEYS = HARMLESS_AUTH_KEYS | _SECRETS
_CLOUD_KEYS = frozenset(
    {
        "api_timeout",
        "app_name",
        "app_version",
        "auth",
        "auth_methods",
        "auth_plugin",
        "auth_type",
        "cacert",
        "cert",
        "cloud",
        "disable_vendor_agent",
        "endpoint_type",
        "external_network",
        "floating_ip_source",
        "force_ipv4",
        "image_api_use_tasks",
        "image_format",
        "insecure",
        "interface",
        "internal_network",
        "key",
        "load_envvars",
        "load_yaml_config",
        "message",
        "metrics",
        "networks",
        "prefer_ipv6",
        "profile",
        "region_name",
        "regions",
        "requires_floating_ip",
        "secgroup_source",
        "status",
        "timing",
        "vendor_hook",
        "verify",
    }
)
# What may be said of one service, as in image_endpoint_override, and some of it of all services.
_OF_ONE = ("api_version", "default_microversion", "endpoint", "endpoint_override", "endpoint_type", "interface", "region_name", "service_name", "service_type")
_OF_ALL = (
    "connect_retries",
    "connect_retry_delay",
    "max_version",
    "min_version",
    "rate_limit",
    "retriable_status_codes",
    "status_code_retries",
    "status_code_retry_delay",
)
_OF_SERVICE = re.compile(rf"\w+_(?:{'|'.join(_OF_ONE)})|(?:\w+_)?(?:{'|'.join(_OF_ALL)})|has_\w+")
# The services that modules use, for the nearest name.
_NEAR = [f"{service}_{word}" for service in ("identity", "image") for word in (*_OF_ONE, *_OF_ALL)]
# Names of module options for the same.
_OPTIONS = {"ca_cert": "cacert", "validate_certs": "verify", "client_cert": "cert", "client_key": "key", "cafile": "cacert", "region": "region_name"}


def _plain(key: str) -> str:
    """As openstacksdk reads it."""
    return key.replace("-", "_").removeprefix("os_")


def is_cloud_key(key: str) -> bool:
    """Options of the authentication may also be beside auth."""
    return _plain(key) in _CLOUD_KEYS | _AUTH_KEYS or _OF_SERVICE.fullmatch(_plain(key)) is not None


def may_be_secret(key: str) -> bool:
    """Whether a value beside auth has to be masked: an option of the authentication, or a misspelt one."""
    return _plain(key) in _SECRETS or not is_cloud_key(key)


def unknown_cloud_key(cloud: Mapping[Any, Any]) -> tuple[str, str] | None:
    """The first key that no cloud has, and what to do; None where all are known."""
    for key in cloud:
        if isinstance(key, str) and not is_cloud_key(key):
            return key, _advice(key, [*_CLOUD_KEYS, *_AUTH_KEYS, *_OF_ALL, *_NEAR], _OPTIONS)
    return None


def unknown_auth_key(auth: Mapping[Any, Any]) -> tuple[str, str] | None:
    """The same for the options of a password or an application credential."""
    for key in auth:
        if isinstance(key, str) and _plain(key) not in _AUTH_KEYS:
            return key, auth_advice(key)
    return None


def auth_advice(key: str) -> str:
    return _advice(key, _AUTH_KEYS, {})


def _advice(key: str, known: Iterable[str], options: Mapping[str, str]) -> str:
    plain = _plain(key)
    close = options.get(plain) or nearest(plain, known)
    return f"Write {close} instead" if close else "Remove it"

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Settings of a cloud that openstacksdk or keystoneauth would refuse by an exception of Python's: one sentence for each."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .._core.errors import ImageServicesError
from .cloud_keys import auth_advice, unknown_auth_key, unknown_cloud_key

_TEXTS = ("auth_type", "region_name", "interface", "cacert", "cert", "key", "profile")
_FILES = {"cacert": "CA certificates", "cert": "client certificate", "key": "key of the client certificate"}
_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")
_MISSING = re.compile(r"missing \d+ required (?:positional|keyword-only) arguments?: (.+)")
_MAX_CAUSE = 400


def refused(cause: str, advice: str, code: str = "bad_credentials") -> ImageServicesError:
    return ImageServicesError(f"Cannot connect to cloud: {cause.rstrip('.')}. {advice.rstrip('.')}.", code=code)


def check_settings(settings: Mapping[Any, Any]) -> None:
    """Refuse what has the wrong type, and files that are not there. ``settings`` has openstacksdk's names."""
    names = [name for name in settings if not isinstance(name, str)]
    if names:
        raise refused(f"cloud has the key {names[0]!r}, which is not a text", "Correct the key")
    auth = settings.get("auth")
    if auth is not None and (not isinstance(auth, Mapping) or any(not isinstance(key, str) for key in auth)):
        raise refused("auth is not a dictionary", "Give auth as a dictionary with auth_url, username, password and so on")
    if auth is not None and not isinstance(auth.get("auth_url"), (str, type(None))):
        raise refused("auth_url is not a text", "Give the address of the identity service, such as https://identity.example.com/v3")
    for name in _TEXTS:
        if not isinstance(settings.get(name), (str, type(None))):
            raise refused(f"{name} is not a text", f"Correct {name}")
    verify = settings.get("verify")
    if not isinstance(verify, (bool, type(None))):
        raise refused(f"verify is {verify!r}, which is neither true nor false", "Give true or false without quotes, and a file of CA certificates as cacert")
    timeout = settings.get("api_timeout")
    try:
        usable = timeout is None or (not isinstance(timeout, bool) and 0 < float(timeout) < float("inf"))
    except (TypeError, ValueError):
        usable = False
    if not usable:
        raise refused(f"api_timeout is {timeout!r}, which is not a number of seconds", "Give a number above 0")
    for name, kind in _FILES.items():
        path = settings.get(name)
        # Certificate authorities may be a directory.
        if path and not os.access(os.path.expanduser(path), os.R_OK):
            exists = os.path.exists(os.path.expanduser(path))
            cause = "cannot be read by this user" if exists else "does not exist on the host that runs the module"
            raise refused(f"the file of the {kind}, '{path}', {cause}", f"Check {name} (module option {'ca_cert' if name == 'cacert' else 'client_' + name})")


def check_keys(cloud: object, auth: object = None) -> None:
    """Refuse keys of dictionaries that openstacksdk would ignore, or that no password and no application credential has."""
    unknown = unknown_cloud_key(cloud) if isinstance(cloud, Mapping) else None
    if unknown:
        raise refused(f"cloud has the key '{unknown[0]}', which no cloud has", unknown[1])
    unknown = unknown_auth_key(auth) if isinstance(auth, Mapping) else None
    if unknown:
        raise refused(f"auth has the key '{unknown[0]}', which no password and no application credential has", unknown[1])


def explained(exc: Exception, settings: Mapping[str, Any], secrets: Iterable[str]) -> ImageServicesError:
    """The sentence for what a library has raised; no secret of the settings is in it."""
    if isinstance(exc, ImageServicesError):
        return exc
    auth = settings.get("auth") or {}
    kind = settings.get("auth_type") or "password"
    text = " ".join(str(exc).split())
    unexpected, missing = _UNEXPECTED.search(text), _MISSING.search(text)
    if unexpected and isinstance(exc, TypeError):
        if "password" in auth and any(key.startswith("application_credential") for key in auth):
            return refused("auth has a password beside an application credential", "Give one of the two, and auth_type v3applicationcredential with the latter")
        advice = f"{auth_advice(unexpected[1])}, or give the auth_type that takes it"
        return refused(f"auth has the key '{unexpected[1]}', which auth_type '{kind}' does not take", advice)
    if missing and isinstance(exc, TypeError):
        return refused(f"auth lacks {missing[1]}, which auth_type '{kind}' needs", "Give it")
    for secret in sorted(set(secrets), key=len, reverse=True):
        text = text.replace(secret, "********")
    return refused(text[:_MAX_CAUSE] or "it gives no cause", "Check cloud, auth and the identity service", code=type(exc).__name__)


def file_fault(cloud: str, paths: Iterable[str], load: Any, syntax_error: type[Exception]) -> ImageServicesError | None:
    """What is wrong with the file that names a cloud; None where it says enough.

    openstacksdk skips a file that it cannot read, and then does not find the cloud. ``load`` reads YAML.
    """
    looked = [path for path in paths if os.path.exists(path)]
    for path in looked:
        try:
            with open(path, encoding="utf-8") as stream:
                content = json.load(stream) if path.endswith("json") else load(stream)
        except OSError as exc:
            return refused(f"'{path}' cannot be read: {os.strerror(exc.errno or 0)}", "Check its mode and the user that runs the module")
        except (ValueError, syntax_error) as exc:
            # The text of the error quotes the file, and the file holds passwords.
            mark = getattr(exc, "problem_mark", None)
            line = mark.line + 1 if mark is not None else getattr(exc, "lineno", None)
            return refused(f"'{path}' is not valid {'JSON' if path.endswith('json') else 'YAML'}{f', line {line}' if line else ''}", "Correct the file")
        clouds = content.get("clouds") if isinstance(content, Mapping) else None
        if not isinstance(clouds, Mapping):
            return refused(f"'{path}' has no dictionary 'clouds'", "Correct the file")
        if cloud not in clouds:
            return refused(f"'{path}' has no cloud '{cloud}'", f"It has: {', '.join(sorted(map(str, clouds))) or 'none'}", code="unknown_cloud")
        entry = clouds[cloud]
        if not isinstance(entry, Mapping):
            return refused(f"the entry '{cloud}' of '{path}' is {'empty' if entry is None else 'not a dictionary'}", "Correct the file")
        if "auth" in entry and not isinstance(entry["auth"], Mapping):
            return refused(f"auth of the entry '{cloud}' of '{path}' is {'empty' if entry['auth'] is None else 'not a dictionary'}", "Correct the file")
        return None
    return refused(f"there is no clouds.yaml that names cloud '{cloud}'", looked_for(paths), code="unknown_cloud")


def looked_for(paths: Iterable[str]) -> str:
    """Where a file of clouds would have been found; openstacksdk accepts three names in each directory."""
    places: dict[str, list[str]] = {}
    for path in paths:
        directory, name = os.path.split(path)
        places.setdefault(directory, []).append(name)
    names = ", ".join(dict.fromkeys(name for found in places.values() for name in found))
    return f"Looked for {names} in {', '.join(places)} on the host that runs the module. Environment variable OS_CLIENT_CONFIG_FILE names another file"

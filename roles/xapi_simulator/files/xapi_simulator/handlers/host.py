# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts: their clocks, and the executables that clients may call on them."""

from __future__ import annotations

import subprocess
import time
from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import Error, dumps, loads

from ..context import Context, handler
from ..database import now
from ..errors import Failure, internal

ARGUMENT_LIMIT = 128 * 1024
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@handler("host.get_servertime")
def server_time(context: Context, host: str) -> str:
    context.db.get("host", host)
    return now()


@handler("host.get_server_localtime")
def local_time(context: Context, host: str) -> str:
    context.db.get("host", host)
    return time.strftime("%Y%m%dT%H:%M:%S")


@handler("host.call_plugin", unlocked=True)
def call_plugin(context: Context, host: str, plugin: str, function: str, args: dict[str, str]) -> str:
    """Runs the executable of that name as Dom0 does: one argument, an empty environment, an XML-RPC response on standard output."""
    with context.db.lock:
        identity = context.db.get("host", host)["uuid"]
    directory = context.pool.settings.plugins
    if directory and (directory / identity).is_dir():
        directory = directory / identity
    path = directory / plugin if directory and plugin and "/" not in plugin and plugin not in (".", "..") else None
    if path is None or not path.is_file():
        raise Failure("XENAPI_MISSING_PLUGIN", plugin)
    call = dumps((context.session, args), function, allow_none=True)
    if len(call.encode()) >= ARGUMENT_LIMIT:
        raise Failure("XENAPI_PLUGIN_FAILURE", "non-zero exit", "", "")
    try:
        done = subprocess.run([str(path.resolve()), call], stdin=subprocess.DEVNULL, capture_output=True, cwd="/", env={"PATH": PATH}, check=False)
    except OSError as exc:
        raise Failure("XENAPI_PLUGIN_FAILURE", "non-zero exit", "", "") from exc
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        raise Failure("XENAPI_PLUGIN_FAILURE", "non-zero exit", output, done.stderr.decode("utf-8", "replace"))
    try:
        answer: Any = loads(output)[0][0]
        if answer["Status"] == "Success":
            value = answer["Value"]
        else:
            raise Failure(*answer["ErrorDescription"])
    except (Error, ExpatError, LookupError, TypeError, ValueError) as exc:
        raise Failure("XENAPI_PLUGIN_FAILURE", "failed to parse plugin output", output, "") from exc
    if not isinstance(value, str):
        raise internal(f'XMLRPC.RunTimeTypeError("String", {value!r})')
    return value

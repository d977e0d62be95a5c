# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts: their clocks, and the executables that clients may call on them."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from xml.sax.saxutils import escape

from .. import plugin_output
from ..context import Context, handler
from ..database import now
from ..errors import Failure

ARGUMENT_LIMIT = 128 * 1024
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@handler("host.get_servertime")
def server_time(context: Context, host: str) -> str:
    context.db.get("host", host)
    return now()


@handler("host.get_server_localtime")
def local_time(context: Context, host: str) -> str:
    context.db.get("host", host)
    return time.strftime("%Y%m%dT%H:%M:%S")


def plugin_call(function: str, session: str, args: dict[str, str]) -> str:
    """As the server spells it: without a prologue, line ends or the word string, and with no character that XML does not know."""
    members = "".join(f"<member><name>{escaped(key)}</name>{value(text)}</member>" for key, text in args.items())
    params = f"<param>{value(session)}</param><param><value><struct>{members}</struct></value></param>"
    return f"<methodCall><methodName>{escaped(function)}</methodName><params>{params}</params></methodCall>"


def value(text: str) -> str:
    return f"<value>{escaped(text)}</value>" if text else "<value/>"


def escaped(text: str) -> str:
    return CONTROL.sub("", escape(text, {'"': "&quot;"}))


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
    call = plugin_call(function, context.session, args)
    if len(call.encode()) >= ARGUMENT_LIMIT:
        raise Failure("XENAPI_PLUGIN_FAILURE", "non-zero exit", "", "")
    try:
        done = subprocess.run([str(path.resolve()), call], stdin=subprocess.DEVNULL, capture_output=True, cwd="/", env={"PATH": PATH}, check=False)
    except OSError as exc:
        raise Failure("XENAPI_PLUGIN_FAILURE", "non-zero exit", "", "") from exc
    if done.returncode:
        ended = "non-zero exit" if done.returncode > 0 else f"signal: {signal.Signals(-done.returncode).name}"
        raise Failure("XENAPI_PLUGIN_FAILURE", ended, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
    return plugin_output.result(done.stdout)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A call of a plugin as XAPI makes it: an XML-RPC call as the one argument, an XML-RPC answer on standard output. Pure: no I/O."""

from __future__ import annotations

import json
import xmlrpc.client
from typing import Any
from xml.parsers.expat import ExpatError

from ..module_utils._core.errors import ImageServicesError, cannot

# No session of this reference exists, so that the plugin can ask nothing of XAPI by it.
NO_SESSION = "OpaqueRef:NULL"
# Python reads the parameters alone too, and XAPI refuses them.
RESPONSE = "<methodResponse>"


def version_call() -> str:
    """On one line."""
    call = xmlrpc.client.dumps((NO_SESSION, {"params": "{}"}), "version")
    return "".join(line.strip() for line in call.splitlines())


def read_version(name: str, answer: str) -> dict[str, Any]:
    """What the plugin tells of itself: nothing, if it has no such function, but then it has shown that it runs."""
    try:
        if RESPONSE not in answer:
            raise ValueError(answer)
        values, dummy = xmlrpc.client.loads(answer.strip())
        told: Any = values[0]
        if told["Status"] != "Success":
            code, *params = told["ErrorDescription"]
            if code == "UNKNOWN_XENAPI_PLUGIN_FUNCTION":
                return {}
            raise refused(name, f"it answered {' '.join([code, *params])}")
        version = json.loads(told["Value"])
    except (xmlrpc.client.Error, ExpatError, LookupError, TypeError, ValueError) as exc:
        raise refused(name, f"its answer is not that of a plugin ({answer.strip()[:200] or 'it is empty'})") from exc
    if not isinstance(version, dict):
        raise refused(name, f"its function version answered {version!r}, and no object")
    return version


def refused(name: str, cause: str) -> ImageServicesError:
    return cannot("verify", "plugin", name, cause, "Try it on the host, by hand", code="not_verified")

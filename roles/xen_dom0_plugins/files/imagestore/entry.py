# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call of XAPI, which is one argument, and its answer, which is all that standard output may carry."""

import json
import os
import re
import signal
import sys

import checks
import download as downloading
import settings
import staging
import upload as uploading
from compat import native, text_type, xmlrpc
from failures import BAD_REQUEST, FAILED, Failure, Terminated
from poolclient import Pool, PoolFailure

NAME = "imagestore"
VERSION = "1.0.0"
API = 1
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def version(session, params):
    """What is installed here, so that callers can tell whether it does what they need."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {"name": NAME, "version": VERSION, "api": API, "python": python, "functions": sorted(FUNCTIONS)}


def download(session, params):
    return downloading.run(session, params, settings.load())


def upload(session, params):
    return uploading.run(session, params, settings.load())


def place_of(session, sr):
    chosen = settings.load()
    pool = Pool(chosen["xapi"], session)
    return pool, staging.sr_directory(pool, chosen, sr)


def cancel(session, params):
    """Tells a running transfer to stop."""
    given = checks.cancel(params)
    return {"cancelled": staging.cancel(place_of(session, given["sr"])[1], given["vdi"])}


def cleanup(session, params):
    """Removes the staging of transfers that are dead."""
    pool, directory = place_of(session, checks.cleanup(params)["sr"])
    return {"removed": staging.clean(directory, pool)}


FUNCTIONS = {"cancel": cancel, "cleanup": cleanup, "download": download, "upload": upload, "version": version}


def read_params(args):
    """The JSON object of the call."""
    try:
        given = json.loads(args.get("params") or "{}")
    except (ValueError, TypeError, AttributeError):
        raise Failure(BAD_REQUEST, "The argument 'params' is not JSON.")
    if not isinstance(given, dict):
        raise Failure(BAD_REQUEST, "The argument 'params' is not a JSON object.")
    return given


def call_json(function):
    """Wraps a function of JSON as one of XAPI's strings."""

    def run(session, args):
        return json.dumps(function(session, read_params(args)), sort_keys=True)

    return run


def describe(error):
    """What an unforeseen exception says of itself: its kind and text, never its surroundings."""
    text = text_type(error) if not isinstance(error, EnvironmentError) else "%s" % (error.strerror or error.__class__.__name__)
    return "%s: %s" % (error.__class__.__name__, text)


def answer(functions, argument):
    """The response to one call."""
    try:
        (session, args), name = xmlrpc.loads(argument)
    except Exception:  # noqa: BLE001 the parser raises what it likes
        return failed(BAD_REQUEST, "The call is not one of XAPI.")
    name = native(name or "")
    if name not in functions:
        return failed("UNKNOWN_XENAPI_PLUGIN_FUNCTION", name)
    try:
        return {"Status": "Success", "Value": functions[name](native(session), args)}
    except Failure as error:
        return failed(error.code, *error.details)
    except PoolFailure as error:
        return failed(FAILED, "XAPI refuses: %s." % ", ".join(error.details))
    except Terminated:
        return failed(FAILED, "The plugin was told to end.")
    except Exception as error:  # noqa: BLE001 a traceback is of no use behind XAPI
        return failed(FAILED, describe(error))


def failed(code, *params):
    # No control character can be in XML, and one of a file's name would make the answer unreadable.
    return {"Status": "Failure", "ErrorDescription": [code] + [CONTROL.sub("?", native(each)) for each in params]}


def terminate(number, frame):
    raise Terminated()


def main(functions, wrap=call_json):
    if len(sys.argv) != 2:
        sys.stderr.write("This is a plugin of XAPI: host.call_plugin runs it.\n")
        return 2
    # XAPI sets no locale, so that Python 3.6 takes the bytes for ASCII.
    argument = os.fsencode(sys.argv[1]) if hasattr(os, "fsencode") else sys.argv[1]
    # Nothing but the answer may reach XAPI, whatever else writes to standard output.
    output = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, terminate)
    response = answer({name: wrap(function) for name, function in functions.items()}, argument)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # XAPI reads a complete methodResponse, and refuses the parameters alone.
    data = xmlrpc.dumps((response,), "", True)
    if not isinstance(data, bytes):
        data = data.encode("utf-8", "replace")
    with os.fdopen(output, "wb") as stream:
        stream.write(data)
    return 0

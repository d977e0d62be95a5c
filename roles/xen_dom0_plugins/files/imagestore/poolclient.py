# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of XAPI over the unix socket of this host, in the session of the caller."""

import os
import socket

from compat import http_client, native, xmlrpc
from failures import FAILED, Failure

TIMEOUT = 600
# The address of a unix socket holds no more.
MAX_ADDRESS = 100


class PoolFailure(Exception):
    """XAPI refuses; the first detail is the code."""

    def __init__(self, details):
        Exception.__init__(self, ", ".join(details))
        self.details = details


class LocalConnection(http_client.HTTPConnection):
    def __init__(self, path):
        http_client.HTTPConnection.__init__(self, "localhost", timeout=TIMEOUT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        if len(self.path) < MAX_ADDRESS:
            self.sock.connect(self.path)
            return
        directory = os.open(os.path.dirname(self.path), os.O_RDONLY)
        try:
            self.sock.connect("/proc/self/fd/%d/%s" % (directory, os.path.basename(self.path)))
        finally:
            os.close(directory)


class Pool(object):
    def __init__(self, path, session):
        self.path = path
        self.session = session

    def call(self, method, *params):
        """The value that XAPI answers."""
        connection = LocalConnection(self.path)
        try:
            connection.request("POST", "/", xmlrpc.dumps((self.session,) + params, method), {"Content-Type": "text/xml"})
            body = connection.getresponse().read()
            answer = xmlrpc.loads(body)[0][0]
            if answer["Status"] == "Success":
                return answer["Value"]
            details = [native(each) for each in answer["ErrorDescription"]]
        except (EnvironmentError, http_client.HTTPException) as error:
            raise Failure(FAILED, "Cannot call %s: XAPI does not answer on %s (%s)." % (method, self.path, error.__class__.__name__))
        except (xmlrpc.Error, LookupError, TypeError, ValueError):
            raise Failure(FAILED, "Cannot call %s: XAPI's answer on %s is not readable." % (method, self.path))
        finally:
            connection.close()
        raise PoolFailure(details)

    def record(self, name, uuid):
        """Reference and record of an object; None, None when there is none."""
        try:
            ref = self.call(name + ".get_by_uuid", uuid)
            return ref, self.call(name + ".get_record", ref)
        except PoolFailure as error:
            if error.details[0] in ("UUID_INVALID", "HANDLE_INVALID"):
                return None, None
            raise

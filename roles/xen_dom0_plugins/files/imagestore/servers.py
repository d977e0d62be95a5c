# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to image services: the certificate is verified before anything secret is sent."""

import hashlib
import socket
import ssl
import sys

from compat import http_client, text_type, urls

TIMEOUT = 90
# What a connection may die of. SSL's errors are socket errors, the mismatch of a name is a ValueError on old Pythons.
ERRORS = (EnvironmentError, http_client.HTTPException, ValueError)
MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)


class Untrusted(Exception):
    """The server is not who it must be."""


class Refused(Exception):
    """The server answers with a status that is none of those wanted."""

    def __init__(self, status):
        Exception.__init__(self, "it answers with status %d" % status)
        self.status = status


def place(url):
    """The URL without its query, which may hold a signature."""
    parts = urls.urlsplit(url)
    return urls.urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def origin(url):
    parts = urls.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def target(url):
    parts = urls.urlsplit(url)
    return (parts.path or "/") + ("?" + parts.query if parts.query else "")


def context(server, name, own):
    """How the server is verified; own: it is the one that the fingerprint belongs to."""
    if not hasattr(ssl, "create_default_context"):
        raise Untrusted("this host's Python is too old to verify a certificate")
    if not server["verify"] or (server["fingerprint"] and own):
        made = ssl.create_default_context()
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        return made
    try:
        made = ssl.create_default_context(cadata=None if server["ca"] is None else text_type(server["ca"]))
    except (ssl.SSLError, ValueError):
        raise Untrusted("the CA given for it is not readable")
    if not own and server["ca"] is not None:
        made.load_default_certs()
    if address_only(name):
        made.check_hostname = False
    return made


def address_only(name):
    """Python 2 compares names alone, so that an address is compared here."""
    if sys.version_info[0] >= 3:
        return False
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
        except EnvironmentError:
            continue
        return True
    return False


def check_address(connection, name):
    listed = [value.strip() for kind, value in connection.sock.getpeercert().get("subjectAltName", ()) if kind == "IP Address"]
    if name not in listed:
        raise Untrusted("its certificate is not for %s" % name)


def connect(server, url):
    """A connection to the host of the URL, verified as the server it stands for."""
    scheme, name, port = origin(url)
    own = origin(server["url"]) == (scheme, name, port)
    if scheme == "http":
        connection = http_client.HTTPConnection(name, port, timeout=TIMEOUT)
        connection.connect()
        return connection
    made = context(server, name, own)
    connection = http_client.HTTPSConnection(name, port, timeout=TIMEOUT, context=made)
    try:
        connection.connect()
        if server["verify"] and server["fingerprint"] and own:
            found = hashlib.sha256(connection.sock.getpeercert(True)).hexdigest()
            if found != server["fingerprint"]:
                raise Untrusted("its certificate has another fingerprint")
        if made.verify_mode == ssl.CERT_REQUIRED and not made.check_hostname:
            check_address(connection, name)
    except BaseException as error:
        connection.close()
        if isinstance(error, ssl.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error) or error.__class__.__name__ == "CertificateError":
            raise Untrusted("its certificate cannot be verified")
        raise
    return connection


def request(server, method, headers, watch, body=None, url=None):
    """Connection and response; redirects are followed, and the server's own headers do not go to another host."""
    url = url or server["url"]
    for _dummy in range(MAX_REDIRECTS + 1):
        connection = connect(server, url)
        try:
            watch.holding(connection.sock)
            given = dict(server["headers"]) if origin(url) == origin(server["url"]) else {}
            given.update(headers)
            connection.request(method, target(url), body, given)
            response = connection.getresponse()
            location = response.getheader("location")
            if response.status not in REDIRECTS or not location:
                return connection, response
            following = urls.urljoin(url, location)
            if urls.urlsplit(following).scheme not in ("http", "https") or not urls.urlsplit(following).hostname:
                raise Untrusted("it redirects to what is no URL of http")
            if origin(url)[0] == "https" and origin(following)[0] != "https":
                raise Untrusted("it redirects to a connection without TLS")
            url = following
        except BaseException:
            connection.close()
            raise
        connection.close()
    raise Untrusted("it redirects without end")


def cause(error):
    """Why it failed, without anything that a request held."""
    if isinstance(error, (Untrusted, Refused)):
        return str(error)
    if isinstance(error, EnvironmentError):
        return "the connection failed (%s)" % (error.strerror or (str(error) if "timed out" in str(error) else error.__class__.__name__))
    return "its answer is not readable (%s)" % error.__class__.__name__

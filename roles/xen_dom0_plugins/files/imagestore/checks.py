# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, looked at field by field before anything is touched."""

import hashlib
import re

from compat import is_integer, is_text, native, urls
from failures import bad_request

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
TASK = re.compile(r"OpaqueRef:[0-9A-Za-z-]{1,64}\Z")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_|~-]{1,64}\Z")
PROPERTY = re.compile(r"[A-Za-z0-9_.:][A-Za-z0-9_.: -]{0,254}\Z")
PLAIN = re.compile(r"[\x21-\x7e]+\Z")
FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")
ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
FORMATS = ("vhd", "vhd tarball", "raw")
MAX_SIZE = 2040 << 30
MAX_SOURCES = 32
NO_TASK = "OpaqueRef:NULL"


def fields(given, where, required, optional=()):
    """The object, with None for what is optional and not there."""
    if not isinstance(given, dict):
        raise bad_request("%s must be an object." % where)
    for name in given:
        if name not in required and name not in optional:
            raise bad_request("%s has the unknown field '%s'." % (where, shown(name)))
    for name in required:
        if name not in given:
            raise bad_request("%s lacks the field '%s'." % (where, name))
    return {name: given.get(name) for name in tuple(required) + tuple(optional)}


def shown(value):
    text = native(value) if is_text(value) else "?"
    return "".join(each if " " <= each <= "~" else "?" for each in text[:60])


def text(value, where, pattern):
    if not is_text(value) or not pattern.match(value):
        raise bad_request("%s is not of the form that it must have." % where)
    return native(value)


def uuid(value, where):
    if not is_text(value) or not UUID.match(value):
        raise bad_request("%s is not a uuid in lower case." % where)
    return native(value)


def number(value, where, least, most):
    if not is_integer(value) or not least <= value <= most:
        raise bad_request("%s is not a whole number from %d to %d." % (where, least, most))
    return value


def boolean(value, where):
    if not isinstance(value, bool):
        raise bad_request("%s is neither true nor false." % where)
    return value


def task(value):
    return None if value in (None, NO_TASK) else text(value, "task", TASK)


def digest(value, where):
    if value is None:
        return None
    given = fields(value, where, ("algorithm", "value"))
    if given["algorithm"] not in ALGORITHMS:
        raise bad_request("%s.algorithm is none of %s." % (where, ", ".join(ALGORITHMS)))
    name = native(given["algorithm"])
    length = hashlib.new(name).digest_size * 2
    if not is_text(given["value"]) or not re.match(r"[0-9a-fA-F]{%d}\Z" % length, given["value"]):
        raise bad_request("%s.value is not a %s digest in hexadecimal." % (where, name))
    return {"algorithm": name, "value": native(given["value"]).lower()}


def server(value, where, field):
    """A URL with the headers for it and how its certificate is verified."""
    given = fields(value, where, (field,), ("headers", "ca", "fingerprint", "verify"))
    url = text(given[field], "%s.%s" % (where, field), PLAIN)
    try:
        parts = urls.urlsplit(url)
        port = re.search(r":([0-9]{1,6})\Z", parts.netloc)
        port = int(port.group(1)) if port else 443
        parts.port  # noqa: B018 newer Pythons tell more of what is wrong with it
    except ValueError:
        raise bad_request("%s.%s is not a URL." % (where, field))
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or not 0 < port < 65536 or parts.fragment:
        raise bad_request("%s.%s is not a URL of http or https without a user." % (where, field))
    if field == "image" and parts.query:
        raise bad_request("%s.image must not have a query." % where)
    headers = {} if given["headers"] is None else given["headers"]
    if not isinstance(headers, dict):
        raise bad_request("%s.headers must be an object." % where)
    for name, content in headers.items():
        if not is_text(name) or not HEADER.match(name) or not is_text(content) or not re.match(r"[\x20-\x7e]*\Z", content) or len(content) > 65536:
            raise bad_request("%s.headers has a name or value that no header can have." % where)
        if name.lower() in ("range", "host", "transfer-encoding", "content-length", "connection"):
            raise bad_request("%s.headers must not hold '%s'." % (where, shown(name)))
    ca = given["ca"]
    if ca is not None and (not is_text(ca) or "-----BEGIN CERTIFICATE-----" not in ca):
        raise bad_request("%s.ca is not PEM." % where)
    fingerprint = given["fingerprint"]
    if fingerprint is not None:
        fingerprint = text(fingerprint.replace(":", "").lower() if is_text(fingerprint) else fingerprint, where + ".fingerprint", FINGERPRINT)
    verify = True if given["verify"] is None else boolean(given["verify"], where + ".verify")
    return {"url": url, "headers": {native(name): native(content) for name, content in headers.items()}, "ca": ca, "fingerprint": fingerprint, "verify": verify}


def servers(value, where, field):
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_SOURCES:
        raise bad_request("%s is not a list of 1 to %d." % (where, MAX_SOURCES))
    return [server(each, "%s[%d]" % (where, index), field) for index, each in enumerate(value)]


def download(params):
    given = fields(params, "The request", ("image", "format", "sources", "sr", "vdi"), ("virtual_size", "task"))
    image = fields(given["image"], "image", ("id",), ("size", "digest"))
    given["image"] = {
        "id": text(image["id"], "image.id", IMAGE),
        "size": None if image["size"] is None else number(image["size"], "image.size", 1, 1 << 62),
        "digest": digest(image["digest"], "image.digest"),
    }
    if given["format"] not in FORMATS:
        raise bad_request("format is none of %s." % ", ".join(FORMATS))
    given["sources"] = servers(given["sources"], "sources", "url")
    given["sr"], given["vdi"] = uuid(given["sr"], "sr"), uuid(given["vdi"], "vdi")
    if given["virtual_size"] is not None:
        number(given["virtual_size"], "virtual_size", 1, MAX_SIZE)
    given["task"] = task(given["task"])
    return given


def upload(params):
    given = fields(params, "The request", ("vdi", "sr", "targets"), ("properties", "compression", "task"))
    given["sr"], given["vdi"] = uuid(given["sr"], "sr"), uuid(given["vdi"], "vdi")
    given["targets"] = servers(given["targets"], "targets", "image")
    given["compression"] = 6 if given["compression"] is None else number(given["compression"], "compression", 0, 9)
    properties = {} if given["properties"] is None else given["properties"]
    if not isinstance(properties, dict):
        raise bad_request("properties must be an object.")
    for name, value in properties.items():
        text(name, "The name of a property", PROPERTY)
        if not is_text(value):
            raise bad_request("The property '%s' is not text." % shown(name))
    given["properties"] = properties
    given["task"] = task(given["task"])
    return given


def cancel(params):
    given = fields(params, "The request", ("sr", "vdi"))
    return {"sr": uuid(given["sr"], "sr"), "vdi": uuid(given["vdi"], "vdi")}


def cleanup(params):
    return {"sr": uuid(fields(params, "The request", ("sr",))["sr"], "sr")}

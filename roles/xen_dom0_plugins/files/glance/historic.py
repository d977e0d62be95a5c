# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""download_vhd, upload_vhd and their successors, with the arguments and answers of OpenStack's plugin of this name."""

import io
import json
import os
import pickle
import re

import checks
import download
import plain_pickle
import settings
import upload
from compat import is_integer, is_text, native, text_type
from failures import BAD_DIGEST, BAD_REQUEST, CANCELLED, NO_SPACE, SOURCE, Failure
from servers import ERRORS, Refused, Untrusted, cause, place, request

PLUGIN_FAILURE = "XENAPI_PLUGIN_FAILURE"
MAX_ANSWER = 1 << 20
# What the caller tries again, as it did when a connection broke.
PASSING = (SOURCE, BAD_DIGEST)
DIGITS = "0123456789"
HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}\Z")


class Quiet(object):
    """Watches nothing: a short question needs no eye on it."""

    def holding(self, sock):
        pass


def bad(sentence):
    return Failure(BAD_REQUEST, sentence)


def wrapped(function):
    """Arguments and answer are pickles in text, of plain data only; failures are of the kinds that callers look for."""

    def run(session, args):
        try:
            value = function(session, arguments(args))
        except Failure as failure:
            kind = "RetryableError" if failure.code in PASSING else "PluginError"
            if failure.code in (CANCELLED, NO_SPACE):
                kind = failure.code
            raise Failure(PLUGIN_FAILURE, function.__name__, kind, failure.sentence)
        return pickle.dumps(value, 0).decode("ascii")

    return run


def arguments(args):
    """The arguments by name: Nova put them below 'kwargs', the first clients gave them as they are."""
    given = args.get("params") if isinstance(args, dict) else None
    if not is_text(given):
        raise bad("The argument 'params' is missing.")
    try:
        found = plain_pickle.loads(given.encode("latin-1") if isinstance(given, text_type) else given)
    except (plain_pickle.Refused, UnicodeError) as error:
        raise bad("The argument 'params' is refused: %s." % (error if isinstance(error, plain_pickle.Refused) else "it is no pickle in text"))
    if isinstance(found, dict) and "kwargs" in found:
        if found.get("args"):
            raise bad("Arguments are taken by name only.")
        found = found["kwargs"]
    if not isinstance(found, dict) or not all(is_text(each) for each in found):
        raise bad("The argument 'params' holds no names with values.")
    return {native(name): value for name, value in found.items()}


def required(given, name, kind, what):
    if not kind(given.get(name)):
        raise bad("The argument '%s' is not %s." % (name, what))
    return given[name]


def headers(given):
    """The token in either of its two historic forms."""
    found = {} if given.get("extra_headers") is None else given["extra_headers"]
    if not isinstance(found, dict):
        raise bad("The argument 'extra_headers' is not a dictionary.")
    found = {name: value for name, value in found.items() if value is not None}
    if given.get("auth_token") is not None:
        found["X-Auth-Token"] = given["auth_token"]
    return found


def endpoint(given):
    """The address of the image service, without the version that the old calls named."""
    if "endpoint" in given:
        return native(required(given, "endpoint", is_text, "text")).rstrip("/")
    name = checks.text(given.get("glance_host"), "glance_host", HOST)
    port = given.get("glance_port")
    port = int(port) if is_text(port) and port and not port.strip(DIGITS) else port
    if not is_integer(port) or not 0 < port < 65536:
        raise bad("The argument 'glance_port' is not a port.")
    name = "[%s]" % name if ":" in name and not name.startswith("[") else name
    return "%s://%s:%d" % ("https" if given.get("glance_use_ssl") else "http", name, port)


def server(given, chosen):
    """URL of the image, and what is known of the server; a CA beyond the host's own is set in the settings."""
    image = checks.text(given.get("image_id"), "image_id", checks.IMAGE)
    ca = None
    if chosen["glance_ca"]:
        with io.open(chosen["glance_ca"], encoding="ascii", errors="replace") as stream:
            ca = stream.read()
    return image, {"url": "%s/v2/images/%s" % (endpoint(given), image), "headers": headers(given), "ca": ca}


def sr_of(given, chosen):
    """The uuid in the historic path, which must be that of an SR on this host."""
    path = native(required(given, "sr_path", is_text, "text"))
    uuid = checks.uuid(os.path.basename(path.rstrip("/")), "The last part of sr_path")
    if "\0" in path or os.path.realpath(path) != os.path.realpath(os.path.join(chosen["sr_base_path"], uuid)):
        raise bad("The argument 'sr_path' is not where this host has SRs.")
    return uuid


def described(source):
    """What the image service says of the image: its size and digest."""
    checked = checks.server(source, "The image", "url")
    try:
        connection, response = request(checked, "GET", {}, Quiet())
        try:
            if response.status != 200:
                raise Refused(response.status)
            found = json.loads(response.read(MAX_ANSWER).decode("utf-8"))
        finally:
            connection.close()
        size, algorithm, value = found.get("size"), found.get("os_hash_algo"), found.get("os_hash_value")
    except (Untrusted, Refused, AttributeError) + ERRORS as error:
        raise Failure(SOURCE, "Cannot read the image: %s: %s." % (place(checked["url"]), cause(error)))
    digest = {"algorithm": algorithm, "value": value} if algorithm in checks.ALGORITHMS and value else None
    return {"size": size, "digest": digest}


def download_vhd(session, given):
    """The chain of the image under the names of uuid_stack, whose last is the disk's."""
    chosen = settings.load()
    stack = required(given, "uuid_stack", lambda value: isinstance(value, (list, tuple)) and value, "a list of uuids")
    image, source = server(given, chosen)
    sr = sr_of(given, chosen)
    wanted = dict(described(source), id=image)
    params = {"image": wanted, "format": "vhd tarball", "sources": [dict(source, url=source["url"] + "/file")], "sr": sr, "vdi": stack[-1]}
    made = download.run(session, params, chosen, list(stack[:-1])[::-1])
    return {"root": {"uuid": made["vdi"]}}


def upload_vhd(session, given):
    """The chain of the first of vdi_uuids; the parents are found in the disk itself."""
    chosen = settings.load()
    vdis = required(given, "vdi_uuids", lambda value: isinstance(value, (list, tuple)) and value, "a list of uuids")
    dummy, source = server(given, chosen)
    properties = {} if given.get("properties") is None else given["properties"]
    if not isinstance(properties, dict):
        raise bad("The argument 'properties' is not a dictionary.")
    level = properties.get("xenapi_image_compression_level")
    level = int(level) if is_text(level) and len(level) == 1 and level in DIGITS else level
    told = {name: value if is_text(value) else "%s" % (value,) for name, value in properties.items()}
    params = {
        "vdi": vdis[0],
        "sr": sr_of(given, chosen),
        "targets": [{"image": source["url"], "headers": source["headers"], "ca": source["ca"]}],
        "properties": dict(told, visibility="private"),
        "compression": level if is_integer(level) and 0 <= level <= 9 else None,
    }
    upload.run(session, params, chosen)


def download_vhd2(session, given):
    return download_vhd(session, given)


def upload_vhd2(session, given):
    return upload_vhd(session, given)


FUNCTIONS = {each.__name__: each for each in (download_vhd, upload_vhd, download_vhd2, upload_vhd2)}

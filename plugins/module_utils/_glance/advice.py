# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What to do about a refusal, by its cause: who has answered, with which status and in which words. No I/O.

Words are those of Glance 33; pages are those of nginx 1.22 and HAProxy 2.6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# What of an answer's body tells that it is the page of a proxy, and whose.
_PAGES = (
    ("nginx", re.compile(r"<center>(?:nginx|openresty|tengine)\b[^<]*</center>", re.IGNORECASE)),
    ("HAProxy", re.compile(r"\A\s*<html><body><h1>\d{3} [^<]*</h1>\s")),
)
AGAIN = "then run the task again"
BODY_DROPPED = "See whether a proxy in front of Glance drops the body of requests, in its log and its settings"
BROKEN_UPLOAD = (
    "See Glance's log, and whether a proxy in front of it limits the size or the time of uploads "
    "(nginx: client_max_body_size, proxy_read_timeout; HAProxy: timeout client, timeout server)"
)

# By HTTP status, and by the word for what this collection found.
ADVICE: Mapping[object, str] = {
    400: "Correct the option that Glance names",
    401: f"Check the credentials, {AGAIN}",
    403: "Use a project or a role that may do this",
    404: "Check the name or id and the project that the task runs as",
    408: "Raise the time that a proxy in front of Glance waits for a request",
    409: f"Wait for the other operation on this image to end, {AGAIN}",
    411: "Upload a file without decompress, so that its length is known, or have the proxy in front of Glance pass on bodies in chunks",
    413: f"Free space in the store, raise the quota, or raise what a proxy in front of Glance allows (nginx: client_max_body_size), {AGAIN}",
    "checksum_mismatch": "Get the content again, or correct checksum",
    "busy": "Run the task again later: what was copied stays, and Glance gives up a lost import an hour after its last sign of life",
    "digest_mismatch": "Run the task again, and look at the store's disk if it happens again",
    "copy_failed": f"See Glance's log for what its store said, {AGAIN}: what was copied stays",
    "import_failed": "Check the source and the stores, Glance's log tells more",
    "fixed_vhd": "Convert it to a dynamic VHD or to qcow2, declare disk_format: vhd where require_image_format_match is off in Glance, "
    "or disk_format: raw to keep it with its footer",
    "format_mismatch": "Declare the format that it has, or convert it first",
    "not_active": "See Glance's log for what became of it",
    "stuck": "Delete that image if it is still there, then run the task again",
    "timeout": "See what Glance is doing, or raise timeout",
    "used_id": "Glance never gives out an id twice: give another id, or leave id out",
    "unsafe": "Run the task again, and look at the image if it says so again",
    "tls": "Check ca_cert and validate_certs",
}
# The same status for other causes, by words of Glance.
_BY_WORDS: tuple[tuple[int, re.Pattern[str], str], ...] = tuple(
    (status, re.compile(words, re.IGNORECASE), advice)
    for status, words, advice in (
        (400, r"Size mismatch: expected \d+ bytes, got", BODY_DROPPED),
        (
            403,
            # What glance_store says where its process may not remove the file of an image. It is not for want of a role.
            r"cannot delete file ",
            "Glance's service itself may not remove it, whoever asks: let the role glance_stores run, which keeps former directories of stores writable, "
            "or correct owner, mode or mount of the directory on Glance's host",
        ),
        (413, r"number of allowed image properties", "Declare fewer properties, or raise image_property_quota in Glance"),
        (413, r"number of allowed image tags", "Declare fewer tags, or raise image_tag_quota in Glance"),
        (413, r"number of allowed image members", "Declare fewer members, or raise image_member_quota in Glance"),
        (413, r"image is too large", "Give a smaller image, or raise image_size_cap in Glance"),
        (413, r"storage quota", f"Delete images that are not needed, or raise user_storage_quota in Glance, {AGAIN}"),
        (413, r"over a limit|over limit", f"Delete images that are not needed, or raise the limits of the project in Keystone, {AGAIN}"),
        (413, r"media is full|not enough disk space", f"Free space in the store, {AGAIN}"),
    )
)
_UNREACHED = "See that {service} runs and that {proxy} reaches it, " + AGAIN
_RULES = "Correct the rules of {proxy} that refuse the request, " + AGAIN
# By status, for answers of a proxy.
_BY_PROXY: Mapping[int, Mapping[str, str]] = {
    401: {"": "Have {proxy} pass requests to {service} on without a login of its own"},
    403: {"": _RULES},
    404: {"": "Check the address of {service} in the catalogue, and where {proxy} sends it"},
    405: {"": _RULES},
    413: {
        "nginx": "Set client_max_body_size 0 for {service} in nginx, " + AGAIN,
        "": "Raise the size of requests that {proxy} allows for {service}, " + AGAIN,
    },
    502: {"": _UNREACHED},
    503: {"": _UNREACHED},
    504: {
        "nginx": "Raise proxy_read_timeout and proxy_send_timeout for {service} in nginx, " + AGAIN,
        "": "Raise timeout server and timeout client for {service} in {proxy}, " + AGAIN,
    },
}


def proxy_of(body: str) -> str | None:
    """The proxy whose own page the body of an answer is; None where the service has answered, or something unknown."""
    return next((name for name, page in _PAGES if page.search(body)), None)


def advice_on(status: int | None, text: str, proxy: str | None, service: str) -> str | None:
    """For a status whose cause is told by who has answered or by its words; None where the status says it all."""
    if status is not None and proxy is not None:
        found = _BY_PROXY.get(status, {})
        advice = found.get(proxy) or found.get("")
        return advice.format(proxy=proxy, service=service) if advice else None
    return next((advice for known, words, advice in _BY_WORDS if known == status and words.search(text)), None)

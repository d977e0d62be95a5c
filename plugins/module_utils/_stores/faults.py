# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What a store driver's exceptions mean for whoever declared the store."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Fact = Mapping[str, Any]  # class, text, status (HTTP), code (S3) of one exception
Finding = tuple[str, str]  # cause and what to do

UNREACHABLE = r"EndpointConnectionError|Connect(ion)?Timeout(Error)?|ConnectFailure|ConnectionRefusedError|ConnectionError|ReadTimeout(Error)?"


@dataclass(frozen=True)
class Rule:
    """A sentence for the exceptions that it fits; braces are options of the store."""

    cause: str
    advice: str
    kind: str = ""  # regular expressions for all of these
    cls: str = ""
    text: str = ""
    code: str = ""

    def fits(self, kind: str, fact: Fact) -> bool:
        wanted = ((self.kind, kind), (self.cls, fact.get("class")), (self.code, fact.get("code") or fact.get("status")))
        return all(re.fullmatch(pattern, str(value or "")) for pattern, value in wanted if pattern) and bool(re.search(self.text, str(fact.get("text")), re.I))


RULES = (
    Rule(
        "the server at {s3_store_host} finds the signature of its requests wrong, as it does for a wrong secret key",
        "Correct s3_store_secret_key",
        kind="s3",
        code="SignatureDoesNotMatch",
    ),
    Rule("the server at {s3_store_host} does not know its access key", "Correct s3_store_access_key", kind="s3", code="InvalidAccessKeyId"),
    Rule("the clock of this host differs from that of {s3_store_host}", "Set both by NTP", kind="s3", code="RequestTimeTooSkewed"),
    Rule(
        "its access key may not use bucket '{s3_store_bucket}' at {s3_store_host}",
        "Let its owner list, read, write and delete there, or name another bucket or access key",
        kind="s3",
        code="AccessDenied|403",
    ),
    Rule(
        "there is no bucket '{s3_store_bucket}' at {s3_store_host}",
        "Create it, or set s3_store_create_bucket_on_put: true",
        kind="s3",
        text="bucket .* does not exist|NoSuchBucket",
    ),
    Rule(
        "the certificate of {s3_store_host} is not trusted",
        "Name its authority in s3_store_cacert",
        kind="s3",
        cls="SSLError",
        text="CERTIFICATE_VERIFY_FAILED",
    ),
    Rule("{s3_store_host} does not speak TLS as it should", "Correct the scheme or the port in s3_store_host", kind="s3", cls="SSLError"),
    Rule("nothing answers at {s3_store_host}", "See that the server runs and is reached from this host, or correct s3_store_host", kind="s3", cls=UNREACHABLE),
    Rule(
        "Glance's Python has no libraries of Ceph",
        "Run the role glance with this store in glance_stores, which installs them",
        kind="rbd",
        text="required libraries",
    ),
    Rule(
        "the configuration '{rbd_store_ceph_conf}' of its cluster cannot be read",
        "Declare the cluster in glance_stores_ceph, or correct rbd_store_ceph_conf",
        kind="rbd",
        text="conf_read_file",
    ),
    Rule(
        "the cluster refuses user '{rbd_store_user}', as it does for a wrong key and for an unknown user",
        "Correct the keyring in glance_stores_ceph, or rbd_store_user",
        kind="rbd",
        cls="PermissionDeniedError|PermissionError",
        text="connecting to the cluster",
    ),
    Rule(
        "no keyring of user '{rbd_store_user}' is found",
        "Add it to glance_stores_ceph, or name its file in '{rbd_store_ceph_conf}'",
        kind="rbd",
        cls="ObjectNotFound|OSError",
        text=r"errno (2|95)\b.*connecting to the cluster",
    ),
    Rule(
        "the cluster has no pool '{rbd_store_pool}'",
        "Create it and its rbd application, or correct rbd_store_pool",
        kind="rbd",
        cls="ObjectNotFound",
        text="pool",
    ),
    Rule(
        "user '{rbd_store_user}' may not use pool '{rbd_store_pool}'",
        "Give the user the capabilities mon 'profile rbd' and osd 'profile rbd pool={rbd_store_pool}'",
        kind="rbd",
        cls="PermissionDeniedError|PermissionError",
    ),
    Rule(
        "no monitor of its cluster answers",
        "See that the cluster runs and is reached from this host, or correct the monitors in '{rbd_store_ceph_conf}'",
        kind="rbd",
        cls="TimedOut|Timeout",
    ),
    Rule(
        "the identity service refuses its account",
        "Correct user and key of account '{default_swift_reference}' in glance_stores_swift_accounts",
        kind="swift",
        cls="Unauthorized",
    ),
    Rule(
        "the identity service refuses its account",
        "Correct user and key of account '{default_swift_reference}' in glance_stores_swift_accounts",
        kind="swift",
        text=r"\b401\b|Check username",
    ),
    Rule(
        "container '{swift_store_container}' does not exist",
        "Create it, or set swift_store_create_container_on_put: true",
        kind="swift",
        text="container .* does not exist",
    ),
    Rule(
        "its account may not use container '{swift_store_container}'",
        "Give its user a role that Swift accepts in its project",
        kind="swift",
        code="403",
    ),
    Rule(
        "the catalogue has no object store for its account",
        "Register the endpoint of Swift, or correct swift_store_region, swift_store_service_type and swift_store_endpoint_type",
        kind="swift",
        cls="EndpointNotFound|EmptyCatalog",
    ),
    Rule(
        "nothing answers at the address of its identity service or of its object store",
        "See that both run and are reached from this host, or correct auth_address of account '{default_swift_reference}'",
        kind="swift",
        cls=UNREACHABLE,
    ),
)


def finding_of(kind: str, options: Mapping[str, Any], facts: Sequence[Fact]) -> Finding:
    """Cause and advice for the exceptions that a driver raised, the last one first."""
    for rule in RULES:
        if any(rule.fits(kind, fact) for fact in facts):
            shown = _Shown(options)
            return rule.cause.format_map(shown), rule.advice.format_map(shown)
    said = next((" ".join(str(fact["text"]).split()) for fact in facts if str(fact.get("text") or "").strip()), "")
    return f"its driver says: {said[:300] or facts[0].get('class')}", "Correct the store's entry in glance_stores, or its server"


class _Shown(dict[str, Any]):
    """Options as a sentence shows them."""

    def __missing__(self, key: str) -> str:
        return key


def masked(text: str, secrets: Iterable[str]) -> str:
    """A text without any of the secrets, the longest first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions as the drivers of glance_store 5.7 raise them before the real servers, and the sentences that they become."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.faults import RULES, finding_of, masked
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.options import BACKENDS
from hypothesis import given
from hypothesis import strategies as st

OPTIONS = {
    "s3": {"s3_store_host": "http://s3:7480", "s3_store_bucket": "glance"},
    "rbd": {"rbd_store_user": "glance", "rbd_store_pool": "images", "rbd_store_ceph_conf": "/etc/glance/ceph/site.conf"},
    "swift": {"default_swift_reference": "ref1", "swift_store_container": "glance"},
}
HEAD_BUCKET = ("BadStoreConfiguration", "Failed to get bucket info: An error occurred (403) when calling the HeadBucket operation: Forbidden", None)
NO_ENDPOINT = "Cannot find swift service endpoint : "

# kind, [(class, text, S3's code or HTTP status)] from the last exception to the first, what has to be in cause and advice
SEEN: dict[str, tuple[str, list[tuple[str, str, Any]], str, str]] = {
    "wrong secret key": ("s3", [("ClientError", "An error occurred", "SignatureDoesNotMatch"), HEAD_BUCKET], "wrong secret key", "s3_store_secret_key"),
    "unknown access key": ("s3", [("ClientError", "An error occurred", "InvalidAccessKeyId"), HEAD_BUCKET], "access key", "s3_store_access_key"),
    "somebody else's bucket": ("s3", [("AccessDenied", "An error occurred", "AccessDenied"), HEAD_BUCKET], "may not use bucket 'glance'", "owner"),
    "refused without a reason": ("s3", [("ClientError", "An error occurred", "403")], "may not use bucket", "another"),
    "no bucket": ("s3", [("BackendException", "The bucket glance does not exist in S3. Please", None)], "no bucket 'glance'", "create_bucket_on_put"),
    "no S3": ("s3", [("EndpointConnectionError", "Could not connect to the endpoint URL", None)], "nothing answers at http://s3:7480", "server"),
    "untrusted": ("s3", [("SSLError", "SSL validation failed [SSL: CERTIFICATE_VERIFY_FAILED]", None)], "not trusted", "s3_store_cacert"),
    "no TLS there": ("s3", [("SSLError", "SSL validation failed [SSL: WRONG_VERSION_NUMBER]", None)], "does not speak TLS", "scheme"),
    "wrong Ceph key": (
        "rbd",
        [("BackendException", "", None), ("PermissionDeniedError", "[errno 13] RADOS permission denied (error connecting to the cluster)", None)],
        "refuses user 'glance', as it does for a wrong key",
        "glance_stores_ceph",
    ),
    "no keyring": ("rbd", [("OSError", "[errno 95] error connecting to the cluster", None)], "no keyring of user 'glance'", "glance_stores_ceph"),
    "no configuration": (
        "rbd",
        [("ObjectNotFound", "[errno 2] RADOS object not found (error calling conf_read_file)", None)],
        "'/etc/glance/ceph/site.conf' of its cluster cannot be read",
        "glance_stores_ceph",
    ),
    "no monitor": ("rbd", [("TimedOut", "[errno 110] RADOS timed out (error connecting to the cluster)", None)], "no monitor", "cluster runs"),
    "no pool": ("rbd", [("ObjectNotFound", "[errno 2] RADOS object not found (error opening pool 'images')", None)], "no pool 'images'", "rbd_store_pool"),
    "no right to the pool": ("rbd", [("PermissionError", "[errno 1] RBD permission error (error creating image)", None)], "may not use pool", "profile rbd"),
    "no bindings": ("rbd", [("BadStoreConfiguration", "The required libraries(rbd and rados) are not available", None)], "libraries of Ceph", "role glance"),
    "wrong password": (
        "swift",
        [("BackendException", NO_ENDPOINT + "requires authentication. (HTTP 401)", None), ("Unauthorized", "requires authentication.", 401)],
        "refuses its account",
        "'ref1' in glance_stores_swift_accounts",
    ),
    "no identity service": ("swift", [("ConnectFailure", "Unable to establish connection", None)], "nothing answers", "auth_address of account 'ref1'"),
    "no container": (
        "swift",
        [("BackendException", "The container glance does not exist in Swift. Please", None), ("ClientException", "Container HEAD failed 404", 404)],
        "container 'glance' does not exist",
        "swift_store_create_container_on_put",
    ),
    "no right to the container": ("swift", [("ClientException", "Container HEAD failed 403 Forbidden", 403)], "may not use container 'glance'", "role"),
    "no endpoint": ("swift", [("EndpointNotFound", "endpoint for object-store service in Nowhere not found", None)], "no object store", "swift_store_region"),
}


def facts(chain: list[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    return [
        {"class": cls, "text": text, "status": said if isinstance(said, int) else None, "code": said if isinstance(said, str) else None}
        for cls, text, said in chain
    ]


@pytest.mark.parametrize(("kind", "chain", "cause", "advice"), SEEN.values(), ids=SEEN)
def test_the_sentence_names_the_cause_and_what_to_do(kind: str, chain: list[tuple[str, str, Any]], cause: str, advice: str) -> None:
    found = finding_of(kind, OPTIONS[kind], facts(chain))
    assert cause in found[0]
    assert advice in found[1]


def test_no_sentence_shows_a_secret_option() -> None:
    secrets = {name for options in BACKENDS.values() for name, option in options.items() if option.secret}
    known = {name for options in BACKENDS.values() for name in options}
    for rule in RULES:
        named = {name for name in known if f"{{{name}}}" in rule.cause + rule.advice}
        assert not named & secrets


def test_what_nobody_has_seen_yet_is_repeated_in_one_line() -> None:
    found = finding_of("s3", {}, facts([("Weird", "first\n  line " + "x" * 400, None)]))
    assert found[0].startswith("its driver says: first line xxx")
    assert "\n" not in found[0]
    assert len(found[0]) < 330
    assert "Silent" in finding_of("rbd", {}, facts([("Silent", "", None)]))[0]


@given(st.text(), st.lists(st.text(min_size=1, max_size=5), max_size=4))
def test_no_secret_survives(text: str, secrets: list[str]) -> None:
    shown = masked(text, secrets)
    assert not [secret for secret in secrets if secret in shown.replace("***", "\0") and "\0" not in secret]

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether content is the declared one."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.properties import SOURCE_DIGEST, SOURCE_FINGERPRINT, check_properties
from ansible_collections.xenstack.image_services.plugins.module_utils._images.content import algorithms_to_compare, same_content, service_digest
from ansible_collections.xenstack.image_services.plugins.module_utils._images.desired import SourceFacts, parse_checksum

PRESENT = {"os_hash_algo": "sha512", "os_hash_value": "aa", "checksum": "55", "size": 10}


@pytest.mark.parametrize(
    ("image", "facts", "expected"),
    [
        (PRESENT, {"size": 11}, False),
        (PRESENT, {"size": 10}, None),
        (PRESENT, {"size": 10, "digests": {"sha512": "aa"}}, True),
        (PRESENT, {"size": 10, "digests": {"sha512": "bb"}}, False),
        (PRESENT, {"checksum": ("sha512", "aa")}, True),
        (PRESENT, {"checksum": ("md5", "55"), "size": 11}, True),
        (PRESENT, {"checksum": ("md5", "66")}, False),
        (PRESENT, {"checksum": ("sha256", "cc")}, None),
        # A service that converts keeps another size and digest; the digest of the source is on record.
        ({**PRESENT, SOURCE_DIGEST: "sha512:dd"}, {"size": 99}, None),
        ({**PRESENT, SOURCE_DIGEST: "sha512:dd"}, {"size": 99, "digests": {"sha512": "dd"}}, True),
        ({**PRESENT, SOURCE_FINGERPRINT: "f"}, {"fingerprint": "f"}, True),
        ({**PRESENT, SOURCE_FINGERPRINT: "f"}, {"fingerprint": "g"}, None),
        ({**PRESENT, SOURCE_FINGERPRINT: "f"}, {"kind": "import", "fingerprint": "f"}, True),
        ({**PRESENT, SOURCE_FINGERPRINT: "f"}, {"kind": "import", "fingerprint": "g"}, False),
        ({**PRESENT, SOURCE_FINGERPRINT: "f"}, {"kind": "import", "fingerprint": "f", "checksum": ("sha512", "bb")}, False),
        # Of what is decompressed on the way, Glance's digest is not that of what lies there, unless we have noted it.
        (PRESENT, {"checksum": ("sha512", "bb"), "decompressed": True}, None),
        (PRESENT, {"checksum": ("sha512", "bb"), "decompressed": True, "digests": {"sha512": "aa"}}, True),
        (PRESENT, {"checksum": ("sha512", "aa"), "decompressed": True, "seen": False}, True),
        ({**PRESENT, SOURCE_DIGEST: "sha256:dd"}, {"checksum": ("sha256", "dd"), "decompressed": True, "seen": False}, True),
        ({**PRESENT, SOURCE_DIGEST: "sha256:dd"}, {"checksum": ("sha256", "ee"), "decompressed": True}, False),
        ({**PRESENT, SOURCE_DIGEST: "sha256:dd"}, {"checksum": ("sha512", "ee"), "decompressed": True}, None),
    ],
)
def test_facts_decide_or_ask_for_digests(image: dict[str, Any], facts: dict[str, Any], expected: bool | None) -> None:
    assert same_content(image, SourceFacts(**{"kind": "file", "label": "x", **facts})) is expected


def test_the_digest_to_compute_is_the_one_that_is_kept() -> None:
    assert algorithms_to_compare(PRESENT) == ["sha512"]
    assert algorithms_to_compare({**PRESENT, SOURCE_DIGEST: "sha256:dd"}) == ["sha256"]
    assert algorithms_to_compare({"checksum": "55"}) == ["md5"]


def test_checksums_are_read_in_both_spellings() -> None:
    assert parse_checksum("A" * 32) == ("md5", "a" * 32)
    assert parse_checksum("SHA256:" + "b" * 64) == ("sha256", "b" * 64)


@pytest.mark.parametrize(("digits", "algorithm"), [(32, "md5"), (64, "sha256"), (128, "sha512")])
def test_a_digest_alone_is_known_by_its_length(digits: int, algorithm: str) -> None:
    for digit in "aF":
        assert parse_checksum(f" {digit * digits}\n") == (algorithm, digit.lower() * digits)


@pytest.mark.parametrize("text", ["", "abc", "sha256:12", "crc32:12345678", "sha512:" + "g" * 128, "a" * 63, "a" * 40, "g" * 64, "md5:" + "a" * 64])
def test_other_checksums_are_refused(text: str) -> None:
    with pytest.raises(ImageServicesError, match="Cannot use checksum"):
        parse_checksum(text)


@pytest.mark.parametrize("key", ["visibility", "os_hidden", "os_glance_import_task", "image_services_incoming"])
def test_properties_of_others_are_refused(key: str) -> None:
    with pytest.raises(ImageServicesError, match=key):
        check_properties("debian", {key: "x"})


@pytest.mark.parametrize("algorithm", ["foo", "shake_128", "", "\x00", None])
def test_a_digest_that_cannot_be_computed_here_is_none(algorithm: str | None) -> None:
    """Properties are open to the owner of an image, and a service may know other algorithms than this host."""
    assert algorithms_to_compare({**PRESENT, SOURCE_DIGEST: f"{algorithm}:dd"}) == ["sha512"]
    assert algorithms_to_compare({**PRESENT, "os_hash_algo": algorithm}) == ["md5"]
    assert service_digest({**PRESENT, "os_hash_algo": algorithm}) == ("md5", "55")
    assert service_digest({"os_hash_algo": algorithm, "os_hash_value": "aa"}) is None

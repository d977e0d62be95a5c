# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is told to get an image's data by: addresses, a token, and whom to trust."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud
from ansible_collections.xenstack.image_services.plugins.module_utils._images.download import DownloadAccess, base_of, only_certificates

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"


class FakeCloud:
    """Settings of a cloud."""

    has_client_certificate = False

    def __init__(self, trust: bool | str = True, *endpoints: str) -> None:
        self.trust = trust
        self._endpoints = list(endpoints or ["https://glance"])

    def token(self) -> str:
        return "a-token"

    def image_endpoints(self) -> list[str]:
        return self._endpoints


def sources(cloud: FakeCloud, *endpoints: str) -> list[dict[str, Any]]:
    data = DownloadAccess(cast(Cloud, cloud), "1", endpoints)
    found = data.sources()
    assert data.secrets == ["a-token"]
    return found


def test_each_endpoint_is_a_source() -> None:
    found = sources(FakeCloud(True, "https://one", "https://two:9292/image"))
    assert [each["url"] for each in found] == ["https://one/v2/images/1/file", "https://two:9292/image/v2/images/1/file"]
    assert all(each["headers"] == {"X-Auth-Token": "a-token"} and each["verify"] is True and each["ca"] is None for each in found)
    assert [each["url"] for each in sources(FakeCloud(), "http://inner:9292/v2/")] == ["http://inner:9292/v2/images/1/file"]


def test_whom_to_trust_goes_along(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(f"Subject: words\n{CERTIFICATE}more words\n{KEY}{CERTIFICATE}")
    secure, plain = sources(FakeCloud(str(path), "https://one", "http://two"))
    assert (secure["ca"], plain["ca"]) == (CERTIFICATE + CERTIFICATE, None)
    assert secure["verify"] is True
    (only,) = sources(FakeCloud(False))
    assert (only["verify"], only["ca"]) == (False, None)
    assert only_certificates(KEY).strip() == ""


@pytest.mark.parametrize(
    ("kind", "cause"), [("directory", "it is a directory"), ("missing", "No such file or directory"), ("key", "it holds no certificate in the form PEM")]
)
def test_a_ca_that_cannot_be_handed_on(tmp_path: Path, kind: str, cause: str) -> None:
    path = tmp_path / "ca"
    if kind == "directory":
        path.mkdir()
    elif kind == "key":
        path.write_text(KEY)
    with pytest.raises(ImageServicesError) as excinfo:
        sources(FakeCloud(str(path)))
    advice = "Have the cloud's settings name a file of the certificates that Glance's is signed with."
    assert str(excinfo.value) == f"Cannot hand on CA file '{path}': {cause}. {advice}"


def test_a_client_certificate_is_not_handed_on() -> None:
    cloud = FakeCloud()
    cloud.has_client_certificate = True
    with pytest.raises(ImageServicesError, match="client certificate"):
        sources(cloud)


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://glance:9292", "https://glance:9292"),
        (" http://10.0.0.1/image/v2/ ", "http://10.0.0.1/image"),
        ("https://[fd00::1]:9292/v2", "https://[fd00::1]:9292"),
    ],
)
def test_an_endpoint_may_be_written_with_its_version(given: str, base: str) -> None:
    assert base_of(given) == base


@pytest.mark.parametrize("given", ["", "glance:9292", "ftp://glance", "https://", "https://a b", "https://x:99999", "https://user:word@x", "https://x#y"])
def test_what_is_no_endpoint(given: str) -> None:
    with pytest.raises(ImageServicesError, match="it is not the address of an image service") as excinfo:
        base_of(given)
    assert "word" not in str(excinfo.value)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that hold secrets: what of them is shown, and what is masked."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.address import address_secrets, identity, shown, source_secrets
from hypothesis import given
from hypothesis import strategies as st

SECRET = "0123456789abcdef0123"
SIGNED = {
    "basic": ("http://me:pass@h/disk", {"pass"}),
    "encoded": ("http://me:p%40ss@h/disk", {"p%40ss", "p@ss"}),
    "a token for a name": (f"https://{SECRET}@h/disk", {SECRET}),
    "AWS": (f"https://b.s3/disk?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={SECRET}", {SECRET, "AWS4-HMAC-SHA256"}),
    "AWS of old": (f"https://b.s3/disk?AWSAccessKeyId=AKIA0123456789ABCDEF&Expires=1&Signature={SECRET}", {SECRET, "AKIA0123456789ABCDEF"}),
    "Azure": ("https://a/disk?sv=2024-01-01&sr=b&sig=ab%2Bc%3D", {"ab%2Bc%3D", "ab+c="}),
    "Google": (f"https://g/disk?X-Goog-Signature={SECRET}", {SECRET}),
    "GitLab": ("https://g/disk?private_token=short", {"short"}),
    "a swift temporary URL": (f"https://s/disk?temp_url_sig={SECRET}&temp_url_expires=1", {SECRET}),
    "a long value of any name": (f"https://g/disk?x={SECRET}", {SECRET}),
    "harmless": ("https://g/disk?version=2&arch=amd64", set()),
    "a user alone": ("https://admin@g/disk", set()),
    "none": ("https://g/disk", set()),
}


@pytest.mark.parametrize("name", SIGNED)
def test_secrets_of_an_address_are_masked_and_not_shown(name: str) -> None:
    uri, secrets = SIGNED[name]
    assert set(address_secrets(uri)) == secrets
    assert set(source_secrets({"uri": uri})) == set(source_secrets({"checksum": f"sha256:{uri}"})) == secrets
    assert not [secret for secret in secrets if secret in shown(uri) or secret in identity(uri)]
    assert shown(uri) == uri.split("?")[0].split("//")[0] + "//" + uri.split("?")[0].split("//")[1].rpartition("@")[2]


def test_a_harmless_query_counts_for_what_content_is_and_a_signature_does_not() -> None:
    assert identity("https://g/disk?version=2") != identity("https://g/disk?version=3")
    assert identity(f"https://g/disk?X-Amz-Signature={SECRET}&X-Amz-Date=1") == identity("https://g/disk")


def test_options_besides_the_address() -> None:
    given = {"uri": None, "checksum": f"sha256:{SECRET}", "url_password": "pass", "headers": {"Authorization": "Bearer abc", "X-Empty": None}}
    assert set(source_secrets(given)) == {"pass", "Bearer abc", "abc"}
    assert list(source_secrets({"uri": 5, "headers": "no dictionary"})) == []


@given(st.text())
def test_no_text_breaks_them(text: str) -> None:
    for uri in (text, f"http://{text}"):
        shown(uri)
        identity(uri)
        list(address_secrets(uri))


@given(st.text(min_size=4))
def test_any_password_is_masked_as_it_is_written_and_as_it_reads(password: str) -> None:
    written = quote(password, safe="")
    assert {written, password} <= set(address_secrets(f"http://me:{written}@host/disk"))
    assert {written} <= set(address_secrets(f"sha256:http://host/disk?sig={written}"))


@given(st.text("abcXYZ0189-._~!$&'()*+,;=:@%", min_size=1))
def test_nothing_before_the_host_or_behind_the_path_is_ever_shown(secret: str) -> None:
    assert shown(f"http://{secret}:{secret}@host/disk?{secret}") == "http://host/disk"

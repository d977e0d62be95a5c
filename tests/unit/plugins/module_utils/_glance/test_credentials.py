# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials that openstacksdk, keystoneauth and requests refuse each in their way: one sentence, no traceback, no secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import cloud_secrets
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.cloud_keys import unknown_cloud_key
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openstack.config import loader

SECRET = "s3cr3t-passphrase"
# A port of the loopback interface where nobody listens.
AUTH = {
    "auth_url": "https://127.0.0.1:9/v3",
    "username": "u",
    "password": SECRET,
    "project_name": "p",
    "user_domain_name": "Default",
    "project_domain_name": "Default",
}
CREDENTIAL = {"application_credential_id": "x", "application_credential_secret": SECRET}


def refusal(params: dict[str, Any]) -> str:
    with pytest.raises(ImageServicesError) as excinfo:
        Cloud(params)
    text = str(excinfo.value)
    assert text.startswith("Cannot "), text
    assert text.endswith("."), text
    assert SECRET not in text
    return text


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"auth": {**AUTH, **CREDENTIAL}}, "a password beside an application credential"),
        ({"auth_type": "v3applicationcredential", "auth": {**AUTH, **CREDENTIAL}}, "a password beside an application credential"),
        ({"auth": {**AUTH, "passwort": SECRET}}, "auth has the key 'passwort', which auth_type 'password' does not take. Write password instead, or"),
        ({"auth_type": "admin_token", "auth": {"token": SECRET}}, "auth lacks 'endpoint'"),
        ({"auth": {key: value for key, value in AUTH.items() if key != "password"}}, "password is a required attribute"),
        ({"auth": SECRET}, "auth is not a dictionary"),
        ({"cloud": {"auth": SECRET}}, "auth is not a dictionary"),
        ({"cloud": {"auth": [SECRET]}}, "auth is not a dictionary"),
        ({"cloud": {"auth": {5: SECRET}}}, "auth is not a dictionary"),
        ({"cloud": {"auth": {**AUTH, "auth_url": 5}}}, "auth_url is not a text"),
        ({"auth": {**AUTH, "auth_url": "http://[::1"}}, "Invalid IPv6 URL"),
        ({"auth": AUTH, "ca_cert": "/nope.pem"}, "CA certificates, '/nope.pem', does not exist"),
        ({"auth": AUTH, "client_cert": "/nope.pem"}, "client certificate, '/nope.pem', does not exist"),
        ({"auth": AUTH, "client_cert": "/etc/passwd", "client_key": "/nope.key"}, "'/nope.key', does not exist"),
        ({"cloud": {"auth": AUTH, "cacert": {"x": 1}}}, "cacert is not a text"),
        ({"cloud": {"auth": AUTH, "cert": ["x"]}}, "cert is not a text"),
        ({"cloud": {"auth": AUTH, "verify": "false"}}, "verify is 'false'"),
        ({"cloud": {"auth": AUTH, "api_timeout": "abc"}}, "api_timeout is 'abc'"),
        ({"cloud": {"auth": AUTH, "api_timeout": -1}}, "api_timeout is -1"),
        ({"cloud": {"auth": AUTH, "api_timeout": float("nan")}}, "api_timeout is nan"),
        ({"cloud": {"auth": AUTH, "region_name": ["a"]}}, "region_name is not a text"),
        ({"cloud": {"auth": AUTH, "auth_type": ["a"]}}, "auth_type is not a text"),
        ({"cloud": {"auth": AUTH, 5: 6}}, "cloud has the key 5"),
        ({"cloud": ["production"]}, "cloud is neither a name nor a dictionary"),
        ({"cloud": True}, "cloud is neither a name nor a dictionary"),
        ({"auth_type": "nope", "auth": AUTH}, "nope could not be found"),
    ],
)
def test_settings_that_libraries_refuse(params: dict[str, Any], words: str) -> None:
    assert words in refusal(params)


ENTRY = "auth: {auth_url: 'https://127.0.0.1:9', username: u, password: " + SECRET + ", project_name: p}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("clouds:\n  x:\n", "the entry 'x' of '{path}' is empty"),
        (f"clouds:\n  x: {SECRET}\n", "the entry 'x' of '{path}' is not a dictionary"),
        (f"clouds:\n  x: [{SECRET}]\n", "the entry 'x' of '{path}' is not a dictionary"),
        ("clouds:\n", "'{path}' has no dictionary 'clouds'"),
        ("clouds: [x]\n", "'{path}' has no dictionary 'clouds'"),
        ("", "'{path}' has no dictionary 'clouds'"),
        ("hello\n", "'{path}' has no dictionary 'clouds'"),
        (f"clouds:\n  x:\n    auth: {{password: {SECRET}\n    foo: [\n", "'{path}' is not valid YAML, line 4"),
        ("clouds:\n\tx:\n", "'{path}' is not valid YAML, line 2"),
        ("clouds: !!python/object/apply:os.system ['true']\n", "'{path}' is not valid YAML"),
        (b"\xff\xfe\x00clouds", "'{path}' is not valid YAML"),
        (f"clouds:\n  x:\n    auth: {SECRET}\n", "auth of the entry 'x' of '{path}' is not a dictionary"),
        ("clouds:\n  x:\n    auth:\n", "auth of the entry 'x' of '{path}' is empty"),
        ("clouds:\n  y:\n    auth: {}\n", "'{path}' has no cloud 'x'. It has: y."),
        (f"clouds:\n  x:\n    {ENTRY}\n    regions: [{{name: a, values: 5}}]\n", "Check cloud"),
        (f"clouds:\n  x:\n    {ENTRY}\n    profile: [5]\n", "Check cloud"),
        (f"cache: 5\nclouds:\n  x:\n    {ENTRY}\n", "Check cloud"),
        (f"clouds:\n  x:\n    {ENTRY}\n    api_timeout: abc\n", "api_timeout is 'abc'"),
        (f"clouds:\n  x:\n    {ENTRY}\n    verify: 'false'\n", "verify is 'false'"),
        (f"clouds:\n  x:\n    {ENTRY}\n    cacert: /nope.pem\n", "'/nope.pem', does not exist"),
        (None, "there is no clouds.yaml that names cloud 'x'. Looked for clouds.yaml in {directory} on the host that runs the module. Environment variable"),
    ],
)
def test_files_that_libraries_refuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes | None, words: str) -> None:
    path = tmp_path / "clouds.yaml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    assert words.replace("{path}", str(path)).replace("{directory}", str(tmp_path)) in refusal({"cloud": "x"})


def cloud_of(key: str) -> dict[str, Any]:
    return {"cloud": {"auth": AUTH, key: SECRET}}


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("ca_cert", "Write cacert instead."),
        ("cafile", "Write cacert instead."),
        ("validate_certs", "Write verify instead."),
        ("verify_tls", "Write verify instead."),
        ("client_cert", "Write cert instead."),
        ("client_key", "Write key instead."),
        ("regon_name", "Write region_name instead."),
        ("region", "Write region_name instead."),
        ("Interface", "Write interface instead."),
        ("apitimeout", "Write api_timeout instead."),
        ("auth_tpye", "Write auth_type instead."),
        ("passwort", "Write password instead."),
        ("image_endpoint_overide", "Write image_endpoint_override instead."),
        ("nonsense", "Remove it."),
    ],
)
def test_a_key_that_no_cloud_has(key: str, advice: str) -> None:
    assert f"cloud has the key '{key}', which no cloud has. {advice}" in refusal(cloud_of(key))
    assert SECRET in set(cloud_secrets(cloud_of(key)))


@pytest.mark.parametrize(
    "key",
    [
        "app_version",
        "cacert",
        "force_ipv4",
        "has_image",
        "identity_api_version",
        "image_endpoint_override",
        "image-api-version",
        "image_status_code_retries",
        "interface",
        "key",
        "load_yaml_config",
        "networks",
        "object_store_region_name",
        "os_region_name",
        "profile",
        "project_name",
        "regions",
        "status_code_retries",
        "verify",
        "volumev3_service_name",
    ],
)
def test_a_key_that_clouds_have(key: str) -> None:
    assert unknown_cloud_key({key: "x", "auth": AUTH}) is None
    assert SECRET not in set(cloud_secrets({"cloud": {key: SECRET}}))


def test_a_password_beside_auth_is_masked() -> None:
    assert set(cloud_secrets({"cloud": {"username": "alice", "password": SECRET}})) == {SECRET}


def test_without_any_credentials_the_places_of_files_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(loader, "CONFIG_FILES", [str(tmp_path / place / name) for place in ("a", "b") for name in ("clouds.yaml", "clouds.json")])
    sentence = refusal({"region_name": "x"})
    assert "there is neither auth nor the name of a cloud, and no environment variable gives them. Give one of the two." in sentence
    assert f"Looked for clouds.yaml, clouds.json in {tmp_path}/a, {tmp_path}/b on the host that runs the module." in sentence


def values(*texts: str) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(("x", *texts))
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2), max_leaves=4)


KEYS = st.sampled_from(
    ["auth", "auth_type", "region_name", "interface", "cacert", "cert", "key", "verify", "api_timeout", "identity_api_version", "regions", "profile"]
)


# auth_url stays out: a random address would be asked. Secrets are in auth alone: a sentence may show the other values.
@settings(suppress_health_check=list(HealthCheck), max_examples=30)
@given(st.dictionaries(KEYS, values(), max_size=3), st.dictionaries(st.sampled_from(["username", "password", "token", "x"]), values(SECRET), max_size=2))
def test_any_settings_end_in_a_sentence(cloud: dict[str, Any], auth: dict[str, Any]) -> None:
    refusal({"cloud": {"auth": {**auth, "auth_url": AUTH["auth_url"]}, **cloud}})

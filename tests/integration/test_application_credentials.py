# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Application credentials, which automation logs in with, also those whose access rules name single requests to Glance."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

RULES = [{"service": "image", "method": "GET", "path": path} for path in ("/v2/images", "/v2/images/**")]


@pytest.fixture(params=[[], RULES], ids=["all", "reads"])
def credential(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A cloud as in clouds.yaml, whose user has no password."""
    settings = cloud.auth("alice")["cloud"]
    session = Session(v3.Password(**settings["auth"]))
    path = f"{settings['auth']['auth_url']}/users/{session.get_user_id()}/application_credentials"
    body = {"name": f"test {uuid.uuid4()}", **({"access_rules": request.param} if request.param else {})}
    made = session.post(path, json={"application_credential": body}).json()["application_credential"]
    auth = {"auth_url": settings["auth"]["auth_url"], "application_credential_id": made["id"], "application_credential_secret": made["secret"]}
    yield {"cloud": {**settings, "auth_type": "v3applicationcredential", "auth": auth}}
    session.delete(f"{path}/{made['id']}")


def test_what_the_rules_allow_is_done(cloud: Cloud, credential: dict[str, Any], image_name: str, small_disk: Path, request: pytest.FixtureRequest) -> None:
    image = {"name": image_name, "src": str(small_disk), "disk_format": "raw"}
    run_module("glance_image", {**cloud.auth("alice"), **image}).succeeded()
    (found,) = run_module("glance_image_info", {**credential, "name": image_name}).succeeded()["images"]
    assert found["name"] == image_name
    assert not run_module("glance_image", {**credential, **image}).succeeded()["changed"]
    changed = run_module("glance_image", {**credential, **image, "min_disk": 1})
    if "all" in request.node.callspec.id:
        assert changed.succeeded()["changed"]
    else:
        assert changed.sentence().startswith(f"Cannot update image '{image_name}': ")

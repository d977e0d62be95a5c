# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a deployment by its tag, and what a change would do, as an operator runs it at night."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, control, run_playbook, serving_processes


def deploy(cloud: Cloud, *tags: str, **variables: Any) -> Run:
    return run_playbook(ROOT / "tests" / "support" / "cloud.yml", {"demo_dir": str(cloud.base), **variables}, "--tags", ",".join(tags))


@pytest.fixture
def as_before(cloud: Cloud) -> Iterator[None]:
    yield
    deploy(cloud, "config", "service").succeeded()


@pytest.mark.usefixtures("as_before")
def test_each_tag_does_its_step_and_no_other(cloud: Cloud) -> None:
    config = cloud.base / "glance" / "config" / "glance-api.conf"
    before, processes = config.read_text(), serving_processes("glance", cloud.base)
    assert "glance=DEBUG" not in before
    assert processes
    assert deploy(cloud, "check", glance_log_level="DEBUG").succeeded().changed == 0
    assert deploy(cloud, "install", glance_log_level="DEBUG").succeeded().changed == 0
    assert config.read_text() == before
    written = deploy(cloud, "config", glance_log_level="DEBUG").succeeded()
    assert "glance=DEBUG" in config.read_text()
    assert written.changed >= 1
    assert serving_processes("glance", cloud.base) == processes
    deploy(cloud, "service", glance_log_level="DEBUG").succeeded()
    assert not processes.keys() & serving_processes("glance", cloud.base).keys()


@pytest.mark.usefixtures("as_before")
def test_a_check_alone_fails_without_a_roll_back(cloud: Cloud) -> None:
    config = cloud.base / "glance" / "config" / "glance-api.conf"
    before = config.read_text()
    config.write_text(f"{before}\n# by hand\n")
    control("glance", cloud.base, "stop")
    failed = deploy(cloud, "check")
    assert failed.returncode != 0
    assert "Cannot" in failed.output
    assert "Verify | Check that Glance works for its own user" in failed.output
    assert "Rollback |" not in failed.output
    assert config.read_text() == f"{before}\n# by hand\n"
    assert not serving_processes("glance", cloud.base)


def test_projects_and_users_alone(cloud: Cloud) -> None:
    seeded = deploy(cloud, "seed").succeeded()
    assert seeded.changed == 0
    assert "Seed | Create projects, users and services" in seeded.output
    assert "Configure |" not in seeded.output
    assert "Start Keystone" not in seeded.output


def test_a_diff_shows_what_changes_without_secrets(cloud: Cloud) -> None:
    changes = {
        "glance_log_level": "DEBUG",
        "glance_extra_config": {"oslo_messaging_notifications": {"transport_url": "rabbit://glance:ThisIsSecret@127.0.0.1/"}},
        "keystone_token_expiration": 777,
    }
    run = run_playbook(
        ROOT / "tests" / "support" / "cloud.yml", {"demo_dir": str(cloud.base), **changes}, "--tags", "config", "--check", "--diff", "-vvv"
    ).succeeded()
    lines = run.output.splitlines()
    assert {"-debug = false", "+debug = true", "+[oslo_messaging_notifications]", "+transport_url = ********", "+expiration = 777"} <= set(lines)
    secrets = [each["password"] for each in (cloud.auth(user)["cloud"]["auth"] for user in ("admin", "alice"))]
    assert [word for word in ["ThisIsSecret", *secrets] if word in run.output] == []

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role xapi_simulator: a pool that answers, that stays as it is, and that ends."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import XenAPI
from ansible_collections.xenstack.image_services.tests.support.deployment import Run, run_roles
from ansible_collections.xenstack.image_services.tests.support.xapi import PASSWORD

Apply = Callable[..., Run]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, Any]:
    return {
        "xapi_simulator_directory": str(tmp_path / "pool"),
        "xapi_simulator_listen": f"127.0.0.1:{free_port()}",
        "xapi_simulator_password": PASSWORD,
    }


@pytest.fixture
def apply(variables: dict[str, Any]) -> Iterator[Apply]:
    yield lambda *arguments, **more: run_roles(["xapi_simulator"], variables | more, *arguments)
    run_roles(["xapi_simulator"], {**variables, "xapi_simulator_state": "stopped"}).succeeded()


def hosts(variables: dict[str, Any], password: str) -> list[str]:
    session = XenAPI.Session(f"https://{variables['xapi_simulator_listen']}", ignore_ssl=True)
    try:
        session.xenapi.login_with_password("root", password, "2.21", "tests")
        return session.xenapi.host.get_all()
    finally:
        session("close")()


def test_a_pool_is_started_kept_changed_and_stopped(variables: dict[str, Any], apply: Apply) -> None:
    assert PASSWORD not in apply("--check", "--diff").succeeded().output
    assert not (Path(variables["xapi_simulator_directory"]) / "state").exists()
    run = apply("--diff").succeeded()
    assert run.changed
    assert PASSWORD not in run.output
    first = hosts(variables, PASSWORD)
    assert len(first) == 1
    assert not apply().succeeded().changed
    assert apply(xapi_simulator_password="another", xapi_simulator_members=["127.0.0.1:0"]).succeeded().changed
    with pytest.raises(XenAPI.Failure):
        hosts(variables, PASSWORD)
    again = hosts(variables, "another")
    assert (len(again), again[0]) == (2, first[0])
    assert apply(xapi_simulator_state="stopped").succeeded().changed
    assert not apply(xapi_simulator_state="stopped").succeeded().changed
    with pytest.raises(ConnectionRefusedError):
        hosts(variables, "another")


def test_a_pool_without_a_password_or_on_a_taken_port_is_refused(variables: dict[str, Any], apply: Apply) -> None:
    refused = apply(xapi_simulator_password="")
    assert refused.returncode != 0
    assert not Path(variables["xapi_simulator_directory"]).exists()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = apply(xapi_simulator_listen=f"127.0.0.1:{other.getsockname()[1]}")
    assert taken.returncode != 0
    assert "Address already in use" in taken.output
    assert PASSWORD not in taken.output

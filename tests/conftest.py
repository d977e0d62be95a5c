# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for all tests that run in the environment of Ansible."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest
from ansible_collections.xenstack.image_services.tests.support import dom0, faulty_proxy, progress, sweep, vhd_judge, xapi

# A machine that does much else is no defect of what is tested.
hypothesis.settings.register_profile("loaded", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("loaded")


@pytest.fixture(autouse=True)
def _faults_strike() -> Iterator[None]:
    """A test of a fault that never came about shows nothing."""
    yield
    assert not [*xapi.missed_faults(), *faulty_proxy.missed_faults()], "faults that never struck"


@pytest.hookimpl(trylast=True)  # what reports is there by then
def pytest_configure(config: pytest.Config) -> None:
    progress.add_progress(config)


def pytest_report_header() -> list[str]:
    return [sweep.header(), dom0.header(), vhd_judge.header()]

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for all tests that run in the environment of Ansible."""

from __future__ import annotations

from ansible_collections.xenstack.image_services.tests.support import sweep, vhd_judge


def pytest_report_header() -> list[str]:
    return [sweep.header(), vhd_judge.header()]

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Integration tests that share a deployment run in one process, and every name in the lists is one of a file."""

from __future__ import annotations

import pytest
from ansible_collections.xenstack.image_services.tests.support import groups
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("tests/integration/test_outage.py::test_keystone_comes_back_as_well", "aware"),
        ("tests/integration/test_glance_instance_aware.py::test_a[b::c]", "aware"),
        ("tests/integration/test_cinder_role.py::test_a", "cinder"),
        ("tests/integration/test_targets.py::test_target[cinder_volume_type]", "cinder"),
        ("tests/integration/test_targets.py::test_target[xen_sr]", "test_target[xen_sr]"),
        ("tests/integration/test_xen_sr.py::test_a[1]", "test_xen_sr"),
    ],
)
def test_who_shares_a_deployment_shares_a_process(nodeid: str, expected: str) -> None:
    assert groups.group_of(nodeid) == expected


def test_every_file_of_the_lists_is_there_and_uses_what_is_shared() -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "integration").glob("test_*.py")}
    named = {*groups.GROUP_OF, *groups.LONGEST} - set(groups.SHARED)
    assert named <= set(files)
    for group, fixture in (("aware", "aware_cloud"), ("cinder", "cinder")):
        users = {name for name, text in files.items() if f"{fixture}: " in text}
        assert users == set(groups.SHARED[group])

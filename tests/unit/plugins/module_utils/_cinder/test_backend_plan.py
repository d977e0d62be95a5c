# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role cinder_xenapinfs does, from its variables and from what was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._cinder.backend_plan import IN_TREE_CLASS, OWN_CLASS, BackendReading, plan_backend
from ansible_collections.xenstack.image_services.plugins.module_utils._core.ini import parse

DRIVER = {
    "xenapi_connection_url": "https://xen1",
    "volume_backend_name": "xen",
    "xenapi_connection_password": "s3cret",
    "xenapi_nfs_server": "nfs",
    "xenapi_nfs_serverpath": "/srv",
    "xenapi_verify": True,
    "xenapi_ca_path": "",
}
OPTIONS: dict[str, Any] = {
    "state": "present",
    "backend": "xen",
    "options": DRIVER,
    "extra_config": {"reserved_percentage": 5},
    "driver_class": "auto",
    "config_file": "/etc/cinder/cinder.conf",
    "owner": "root",
    "group": "cinder",
    "is_local": False,
    "hypervisor_uuid": "/sys/hypervisor/uuid",
    "has_volume_type": True,
    "verify": "changed",
    "remove_in_use": False,
    "has_credentials": True,
}
FRESH = BackendReading(config="[DEFAULT]\n", python="/venv/bin/python", cinder="27.0.0", is_root=True)


def planned(reading: BackendReading = FRESH, digest: str = "d", **changes: Any) -> dict[str, Any]:
    return plan_backend({**OPTIONS, **changes}, reading, digest)


def applied(reading: BackendReading, plan: dict[str, Any]) -> BackendReading:
    """The host after a run that did all of the plan."""
    done = replace(reading, config=plan["files"][0]["content"], record=plan["record"] + "\n")
    return replace(done, package_changes=False, package_exists=True) if plan["package"]["installs"] else done


def test_a_fresh_host_gets_everything_and_then_nothing() -> None:
    first = planned()
    assert (first["findings"], first["differs"], first["verified"], first["restart"]) == ([], True, False, False)
    assert first["package"] == {"needed": True, "installs": True, "unused": False}
    again = planned(applied(FRESH, first))
    assert (again["differs"], again["verified"], again["restart"], again["backends"]) == (False, True, False, ["xen"])
    assert again["package"] == {"needed": True, "installs": False, "unused": False}
    assert first["files"][0] == {**first["files"][0], "owner": "root", "group": "cinder", "mode": "0640"}
    assert "owner" not in planned(replace(FRESH, is_root=False))["files"][0]


def test_a_diff_shows_no_secret_option() -> None:
    shown = planned()["files"][0]["shown_options"]
    assert {"enabled_backends", "volume_driver", "xenapi_connection_url", "xenapi_nfs_serverpath"} <= set(shown)
    assert {"xenapi_connection_password", "reserved_percentage"}.isdisjoint(shown)
    address = {"xenapi_connection_url": "https://root:s3cret@xen1"}
    assert "xenapi_connection_url" not in planned(options={**DRIVER, **address})["files"][0]["shown_options"]
    former = replace(FRESH, config="[xen]\nxenapi_connection_url = https://root:s3cret@xen1\n")
    assert "xenapi_connection_url" not in planned(former)["files"][0]["shown_options"]


def test_a_run_that_stopped_before_the_restart_is_made_up_for() -> None:
    after = replace(applied(FRESH, planned()), record=None)
    assert planned(after)["restart"]
    # What changes now notifies the handler.
    assert not planned(after, extra_config={})["restart"]
    assert not planned(replace(after, package_changes=True))["restart"]
    assert not planned(after, state="absent")["restart"]


@pytest.mark.parametrize(
    ("cinder", "driver"),
    [("2013.1", IN_TREE_CLASS), ("2014.1.3", IN_TREE_CLASS), ("27.0.0", OWN_CLASS), ("31.1.0", OWN_CLASS)],
)
def test_the_class_fits_the_version(cinder: str, driver: str) -> None:
    plan = planned(replace(FRESH, cinder=cinder))
    assert (plan["findings"], plan["driver"], plan["package"]["needed"]) == ([], driver, driver == OWN_CLASS)
    section = parse(plan["files"][0]["content"])["xen"]
    assert section["volume_driver"] == [driver]
    assert ("xenapi_verify" in section) == (driver == OWN_CLASS)
    assert section["reserved_percentage"] == ["5"]


@pytest.mark.parametrize("change", ["digest", "password", "record"])
def test_what_changed_since_the_verification_is_verified_again(change: str) -> None:
    after = applied(FRESH, planned())
    plans = {
        "digest": lambda: planned(after, digest="e"),
        "password": lambda: planned(after, options={**DRIVER, "xenapi_connection_password": "other"}),
        "record": lambda: planned(replace(after, record="0" * 64)),
    }
    assert not plans[change]()["verified"]


FINDINGS: dict[str, tuple[BackendReading, dict[str, Any], str]] = {
    "no pool": (FRESH, {"options": {**DRIVER, "xenapi_connection_url": " "}}, "'xen': it needs cinder_xenapinfs_connection_url. Set what is missing."),
    "no credentials": (FRESH, {"has_credentials": False}, "Cannot verify backend 'xen': there are no credentials for Cinder."),
    "no credentials to look": (FRESH, {"has_credentials": False, "state": "absent"}, "Cannot remove backend 'xen': there are no credentials"),
    "no type": (FRESH, {"has_volume_type": False}, "without a volume type, Cinder could create the volume on any backend"),
    "no Cinder": (replace(FRESH, config=None), {}, "there is no '/etc/cinder/cinder.conf' on this host. Deploy Cinder first"),
    "no interpreter": (
        replace(FRESH, error="it is away"),
        {},
        "Cannot find the environment of service 'cinder-volume': it is away. Set cinder_xenapinfs_python",
    ),
    "an old version": (replace(FRESH, cinder="23.1.0"), {}, "Cinder 23.1.0 has no XenAPINFS driver any more"),
    "no VM": (FRESH, {"is_local": True}, "this host is no VM of Xen, for it has no /sys/hypervisor/uuid."),
    "a name": (FRESH, {"backend": "database"}, "Cinder cannot have a backend of this name"),
}


@pytest.mark.parametrize("case", FINDINGS)
def test_what_prevents_the_backend_is_one_sentence(case: str) -> None:
    reading, changes, expected = FINDINGS[case]
    [sentence] = planned(reading, **changes)["findings"]
    assert expected in sentence
    assert sentence.startswith("Cannot ")


def test_what_is_not_asked_for_needs_no_credentials() -> None:
    assert planned(has_credentials=False, has_volume_type=False, verify="never")["findings"] == []
    assert planned(has_credentials=False, state="absent", remove_in_use=True)["findings"] == []
    assert planned(replace(FRESH, cinder="23.1.0"), driver_class="my.Driver")["findings"] == []
    assert planned(replace(FRESH, vm="uuid"), is_local=True)["findings"] == []


def test_the_package_goes_with_the_last_backend_that_uses_it() -> None:
    one = applied(FRESH, planned())
    two = applied(one, planned(one, backend="two"))
    assert not planned(two, state="absent")["package"]["unused"]
    last = planned(one, state="absent")
    assert (last["package"]["unused"], last["backends"]) == (True, [])
    assert not planned(FRESH, state="absent")["package"]["unused"]

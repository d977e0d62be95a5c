# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role glance_instance_aware does, from its variables and from what was read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_host import packed, unpacked
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_options import create_filter_plan_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_plan import FilterReading, plan_filter
from ansible_collections.xenstack.image_services.plugins.plugin_utils.site_variables import load

CONFIG = "/etc/glance"
DROP_IN = f"{CONFIG}/glance-api.conf.d/60-instance-aware.conf"
SITE_DROP_IN = "/etc/kolla/config/glance/glance-api.conf"
DERIVED = f"{CONFIG}/glance-api-paste-instance-aware.ini"
BASE = "[pipeline:glance-api-keystone]\npipeline = authtoken context rootapp\n"
URL = "mysql+pymysql://relations:s3cret@db/relations"
PACKAGE = {"__init__.py": ""}
OWN = "[DEFAULT]\ndebug = true\n"
DEFAULTS = {name: option.get("default") for name, option in create_filter_plan_argspec().options.items()}
OPTIONS: dict[str, Any] = {**DEFAULTS, "home": "/opt/glance", "glance_python": "/opt/glance/current/bin/python", "has_credentials": True, "database_url": URL}
SITE: dict[str, Any] = {**OPTIONS, "target": "kolla", "home": "/etc/kolla/aware"}
FRESH = FilterReading(files={f"{CONFIG}/glance-api.conf": "[paste_deploy]\nflavor = keystone\n"}, base=BASE, has_glance=True, pth="/venv/x.pth", is_root=True)
MOUNTS = [{"Source": "/etc/kolla/aware", "Destination": "/etc/kolla/aware", "RW": False}]
MOUNTS += [{"Source": "/etc/kolla/aware/image_services_extensions.pth", "Destination": "/venv/x.pth", "RW": False}]
SITE_FRESH = replace(FRESH, files={SITE_DROP_IN: OWN}, merged="[paste_deploy]\nflavor = keystone\n", mounts=MOUNTS, engine="docker")


def planned(reading: FilterReading = FRESH, options: dict[str, Any] = OPTIONS, check_mode: bool = False, **changes: Any) -> dict[str, Any]:
    return plan_filter({**options, **changes}, reading, PACKAGE, check_mode, load)


def applied(reading: FilterReading, plan: dict[str, Any]) -> FilterReading:
    """The host after a run that did all of the plan."""
    [*_directory, settings] = plan["files"]["settings"]
    [paste] = plan["files"]["hosts"]
    files = {**reading.files, settings["path"]: settings["content"]}
    return replace(reading, files=files, paste=paste["content"], record=plan["digest"] + "\n", package_exists=True)


@pytest.mark.parametrize(("reading", "options"), [(FRESH, OPTIONS), (SITE_FRESH, SITE)], ids=["service", "site"])
def test_a_fresh_host_gets_everything_and_then_nothing(reading: FilterReading, options: dict[str, Any]) -> None:
    first = planned(reading, options)
    assert (first["findings"], first["verified"], first["left"]) == ([], False, False)
    after = applied(reading, first)
    again = planned(after, options)
    assert (again["verified"], again["left"], again["shown"], again["digest"]) == (True, True, [], first["digest"])


CHANGES: dict[str, Callable[[FilterReading], FilterReading]] = {
    "no record": lambda reading: replace(reading, record=None),
    "another record": lambda reading: replace(reading, record="0" * 64),
    "the package differs": lambda reading: replace(reading, package_changes=True),
    "settings by hand": lambda reading: replace(reading, files={**reading.files, DROP_IN: "# changed\n"}),
    "a paste file by hand": lambda reading: replace(reading, paste="# changed\n"),
    "Glance's paste file": lambda reading: replace(reading, base=f"# changed\n{BASE}"),
    "another environment": lambda reading: replace(reading, pth="/venv2/x.pth"),
    "Glance's database": lambda reading: replace(
        reading, files={**reading.files, f"{CONFIG}/glance-image-import.conf": "[database]\nconnection = sqlite:///b\n"}
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_changed_since_the_verification_is_verified_again(case: str) -> None:
    after = CHANGES[case](applied(FRESH, planned()))
    assert not planned(after)["verified"]


def test_a_container_that_does_not_see_the_files_yet_is_not_verified() -> None:
    shown = 'glance_extra_volumes: ["/etc/kolla/aware:/etc/kolla/aware:ro", "/etc/kolla/aware/image_services_extensions.pth:/venv/x.pth:ro"]\n'
    after = applied(SITE_FRESH, planned(SITE_FRESH, SITE))
    after = replace(after, files={**after.files, "/etc/kolla/globals.yml": shown}, mounts=[])
    found = planned(after, SITE)
    assert (found["findings"], found["verified"], len(found["pending"])) == ([], False, 2)


def test_what_is_restored_is_what_was_verified() -> None:
    after = applied(FRESH, planned())
    restore = planned(after, max_instance_ids=7)["restore"]
    assert restore["settings"][-1] == {"path": DROP_IN, "content": after.files[DROP_IN], "mode": "0640", "group": "glance", "backup": False}
    assert restore["hosts"][0]["content"] == after.paste
    interrupted = planned(replace(after, record=None))["restore"]
    assert interrupted == {"settings": [{"path": DROP_IN, "state": "absent"}], "hosts": [{"path": DERIVED, "state": "absent"}]}


def test_an_override_keeps_the_lines_of_the_operator() -> None:
    plan = planned(SITE_FRESH, SITE)
    [entry] = plan["files"]["settings"]
    assert entry["content"].startswith(OWN)
    # The host does not know the ids of a container's users.
    assert (entry["group"], plan["files"]["hosts"][0]["mode"]) == (None, "0644")
    after = applied(SITE_FRESH, plan)
    assert planned(replace(after, record=None), SITE)["restore"]["settings"][0]["content"] == OWN
    absent = planned(after, SITE, state="absent")
    assert (absent["left"], absent["files"]["settings"][0]["content"], absent["files"]["hosts"][0]["state"]) == (True, OWN, "absent")
    bare = planned(replace(SITE_FRESH, files={}), SITE)
    assert [entry["state"] for entry in bare["files"]["settings"] if "state" in entry] == ["directory"]


FINDINGS: dict[str, tuple[FilterReading, dict[str, Any], str]] = {
    "no credentials": (FRESH, {"has_credentials": False}, "Cannot verify filter 'instance_aware': there are no credentials for Glance. Set glance_instance"),
    "a mapping": (FRESH, {"installations": [{"kind": "user", "name": "nova", "uuid": "1"}]}, "Cannot map caller 'user nova': '1' is no UUID."),
    "an option": (FRESH, {"extra_config": {"chunk": "a\x00b"}}, "Cannot write option 'chunk'"),
    "no interpreter": (replace(FRESH, has_glance=False), {}, "there is no Glance in the interpreter '/opt/glance/current/bin/python'. Set glance_instance"),
    "no paste file": (replace(FRESH, base=None), {}, f"Cannot extend paste file '{CONFIG}/glance-api-paste.ini': there is none."),
    "no context": (replace(FRESH, base="[pipeline:glance-api-keystone]\npipeline = rootapp\n"), {}, "has no filter 'context'"),
    "no container": (replace(SITE_FRESH, has_glance=False), SITE, "there is no Glance in the interpreter of container 'glance_api'. Deploy it first."),
    "no mount": (replace(SITE_FRESH, mounts=None), SITE, "nothing mounts '/etc/kolla/aware'"),
}


@pytest.mark.parametrize("case", FINDINGS)
def test_what_prevents_the_filter_is_one_sentence(case: str) -> None:
    reading, changes, expected = FINDINGS[case]
    [sentence] = planned(reading, **changes)["findings"]
    assert expected in sentence


def test_a_removal_needs_no_working_pipeline() -> None:
    assert planned(replace(FRESH, base=None, has_glance=False), state="absent")["findings"] == []


def test_a_host_without_glance_is_only_an_error_outside_check_mode() -> None:
    reading = FilterReading(missing=["/etc/glance/glance-api.conf", "/usr/bin/python3"])
    found = planned(reading, state="absent")
    assert found["findings"][0].startswith(
        "Cannot remove filter 'instance_aware': there is no '/etc/glance/glance-api.conf' and no '/usr/bin/python3' on this host. Deploy Glance first, or set"
    )
    assert (found["glance"], found["paths"]["drop_in"]) == (False, DROP_IN)
    assert planned(reading, check_mode=True)["findings"] == []


USERS: dict[str, tuple[dict[str, Any], bool, list[str]]] = {
    "a name": ({}, True, ["setpriv", "--reuid=glance", "--regid=glance", "--init-groups", "--"]),
    "a number": ({"user": "42415", "group": "42415"}, True, ["setpriv", "--reuid=42415", "--regid=42415", "--clear-groups", "--"]),
    "root": ({"user": "root"}, True, []),
    "an ordinary user": ({}, False, []),
}


@pytest.mark.parametrize("case", USERS)
def test_the_program_runs_as_the_user_of_glance(case: str) -> None:
    changes, is_root, prefix = USERS[case]
    program = planned(replace(FRESH, is_root=is_root), **changes)["program"]
    assert program["argv"] == [*prefix, "/opt/glance/current/bin/python"]
    assert program["arguments"] == ["--config-file", f"{CONFIG}/glance-api.conf", "--config-dir", f"{CONFIG}/glance-api.conf.d"]
    assert program["secret"] == "s3cret"
    assert planned(SITE_FRESH, SITE)["program"]["argv"] == ["docker", "exec", "-i", "glance_api", "python3"]


def test_bytes_that_are_no_text_travel_unharmed() -> None:
    reading = replace(FRESH, base="caf\udce9\r\n", files={"/a": "\udcff"}, mounts=MOUNTS)
    assert unpacked(packed(reading)) == reading

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role glance_stores does, by its variables and what was found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core import ini
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.declaration import Declaration
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.site import Mount, Site
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.override import BEGIN
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.plan import (
    MANAGED,
    DesiredStores,
    Found,
    FoundSite,
    plan_at_site,
    plan_service,
    users_of,
)
from ansible_collections.xenstack.image_services.plugins.plugin_utils.site_variables import load

FAST = {"name": "fast", "type": "file", "default": True, "filesystem_store_datadir": "/srv/fast"}
ACCOUNT = {"reference": "ref1", "auth_address": "https://id.example.org/v3", "user": "service:glance", "key": "s3cret"}
KEY = "AQBxN0hnAAAAABAAoDMYnFDaEVPyCcP8pyR+SQ=="
CEPH = {"name": "site", "conf": "[global]\nmon_host = 10.0.0.1\n", "keyrings": [{"user": "glance", "key": KEY}]}
WANTED = DesiredStores(Declaration([FAST]), "service", "/etc/glance", "glance-stores.conf", "/etc/glance", config_group="glance")
FOUND = Found(is_root=True)


def declared(*stores: dict[str, Any], wanted: DesiredStores = WANTED, **settings: Any) -> DesiredStores:
    return replace(wanted, declaration=Declaration(list(stores) or [FAST], **settings))


def paths(plan: dict[str, Any], state: str | None = None) -> list[str]:
    return [file["path"] for file in plan["files"] if state in (None, file.get("state", "file"))]


def verified(plan: dict[str, Any], started: str = "-") -> str:
    return f"{plan['digest']}\n{started}\n"


def test_the_file_that_names_the_others_is_written_after_them_and_before_what_it_named() -> None:
    wanted = declared(FAST, {"name": "c", "type": "rbd"}, {"name": "s", "type": "swift"}, swift_accounts=[ACCOUNT], ceph=[CEPH])
    unit = ["/etc/systemd/system/glance.service.d", "/etc/systemd/system/glance.service.d/50-stores.conf"]
    ceph = ["ceph", "ceph/site.conf", "ceph/site.client.glance.keyring"]
    plan = plan_service(wanted, replace(FOUND, has_unit=True))
    assert plan["findings"] == []
    assert paths(plan) == ["/etc/glance", *ceph, "glance-swift.conf", *unit, "glance-stores.conf"]
    assert {(file["owner"], file["group"]) for file in plan["files"] if not file["path"].startswith("/etc/systemd")} == {("root", "glance")}
    left = {"site.conf": MANAGED, "site.client.glance.keyring": MANAGED, "own.conf": "# by hand"}
    plan = plan_service(declared(), replace(FOUND, ceph=left))
    assert paths(plan) == ["/etc/glance", "glance-stores.conf", "glance-swift.conf", "ceph/site.client.glance.keyring", "ceph/site.conf"]
    assert paths(plan, "absent") == paths(plan)[2:]
    assert all("owner" not in file for file in plan_service(declared(), Found())["files"])


def test_no_secret_is_among_the_values_that_a_diff_shows() -> None:
    wanted = declared(FAST, {"name": "c", "type": "rbd"}, {"name": "s", "type": "swift"}, swift_accounts=[ACCOUNT], ceph=[CEPH])
    plan = plan_service(wanted, replace(FOUND, has_unit=True))
    assert plan["secrets"] == ["s3cret"]
    for file in plan["files"]:
        if "content" in file:
            shown = [
                f"{name} = {value}" for options in ini.parse(file["content"]).values() for name in file["shown_options"] for value in options.get(name, [])
            ]
            assert shown or file["path"].endswith(".keyring"), file["path"]
            assert not any("s3cret" in line or KEY in line for line in shown)


@pytest.mark.parametrize(
    ("record", "started", "expected"),
    [
        ("", "-", (True, True)),
        ("{}\n-\n", "-", (False, False)),
        ("{}\n-\n", "b", (False, True)),
        ("{}\na\n", "a", (False, False)),
        ("other\na\n", "a", (True, True)),
    ],
)
def test_what_is_not_verified_yet_is_restarted(record: str, started: str, expected: tuple[bool, bool]) -> None:
    digest = plan_service(WANTED, FOUND)["digest"]
    plan = plan_service(WANTED, replace(FOUND, record=record.format(digest), started=started))
    assert (plan["restart"], plan["verify"]) == expected
    plan = plan_service(replace(WANTED, target="files"), replace(FOUND, record=record.format(digest), started=started))
    assert (plan["restart"], plan["verify"]) == (False, False)


def test_former_directories_stay_writable_while_they_hold_images() -> None:
    plan = plan_service(WANTED, replace(FOUND, has_unit=True, former={"/srv/one": 3, "/srv/empty": 0, "/home/glance/unknown": None}))
    unit = next(file["content"] for file in plan["files"] if file["path"].endswith("50-stores.conf"))
    lines = [line for line in unit.splitlines() if not line.startswith("#")]
    assert lines == ["[Service]", *(f'ReadWritePaths="-{path}"' for path in ("/srv/fast", "/srv/one", "/home/glance/unknown")), "ProtectHome=read-only"]
    assert [note.partition(",")[0] for note in plan["notes"]] == [
        "3 image(s) are in '/srv/one'",
        "An unknown number of image(s) are in '/home/glance/unknown'",
    ]
    assert plan["digest"] != plan_service(WANTED, FOUND)["digest"]
    # They are written down by the unit alone.
    assert plan_service(replace(WANTED, target="files"), replace(FOUND, former={"/srv/one": 3}))["notes"] == []


def test_directories_have_their_own_settings_or_those_of_all() -> None:
    other = {"name": "other", "type": "file", "filesystem_store_datadir": "/srv/other", "directory": {"owner": "xavs", "mode": "0700", "setype": "x_t"}}
    first, second = plan_service(replace(declared(FAST, other), owner="42415"), FOUND)["directories"]
    assert (first["owner"], first["group"], first["mode"], first["setype"], first["other_stores"]) == ("42415", None, None, "glance_var_lib_t", ["/srv/other"])
    assert (second["owner"], second["group"], second["mode"], second["setype"], second["other_stores"]) == ("xavs", None, "0700", "x_t", ["/srv/fast"])
    for wanted, found in ((replace(WANTED, manage_directories=False), FOUND), (WANTED, replace(FOUND, would_create=True))):
        plan = plan_service(wanted, found)
        assert plan["directories"] == []
        assert [(store["id"], store["directories"], store["owner_of_directory"]) for store in plan["expected"]] == [("fast", ["/srv/fast"], False)]


@pytest.mark.parametrize(
    ("user", "directory", "refused"),
    [
        ("glance", {"owner": "xavs"}, True),
        ("glance", {"owner": "loci"}, True),
        ("glance", {"owner": "kolla"}, True),
        ("glance", {"owner": "42424"}, True),
        ("glance", {"owner": "images"}, True),
        ("998", {"owner": "xavs"}, True),
        ("glance", {"owner": "xavs", "mode": "0750"}, True),
        ("glance", {"owner": "xavs", "mode": "2755"}, True),
        ("glance", {"owner": "xavs", "group": "glance", "mode": "0770"}, False),
        ("glance", {"owner": "xavs", "mode": "0707"}, False),
        ("glance", {"owner": "xavs", "mode": "g+w"}, False),
        ("glance", {"owner": "glance"}, False),
        ("glance", {"owner": "package"}, False),
        ("glance", {"owner": "998"}, False),
        ("glance", {"owner": "auto"}, False),
        ("glance", {"owner": "nobody-knows"}, False),
        ("glance", {}, False),
        ("42424", {"owner": "xavs"}, False),
        ("nobody-knows", {"owner": "xavs"}, False),
        ("root", {"owner": "xavs"}, False),
        ("", {"owner": "xavs"}, False),
    ],
)
def test_a_directory_of_another_user_than_glance_s(user: str, directory: dict[str, Any], refused: bool) -> None:
    wanted = replace(declared({**FAST, "directory": directory}), service_user=user, owner=user or "auto")
    users = {"glance": 998, "images": 1001, "root": 0}
    found = replace(FOUND, users={name: users.get(name) for name in users_of(wanted)})
    findings = plan_service(wanted, found)["findings"]
    assert len(findings) == refused
    if refused:
        assert findings[0].startswith("Cannot configure store 'fast': directory '/srv/fast' is to belong to '")
        assert f"and Glance runs as '{user}' (UID 998), who could not write there. Let Glance run as that user, with glance_user_uid " in findings[0]
    # Whoever is not root cannot give it away, and other directories are not the role's.
    assert plan_service(wanted, replace(found, is_root=False))["findings"] == []
    assert plan_service(replace(wanted, manage_directories=False), found)["findings"] == []


DEPLOYED = "[DEFAULT]\nenabled_backends = old:file, fast:file\n"


@pytest.mark.parametrize(
    ("changes", "deployed", "expected"),
    [
        ({}, DEPLOYED, "Cannot verify stores 'fast': there are no credentials for Glance."),
        ({"verify": False}, DEPLOYED, "Cannot remove stores 'old': there are no credentials to find the images"),
        ({"verify": False, "safe_mode": False}, DEPLOYED, None),
        ({"verify": False}, "", None),
        ({"has_credentials": True}, DEPLOYED, None),
        ({}, "[database]\nconnection = x\n", "Cannot configure store 'file /etc/glance/glance-stores.conf': it holds database"),
    ],
)
def test_what_needs_credentials(changes: dict[str, Any], deployed: str, expected: str | None) -> None:
    plan = plan_service(replace(WANTED, **{"has_credentials": False, **changes}), replace(FOUND, deployed=deployed))
    if expected is None:
        assert (plan["findings"], plan["removed"]) == ([], ["old"] if deployed else [])
    else:
        assert [finding.startswith(expected) for finding in plan["findings"]] == [True]
        assert (plan["files"], plan["directories"], plan["restart"]) == ([], [], False)


SITE = Site("glance_api", "/etc/kolla/globals.yml", {"/etc/kolla/globals.yml": ""}, [Mount("/srv/fast", "/srv/fast")], config_dir="/etc/kolla/config")
AT_SITE = replace(WANTED, target="kolla", config_dir="/etc/kolla/config/glance", config_file="glance-api.conf", config_group="")
OWN = "[DEFAULT]\ndebug = true\n"


def at_site(wanted: DesiredStores = AT_SITE, found: Found = FOUND, **around: Any) -> dict[str, Any]:
    return plan_at_site(wanted, found, FoundSite(**{"site": SITE, "uid": 1, "gid": 2, "globals_mode": "0600", **around}), load)


def test_the_override_keeps_the_lines_of_the_operator() -> None:
    plan = at_site(found=Found(deployed=OWN))
    assert plan["findings"] == []
    directory, values, override = plan["files"]
    assert (directory["replace"], values["replace"], values["mode"]) == (False, False, "0600")
    assert override["content"].startswith(OWN + BEGIN)
    again = at_site(found=Found(deployed=override["content"], record=verified(plan)))
    assert (again["files"], again["restart"], again["verify"]) == (plan["files"], False, False)
    # Nobody has a file of variables yet, and none is made without need.
    assert paths(at_site(globals_mode=None)) == ["/etc/kolla/config/glance", "glance-api.conf"]


def test_variables_that_change_let_the_verification_be_repeated() -> None:
    site = replace(SITE, mounts=None, manage_globals=True)
    plan = at_site(site=site)
    assert paths(plan) == ["/etc/kolla/config/glance/.glance-api.conf.verified", "/etc/kolla/config/glance", SITE.globals_file, "glance-api.conf"]
    assert (plan["files"][2]["content"], plan["files"][2]["replace"]) == ('glance_extra_volumes: ["/srv/fast:/srv/fast"]\n', True)
    assert at_site(found=replace(FOUND, record=verified(plan)), site=site)["restart"]
    # The next container will see it elsewhere.
    moved = replace(SITE, files={SITE.globals_file: "glance_extra_volumes: ['/mnt/x:/srv/fast']"})
    pending = at_site(found=replace(FOUND, record=verified(plan)), site=moved)
    assert (pending["pending"], pending["restart"], paths(pending, "absent")) == (["/srv/fast"], True, paths(plan)[:1])
    assert pending["expected"][0]["directories"] == ["/mnt/x"]


@pytest.mark.parametrize(
    ("owner", "around", "expected"),
    [
        ("auto", {}, ("1", "2", 0)),
        ("auto", {"gid": None}, ("kolla", None, 1)),
        ("auto", {"uid": None, "gid": None, "error": "it does not run"}, ("kolla", None, 1)),
        ("42424", {"uid": None}, ("42424", None, 0)),
    ],
)
def test_the_owner_is_the_user_of_the_container_or_the_preset(owner: str, around: dict[str, Any], expected: tuple[str, str | None, int]) -> None:
    plan = at_site(replace(AT_SITE, owner=owner), **around)
    (directory,) = plan["directories"]
    assert (directory["owner"], directory["group"], len(plan["notes"])) == expected
    assert directory["setype"] == "container_file_t"
    assert not around.get("error") or "(it does not run)" in plan["notes"][0]


@pytest.mark.parametrize(
    ("wanted", "found", "around", "expected"),
    [
        (AT_SITE, Found(deployed=BEGIN), {}, "Cannot configure file '/etc/kolla/config/glance/glance-api.conf': the lines"),
        (declared(wanted=AT_SITE, swift_accounts=[ACCOUNT]), FOUND, {}, "Cannot configure swift accounts 'ref1': the site copies no file"),
        (declared(wanted=AT_SITE, ceph=[CEPH]), FOUND, {}, "Cannot deliver ceph clusters 'site': the site's own tool copies ceph.conf"),
        (AT_SITE, FOUND, {"missing_program": "xavs"}, "Cannot apply stores 'fast': the user of this task has no program 'xavs' on the host with the files"),
        (AT_SITE, FOUND, {"python_without_sdk": "/usr/bin/python3"}, "Cannot verify stores 'fast': '/usr/bin/python3' is not a Python with openstacksdk"),
        (AT_SITE, FOUND, {"hosts": 2}, "Cannot configure site '/etc/kolla/config': the play has 2 hosts"),
        (AT_SITE, FOUND, {"site": replace(SITE, mounts=None)}, "Cannot use container 'glance_api': nothing mounts '/srv/fast'"),
        (replace(AT_SITE, has_credentials=False), FOUND, {}, "Cannot verify stores 'fast'"),
        (AT_SITE, Found(deployed="[glance_store]\ndefault_store = file\n"), {}, "Cannot configure store 'file /etc/kolla/config/glance/glance-api.conf'"),
    ],
)
def test_what_a_site_refuses(wanted: DesiredStores, found: Found, around: dict[str, Any], expected: str) -> None:
    plan = at_site(wanted, found, **around)
    assert plan["findings"][0].startswith(expected)
    assert "s3cret" not in str(plan)
    assert plan["files"] == []


def test_only_what_will_be_used_has_to_be_there() -> None:
    missing = {"missing_program": "xavs", "python_without_sdk": "/usr/bin/python3"}
    plan = at_site()
    applied = Found(deployed=plan["files"][-1]["content"], record=verified(plan))
    assert at_site(replace(AT_SITE, verify=False), applied, **missing)["findings"] == []
    # The search for images that only removed stores hold asks Glance as well.
    (finding,) = at_site(replace(AT_SITE, verify=False), merged=DEPLOYED, python_without_sdk="/usr/bin/python3")["findings"]
    assert finding.startswith("Cannot verify stores 'fast'")


def test_stores_that_the_site_had_before_are_known() -> None:
    assert at_site(merged=DEPLOYED)["removed"] == ["old"]
    deployed = at_site(
        declared(FAST, {**FAST, "name": "more", "default": False, "filesystem_store_datadir": "/srv/fast-more"}, wanted=AT_SITE),
        site=replace(SITE, mounts=[*(SITE.mounts or ()), Mount("/srv/fast-more", "/srv/fast-more")]),
    )["files"][-1]["content"]
    assert at_site(found=Found(deployed=deployed))["removed"] == ["more"]

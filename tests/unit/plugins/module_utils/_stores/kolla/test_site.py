# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the directories of a Kolla-style site lie, and what its variables have to say."""

from __future__ import annotations

from difflib import ndiff
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.globals_file import NotEditable, line_of, set_variable
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.kolla.site import (
    Site,
    container_mounts,
    declared_mounts,
    directories_of_stores,
    holding,
    plan_site,
)
from ansible_collections.xenstack.image_services.plugins.plugin_utils.site_variables import load
from hypothesis import given
from hypothesis import strategies as st

GLOBALS = "/etc/kolla/globals.yml"
NAMED = {"Type": "volume", "Name": "glance", "Source": "/var/lib/docker/volumes/glance/_data", "Destination": "/var/lib/glance", "RW": True}
CUSTOM = {"Type": "bind", "Source": "/mnt/glance_images", "Destination": "/mnt/glance_images", "RW": True}


def site(path: str, text: str = "", mounts: list[dict[str, Any]] | None = None, more: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
    directories = [
        {"name": "main", "path": path, "settings": {}},
        {"name": "staging", "path": "/var/lib/glance/staging", "settings": {}},
    ]
    found = {GLOBALS: text, **(more or {})}
    settings = {"globals_file": GLOBALS, "config_dir": "/etc/kolla/config", **settings}
    seen = None if mounts is None else container_mounts(mounts)
    return vars(plan_site(Site(mounts=seen, container="glance_api", files=found, **settings), directories_of_stores(directories, ["main"]), load))


def hosts(plan: dict[str, Any]) -> list[str]:
    assert plan["findings"] == []
    return [entry["path"] for entry in plan["directories"]]


@pytest.mark.parametrize(
    ("path", "text", "mounts", "expected"),
    [
        ("/var/lib/glance/images", "", [NAMED], ["/var/lib/docker/volumes/glance/_data/images"]),
        ("/var/lib/glance/images", "", None, []),
        ("/var/lib/glance/images", "glance_file_datadir_volume: /srv/nfs/", None, ["/srv/nfs/images"]),
        ("/var/lib/glance/images", "glance_file_datadir_volume: /srv/nfs", [NAMED], ["/srv/nfs/images"]),
        ("/mnt/glance_images", "", [NAMED, CUSTOM], ["/mnt/glance_images"]),
        ("/mnt/glance_images", "glance_extra_volumes: ['/mnt/glance_images:/mnt/glance_images']", None, ["/mnt/glance_images"]),
        ("/images/a", "glance_extra_volumes: ['/mnt/x:/images:z']", [NAMED], ["/mnt/x/a"]),
        ("/images/a", "glance_api_extra_volumes: ['/mnt/x:/images']\nglance_extra_volumes: []", None, ["/mnt/x/a"]),
        ("/var/lib/glance/images", "glance_extra_volumes: ['/inner:/var/lib/glance/images/']", [NAMED], ["/inner"]),
        ("/mnt/glance_images", "glance_extra_volumes: '{{ mine }}'", [CUSTOM], ["/mnt/glance_images"]),
    ],
)
def test_the_host_s_directory(path: str, text: str, mounts: list[dict[str, Any]] | None, expected: list[str]) -> None:
    assert hosts(site(path, text, mounts)) == expected


@pytest.mark.parametrize(
    ("text", "mounts", "expected"),
    [
        ("", None, 'Write this line to /etc/kolla/globals.yml, or set glance_stores_manage_globals to true: glance_extra_volumes: ["/mnt/a:/mnt/a"]'),
        ("glance_extra_volumes: ['/b:/b']", [NAMED], 'glance_extra_volumes: ["/b:/b", "/mnt/a:/mnt/a"]'),
        ("default_extra_volumes: ['/b:/b']", [NAMED], 'glance_extra_volumes: ["/b:/b", "/mnt/a:/mnt/a"]'),
        ("glance_api_extra_volumes: []", [NAMED], 'glance_api_extra_volumes: ["/mnt/a:/mnt/a"]'),
        ("glance_extra_volumes: '{{ mine }}'", [NAMED], "glance_extra_volumes is a template, so only you can extend it"),
    ],
)
def test_a_directory_that_is_not_mounted(text: str, mounts: list[dict[str, Any]] | None, expected: str) -> None:
    (finding,) = site("/mnt/a", text, mounts)["findings"]
    assert finding.startswith("Cannot use container 'glance_api': nothing mounts '/mnt/a' of the host into it, and images there would be lost with it.")
    assert expected in finding


def test_a_read_only_mount_is_refused() -> None:
    for plan in (site("/mnt/a", "glance_extra_volumes: ['/mnt/a:/mnt/a:ro,z']"), site("/mnt/a", "", [{**CUSTOM, "Destination": "/mnt/a", "RW": False}])):
        assert "is mounted read-only into the container glance_api" in plan["findings"][0]


def test_overrides_that_the_site_does_not_read() -> None:
    assert "not from '/etc/kolla/config'" in site("/var/lib/glance/images", "node_custom_config: /elsewhere")["findings"][0]
    assert site("/var/lib/glance/images", "node_custom_config: /etc/kolla/config/")["findings"] == []


def test_the_variable_is_set_where_that_is_asked_for() -> None:
    plan = site("/mnt/a", "# mine\nkolla_base_distro: debian\n", [NAMED], manage_globals=True)
    assert hosts(plan) == ["/mnt/a"]
    assert plan["globals_text"] == '# mine\nkolla_base_distro: debian\nglance_extra_volumes: ["/mnt/a:/mnt/a"]\n'
    assert (plan["lines"], plan["pending"]) == (['glance_extra_volumes: ["/mnt/a:/mnt/a"]'], ["/mnt/a"])
    again = site("/mnt/a", plan["globals_text"], [NAMED], manage_globals=True)
    assert (again["lines"], again["pending"], again["globals_text"]) == ([], ["/mnt/a"], plan["globals_text"])
    assert site("/mnt/a", plan["globals_text"], [NAMED, {**CUSTOM, "Source": "/mnt/a", "Destination": "/mnt/a"}])["pending"] == []


def test_a_variable_of_another_file_is_left_to_the_operator() -> None:
    other = {"/etc/kolla/globals.d/x.yml": "glance_extra_volumes: []"}
    assert "write this line to /etc/kolla/globals.d/x.yml yourself" in site("/mnt/a", "", [NAMED], other, manage_globals=True)["findings"][0]


def test_the_volume_of_glance() -> None:
    asked = {"datadir_volume": "/srv/nfs"}
    assert "Write this line to" in site("/var/lib/glance/images", "", [NAMED], **asked)["findings"][0]
    plan = site("/var/lib/glance/images", "", [NAMED], manage_globals=True, **asked)
    assert (hosts(plan), plan["pending"]) == (["/srv/nfs/images"], ["/var/lib/glance/images"])
    assert plan["lines"] == ['glance_file_datadir_volume: "/srv/nfs"']


def test_the_trap_of_several_hosts_is_told_to_whom_it_may_concern() -> None:
    text = "glance_file_datadir_volume: /srv/nfs"
    assert "the site starts Glance on every host of its group glance-api" in str(site("/var/lib/glance/images", text)["notes"])
    assert site("/var/lib/glance/images", text, api_hosts=["a", "b"])["notes"] == []
    assert "every host" not in str(site("/var/lib/glance/images", "")["notes"])


def test_files_that_are_no_yaml() -> None:
    (finding,) = site("/mnt/a", "password: [s3cret\nx: {")["findings"]
    assert finding.startswith("Cannot read file '/etc/kolla/globals.yml': it is no YAML (line ")
    assert "s3cret" not in finding
    assert hosts(site("/mnt/a", "x: !vault abc\nglance_extra_volumes: ['/mnt/a:/mnt/a']")) == ["/mnt/a"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'v: ["/a:/a"]\n'),
        ("x: 1", 'x: 1\nv: ["/a:/a"]\n'),
        ("x: 1\r\n", 'x: 1\r\nv: ["/a:/a"]\r\n'),
        ("v: []\n", 'v: ["/a:/a"]\n'),
        ("v: [/b:/b]  # mine\nx: 1\n", 'v: [/b:/b, "/a:/a"]  # mine\nx: 1\n'),
        ("v:\n  - /b:/b\n  # why\n  - '/c:/c' # c\n# end\nx: 1\n", "v:\n  - /b:/b\n  # why\n  - '/c:/c' # c\n  - \"/a:/a\"\n# end\nx: 1\n"),
        ("v:\n- /b:/b", 'v:\n- /b:/b\n- "/a:/a"'),
        ("v: # none yet\nx: 1\n", 'v: # none yet\n  - "/a:/a"\nx: 1\n'),
        ("#v: []\nx: |\n  v: []\n", '#v: []\nx: |\n  v: []\nv: ["/a:/a"]\n'),
    ],
)
def test_a_list_grows_and_every_other_byte_stays(before: str, after: str) -> None:
    known = (yaml.safe_load(before) or {}).get("v") or []
    edited = set_variable(before, "v", [*known, "/a:/a"], load)
    assert edited == after
    assert set_variable(edited, "v", [*known, "/a:/a"], load) == edited


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'v: "/new"\n'),
        ("v: /old # mine\nx: 1\n", 'v: "/new" # mine\nx: 1\n'),
        ("v: '/old'\r\nx: 1\r\n", 'v: "/new"\r\nx: 1\r\n'),
        ("v:\n", 'v: "/new"\n'),
    ],
)
def test_a_text_is_replaced(before: str, after: str) -> None:
    assert set_variable(before, "v", "/new", load) == after


@pytest.mark.parametrize("text", ["v: {a: 1}\n", "v: '{{ x }}'\n", "v: &a\n  - b\n", "v: [\n  a\n]\n", "- v\n", "x: 1\n...\n", "v: >-\n  /old\n", '"v": []\n'])
def test_what_cannot_be_changed_safely_is_not(text: str) -> None:
    with pytest.raises(NotEditable):
        set_variable(text, "v", ["/a:/a"] if ">-" not in text else "/new", load)


NAMES = st.sampled_from(["v", "w", "vv", "# v", " v", "x"])
TEXTS = st.lists(
    st.sampled_from(["v:", "w: 1", "v: []", " - a", "- a", "v: [a]", "  b: 2", "# v: []", "", "v: |", "  v: []", "x: {", "...", "---", "\t"])
    | st.text(max_size=8),
    max_size=12,
)


@given(TEXTS.map("\n".join), st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=6), max_size=3))
def test_any_file_is_changed_in_that_variable_alone_or_not_at_all(text: str, more: list[str]) -> None:
    try:
        before = load(text) or {}
        value = [*(before.get("v") or []), *more] if isinstance(before, dict) and isinstance(before.get("v") or [], list) else more
        edited = set_variable(text, "v", value, load)
    except (NotEditable, ValueError):
        return
    assert load(edited) == {**before, "v": value}
    # Lines go only where the variable itself stood.
    gone = [line[2:] for line in ndiff(text.splitlines(), edited.splitlines()) if line.startswith("- ")]
    assert [line for line in gone if not line.startswith("v")] == []


def test_the_line_in_a_sentence_is_yaml() -> None:
    assert yaml.safe_load(line_of("v", ["/a:/a", 'b"\\c'])) == {"v": ["/a:/a", 'b"\\c']}
    assert yaml.safe_load(line_of("v", "/x: #y")) == {"v": "/x: #y"}


def test_the_innermost_mount_shows() -> None:
    mounts = container_mounts([NAMED, {**CUSTOM, "Destination": "/var/lib/glance/images/", "Source": "/inner"}])
    found = holding("/var/lib/glance/images", mounts)
    assert found is not None
    assert found.host_path("/var/lib/glance/images") == "/inner"
    assert holding("/var/lib/glance-other", mounts) is None


def test_entries_that_say_nothing_are_passed_over() -> None:
    assert len(declared_mounts({"glance_extra_volumes": ["", "{{ x }}:/y", "/a", "/b:/c"], "glance_file_datadir_volume": "{{ x }}"})) == 1

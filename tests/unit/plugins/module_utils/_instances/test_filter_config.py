# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role glance_instance_aware writes into Glance's configuration, and what it refuses to."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.ini import parse
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.filter_config import base, connection_settings, drop_in, lint, shown_changes

A = "0b7e5e0a-6a52-4d0e-9f4f-3f0f6f8d8b11"
B = "c1a5b7f2-9d7e-4d53-8a55-7f3e6b0c2d22"
CONFIG = "/etc/glance"
DROP_IN = f"{CONFIG}/glance-api.conf.d/60-instance-aware.conf"
PASTE = f"{CONFIG}/glance-api-paste-instance-aware.ini"
URL = "mysql+pymysql://user:pa$$word@db/relations"


def found(files: dict[str, str], merged: str = "") -> Any:
    return base(files, CONFIG, DROP_IN, PASTE, merged)


def test_glance_s_own_settings_are_read_without_ours() -> None:
    files = {
        f"{CONFIG}/glance-api.conf": "[paste_deploy]\nflavor = caching\n[database]\nconnection = sqlite:///a\n",
        f"{CONFIG}/glance-api.conf.d/50-site.conf": "[paste_deploy]\nflavor = keystone\nconfig_file = own.ini\n",
        DROP_IN: drop_in("# ours", PASTE, {"connection": URL}),
        f"{CONFIG}/glance-image-import.conf": "[paste_deploy]\nflavor = none\n",
    }
    assert astuple(found(files)) == ("keystone", f"{CONFIG}/own.ini", "sqlite:///a", ())
    assert found({}).paste_file == f"{CONFIG}/glance-api-paste.ini"


def test_in_what_a_site_has_merged_ours_is_not_glance_s() -> None:
    merged = f"{CONFIG}/merged.conf"
    text = f"[paste_deploy]\nflavor = keystone\nconfig_file = {PASTE}\n[glance_instance_aware]\nconnection = {URL}\n"
    assert found({merged: text}, merged).paste_file == f"{CONFIG}/glance-api-paste.ini"
    assert found({merged: text}, merged).findings == ()
    assert len(found({merged: text}).findings) == 2


def test_files_that_would_win_over_ours_are_refused() -> None:
    later = f"{CONFIG}/glance-api.conf.d/70-site.conf"
    [sentence] = found({later: "[paste_deploy]\nconfig_file = other.ini\n"}).findings
    assert sentence == (
        f"Cannot add filter 'instance_aware': '{later}' is read after '{DROP_IN}' and sets config_file of [paste_deploy] as well. "
        "Move that to a file before it."
    )
    [sentence] = found({f"{CONFIG}/glance-api.conf": "[glance_instance_aware]\nchunk = 7\n"}).findings
    assert "has a section [glance_instance_aware] that this role has not written" in sentence


def test_the_file_says_what_is_given() -> None:
    installations = [{"kind": "service_user", "name": "nova $1", "uuid": A.upper()}, {"kind": "any", "uuid": B}]
    text = drop_in(
        "# ours", PASTE, {"installations": installations, "connection": URL, "service_roles": ["service", "nova"], "chunk": None, "max_body": 5, "x": []}
    )
    assert parse(text) == {
        "paste_deploy": {"config_file": [PASTE]},
        "glance_instance_aware": {
            "installations": [f"service_user:nova $$1={A}", f"*={B}"],
            "connection": [URL.replace("$", "$$")],
            "service_roles": ["service,nova"],
            "max_body": ["5"],
        },
    }
    assert [line for line in shown_changes("", text) if "connection" in line] == ["+ connection = ********"]
    assert "pa$" not in "".join(shown_changes(text, ""))


def test_the_table_is_looked_for_where_it_is() -> None:
    deployed = drop_in("", PASTE, {"connection": URL})
    assert parse(connection_settings("", deployed)) == {"glance_instance_aware": {"connection": [URL.replace("$", "$$")]}}
    assert parse(connection_settings("sqlite://", deployed)) == {"glance_instance_aware": {"connection": ["sqlite://"]}}
    assert parse(connection_settings("", "")) == {}


MAPPINGS: dict[str, tuple[list[dict[str, str]], str]] = {
    "no UUID": ([{"kind": "user", "name": "nova", "uuid": "123"}], "Cannot map caller 'user nova': '123' is no UUID."),
    "no dashes": ([{"kind": "user", "name": "nova", "uuid": A.replace("-", "")}], "is no UUID."),
    "no name": ([{"kind": "user", "uuid": A}], "Cannot map caller 'user': entry 1 names no user. Set name."),
    "a name for all": ([{"kind": "any", "name": "x", "uuid": A}], "any caller has no name. Remove name."),
    "a comma": ([{"kind": "user", "name": "a,b", "uuid": A}], "Give the id instead."),
    "no network": ([{"kind": "address", "name": "192.0.2.7/24", "uuid": A}], "'192.0.2.7/24' is no network."),
    "two of one": ([{"kind": "user", "name": "nova", "uuid": A}, {"kind": "user", "name": "nova", "uuid": B}], f"it belongs to installation {A} and to {B}."),
    "never reached": ([{"kind": "any", "uuid": A}, {"kind": "user", "name": "nova", "uuid": B}], "it stands after 'any', which matches every caller"),
}


@pytest.mark.parametrize("case", MAPPINGS)
def test_a_mapping_that_cannot_hold_is_refused(case: str) -> None:
    entries, expected = MAPPINGS[case]
    [sentence] = lint(entries)
    assert expected in sentence


def test_a_mapping_may_say_a_thing_twice() -> None:
    same = {"kind": "address", "name": "2001:db8::/32", "uuid": A}
    assert list(lint([same, {**same, "uuid": A.upper()}, {"kind": "any", "uuid": B}])) == []

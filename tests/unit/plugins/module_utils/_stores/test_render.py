# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text that a declaration becomes, read back."""

from __future__ import annotations

import configparser
from typing import Any

from ansible_collections.xenstack.image_services.plugins.module_utils._core import ini
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.configured import backends
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.declaration import Declaration, managed_directories
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.lint import lint
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.options import BACKENDS, Option
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.render import render_stores, render_swift_accounts
from hypothesis import given
from hypothesis import strategies as st

ACCOUNT = {"reference": "ref1", "auth_address": "https://id.example.org/v3", "user": "service:glance", "key": "s3cret"}
FAST = {"name": "fast", "type": "file", "default": True, "filesystem_store_datadir": "/srv/fast"}

# Without these a store of the type is refused.
NEEDED: dict[str, dict[str, Any]] = {
    "rbd": {"rbd_store_user": "glance"},
    "s3": {"s3_store_host": "https://s3", "s3_store_access_key": "a", "s3_store_secret_key": "b", "s3_store_bucket": "c"},
    "swift": {"swift_store_multi_tenant": True},
    "vmware": {"vmware_server_host": "a", "vmware_server_username": "b", "vmware_server_password": "c", "vmware_datastores": ["a:b"]},
}


def render(*stores: dict[str, Any], **settings: Any) -> ini.Sections:
    return ini.parse(render_stores(Declaration(stores=[FAST, *stores], **settings), "# managed", "/etc/glance/glance-swift.conf"))


def test_the_whole_file() -> None:
    declaration = Declaration(
        stores=[
            {**FAST, "weight": 10, "description": "Fast disks", "directory": {"owner": "xavs"}},
            {"name": "web", "type": "http", "http_proxy_information": {"http": "proxy:3128"}, "https_insecure": False},
            {"name": "many", "type": "file", "filesystem_store_datadirs": ["/srv/a:10", "/srv/b"]},
            {"name": "sw", "type": "swift", "swift_store_admin_tenants": ["a", "b"]},
        ],
        backend_defaults={"filesystem_store_chunk_size": 4194304},
        reserved={"tasks": {"filesystem_store_datadir": "/srv/tasks"}, "staging": {"filesystem_store_datadir": "/srv/staging", "directory": {}}},
        swift_accounts=[ACCOUNT],
        extra_config={"fast": {"filesystem_new": [1, True]}, "os_brick": {"wait": 5}},
    )
    assert render_stores(declaration, "# managed\n", "/etc/glance/glance-swift.conf") == (
        "# managed\n\n"
        "[DEFAULT]\nenabled_backends = fast:file, web:http, many:file, sw:swift\n\n"
        "[glance_store]\ndefault_backend = fast\n\n"
        "[backend_defaults]\nfilesystem_store_chunk_size = 4194304\n\n"
        "[fast]\nstore_description = Fast disks\nweight = 10\nfilesystem_store_datadir = /srv/fast\nfilesystem_new = 1\nfilesystem_new = true\n\n"
        "[web]\nhttps_insecure = false\nhttp_proxy_information = http:proxy:3128\n\n"
        "[many]\nfilesystem_store_datadir =\nfilesystem_store_datadirs = /srv/a:10\nfilesystem_store_datadirs = /srv/b\n\n"
        "[sw]\nswift_store_config_file = /etc/glance/glance-swift.conf\nswift_store_admin_tenants = a,b\n\n"
        "[os_glance_staging_store]\nfilesystem_store_datadir = /srv/staging\n\n"
        "[os_glance_tasks_store]\nfilesystem_store_datadir = /srv/tasks\n\n"
        "[os_brick]\nwait = 5\n"
    )


def test_null_means_the_default_of_the_driver() -> None:
    assert (
        "filesystem_store_chunk_size" not in render({"name": "b", "type": "file", "filesystem_store_datadir": "/b", "filesystem_store_chunk_size": None})["b"]
    )


def test_a_swift_store_with_its_own_file_keeps_it() -> None:
    store = {"name": "sw", "type": "swift", "swift_store_config_file": "/own"}
    assert render(store, swift_accounts=[ACCOUNT])["sw"]["swift_store_config_file"] == ["/own"]


def test_backends_of_a_deployed_file_are_found() -> None:
    text = render_stores(Declaration(stores=[FAST, {"name": "web", "type": "http"}]), "# x", "")
    assert backends(text) == {"fast": "file", "web": "http"}
    assert backends("") == {}


def test_directories_of_file_stores_and_reserved_stores() -> None:
    declaration = Declaration(
        stores=[{**FAST, "directory": {"owner": "xavs", "group": None}}, {"name": "many", "type": "file", "filesystem_store_datadirs": ["/a/:1", "/b"]}],
        reserved={"staging": {"filesystem_store_datadir": "/st"}, "tasks": {}},
    )
    assert managed_directories(declaration) == [
        {"name": "fast", "path": "/srv/fast", "settings": {"owner": "xavs"}},
        {"name": "many", "path": "/a", "settings": {}},
        {"name": "many", "path": "/b", "settings": {}},
        {"name": "staging", "path": "/st", "settings": {}},
    ]


def _values(option: Option) -> st.SearchStrategy[Any]:
    return {
        "int": st.integers(0, 100),
        "bool": st.booleans(),
        "list": st.lists(st.text("abc", min_size=1), min_size=1),
        "lines": st.lists(st.text("abc", min_size=1), min_size=1),
        "dict": st.dictionaries(st.text("abc", min_size=1), st.text("abc", min_size=1), min_size=1),
    }.get(option.kind, st.text(min_size=1))


@given(st.data())
def test_whatever_the_lint_lets_pass_stays_in_its_section(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([kind for kind in BACKENDS if kind != "file"]))
    drawn = data.draw(st.fixed_dictionaries({}, optional={name: _values(option) for name, option in BACKENDS[kind].items()}))
    options: dict[str, Any] = dict(NEEDED.get(kind, {}))
    store = {"name": "other", "type": kind, **options}
    # One refused option would throw away the whole example, and leave hardly any.
    for name, value in drawn.items():
        if not lint(Declaration(stores=[FAST, {**store, name: value}])):
            options[name] = store[name] = value
    assert lint(Declaration(stores=[FAST, store])) == []
    sections = render(store)
    assert set(sections) - {"other"} == {"DEFAULT", "glance_store", "fast"}
    assert set(sections.get("other", {})) == set(options)


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1), st.text("%\"' $\\;#", min_size=1))
def test_swift_secrets_survive_the_parser_that_reads_them(key: str, odd: str) -> None:
    for secret in (key, odd, key + odd):
        parser = configparser.ConfigParser()
        parser.read_string(render_swift_accounts(Declaration(stores=[FAST], swift_accounts=[{**ACCOUNT, "key": secret}]), "# managed"))
        value = parser.get("ref1", "key")
        assert value[0] == value[-1] == '"'
        assert value[1:-1] == secret

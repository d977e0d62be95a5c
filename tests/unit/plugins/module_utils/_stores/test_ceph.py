# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ceph clusters: the files of their clients, what rbd stores get from them, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core import ini
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.ceph import key_in
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.declaration import Declaration
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.lint import lint
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.render import render_ceph, render_stores
from hypothesis import given
from hypothesis import strategies as st

KEY = "AQAAAAAAAAAAABAA/7X/ZDTXEeUXuTn68A0zHA=="
OTHER_KEY = "AQAAAAAAAAAAABAAeV8yArF8trw9S3cdjGyerw=="
FAST = {"name": "fast", "type": "file", "default": True, "filesystem_store_datadir": "/srv/fast"}
# As «ceph config generate-minimal-conf» prints it, tabs included.
CONF = "# minimal ceph.conf\n[global]\n\tfsid = 1b0a5c3e\n\tmon_host = v1:192.0.2.1:6789\n"
# As «ceph auth get client.glance» prints it.
KEYRING = f'[client.glance]\n\tkey = {KEY}\n\tcaps mon = "profile rbd"\n'


def cluster(name: str = "site", **options: Any) -> dict[str, Any]:
    return {"name": name, "conf": CONF, "keyrings": [{"user": "glance", "key": KEY}], **options}


def rbd(name: str = "ceph", **options: Any) -> dict[str, Any]:
    return {"name": name, "type": "rbd", "rbd_store_pool": name, **options}


def declare(*stores: dict[str, Any], **settings: Any) -> Declaration:
    return Declaration(stores=[FAST, *stores], **{"ceph": [cluster()], **settings})


def rendered(declaration: Declaration) -> ini.Sections:
    return ini.parse(render_stores(declaration, "# managed", "/unused"))


def files(declaration: Declaration) -> dict[str, str]:
    return {file["name"]: file["text"] for file in render_ceph(declaration, "# managed")}


def test_the_files_of_a_cluster() -> None:
    assert files(declare(rbd())) == {
        "site.conf": (
            "# managed\n\n# minimal ceph.conf\n[global]\nfsid = 1b0a5c3e\nmon_host = v1:192.0.2.1:6789\n\n"
            "[client.glance]\nkeyring = /etc/glance/ceph/site.client.glance.keyring\n"
        ),
        "site.client.glance.keyring": f"# managed\n\n[client.glance]\nkey = {KEY}\n",
    }


def test_a_section_of_the_client_keeps_what_it_says_but_for_the_keyring() -> None:
    conf = "[global]\nmon_host = x\n[client.glance]\nkeyring = /elsewhere\nrbd_cache = false\n[client]\nkeyring = /theirs\n"
    text = files(declare(rbd(), ceph=[cluster(conf=conf)]))["site.conf"]
    assert text == (
        "# managed\n\n[global]\nmon_host = x\n[client.glance]\nkeyring = /etc/glance/ceph/site.client.glance.keyring\nrbd_cache = false\n"
        "[client]\nkeyring = /theirs\n"
    )


def test_files_on_the_controller_say_the_same_as_texts() -> None:
    read = [{"name": "site", "src": "ceph.conf", "text": CONF, "keyrings": [{"user": "glance", "src": "a.keyring", "text": KEYRING}]}]
    assert lint(declare(rbd(), ceph=read)) == []
    assert files(declare(rbd(), ceph=read)) == files(declare(rbd()))


def test_a_store_gets_file_and_user_of_the_only_cluster() -> None:
    section = rendered(declare(rbd()))["ceph"]
    assert section == {"rbd_store_pool": ["ceph"], "rbd_store_user": ["glance"], "rbd_store_ceph_conf": ["/etc/glance/ceph/site.conf"]}


def test_the_directory_is_the_one_that_the_service_sees() -> None:
    declaration = declare(rbd(), ceph_directory="/inside")
    assert rendered(declaration)["ceph"]["rbd_store_ceph_conf"] == ["/inside/site.conf"]
    assert "keyring = /inside/site.client.glance.keyring" in files(declaration)["site.conf"]


def test_what_a_store_says_itself_holds() -> None:
    section = rendered(declare(rbd(rbd_store_ceph_conf="/etc/ceph/own.conf", rbd_store_user="own")))["ceph"]
    assert (section["rbd_store_ceph_conf"], section["rbd_store_user"]) == (["/etc/ceph/own.conf"], ["own"])


def test_a_file_for_all_stores_holds_until_a_store_names_a_cluster() -> None:
    defaults = {"rbd_store_ceph_conf": "/etc/ceph/ceph.conf", "rbd_store_user": "glance"}
    read = rendered(declare(rbd("a"), rbd("b", ceph_cluster="site"), backend_defaults=defaults))
    assert "rbd_store_ceph_conf" not in read["a"]
    assert read["b"]["rbd_store_ceph_conf"] == ["/etc/glance/ceph/site.conf"]


def test_several_clusters_and_users() -> None:
    two_users = [{"user": "glance", "key": KEY}, {"user": "images", "key": OTHER_KEY}]
    declaration = declare(
        rbd("a", ceph_cluster="site", rbd_store_pool="images"),
        rbd("b", ceph_cluster="far", rbd_store_pool="images", rbd_store_user="images"),
        ceph=[cluster(), cluster("far", keyrings=two_users)],
    )
    assert lint(declaration) == []
    read = rendered(declaration)
    assert [read[name]["rbd_store_ceph_conf"] for name in "ab"] == [["/etc/glance/ceph/site.conf"], ["/etc/glance/ceph/far.conf"]]
    assert [read[name]["rbd_store_user"] for name in "ab"] == [["glance"], ["images"]]
    assert set(files(declaration)) == {"site.conf", "site.client.glance.keyring", "far.conf", "far.client.glance.keyring", "far.client.images.keyring"}


BAD: dict[str, tuple[Declaration, str]] = {
    "a text": (declare(ceph="ceph.conf"), "section 'glance_stores_ceph': it is not a list"),
    "keyrings as a dictionary": (declare(ceph=[cluster(keyrings={"user": "glance"})]), "keyrings is not a list"),
    "name with a slash": (declare(ceph=[cluster("a/b")]), "cannot be the name of a file"),
    "no name": (declare(ceph=[{"conf": CONF}]), "ceph cluster 1'.*cannot be the name"),
    "same name": (declare(ceph=[cluster(), cluster()]), "another cluster has the same name"),
    "neither conf nor src": (declare(ceph=[cluster(conf=None)]), "needs either conf or src"),
    "conf and src": (declare(ceph=[cluster(src="x")]), "needs either conf or src"),
    "a path as conf": (declare(ceph=[cluster(conf="/etc/ceph/ceph.conf")]), r"no section \[global\]"),
    "unknown option": (declare(ceph=[cluster(monitors=[])]), "monitors is no option"),
    "keyring without a user": (declare(ceph=[cluster(keyrings=[{"key": KEY}])]), "has no user"),
    "user with a prefix": (declare(ceph=[cluster(keyrings=[{"user": "client.glance", "key": KEY}])]), "Write user: glance"),
    "user twice": (declare(ceph=[cluster(keyrings=[{"user": "glance", "key": KEY}] * 2)]), "two keyrings"),
    "neither key nor src": (declare(ceph=[cluster(keyrings=[{"user": "glance"}])]), "needs either key or src"),
    "a key that is none": (declare(ceph=[cluster(keyrings=[{"user": "glance", "key": "s3cret"}])]), "key of user 'glance' is no key of Ceph"),
    "a whole keyring as key": (declare(ceph=[cluster(keyrings=[{"user": "glance", "key": KEYRING}])]), "is no key of Ceph"),
    "a file without that user": (
        declare(ceph=[cluster(keyrings=[{"user": "images", "src": "k", "text": KEYRING}])]),
        "holds no key of client.images",
    ),
    "unknown cluster": (declare(rbd(ceph_cluster="far")), r"no cluster 'far'. Name one that is there \(site\)"),
    "cluster and file": (declare(rbd(ceph_cluster="site", rbd_store_ceph_conf="/x")), "exclude each other"),
    "several clusters, none named": (declare(rbd(), ceph=[cluster(), cluster("far")]), "2 clusters and the store names none. Add ceph_cluster"),
    "several users, none named": (
        declare(rbd(), ceph=[cluster(keyrings=[{"user": "a", "key": KEY}, {"user": "b", "key": KEY}])]),
        "keyrings of a, b and the store names none",
    ),
    "user without a keyring": (declare(rbd(rbd_store_user="images")), "no keyring of user 'images'"),
    "cluster of a file store": (declare({**FAST, "name": "b", "default": False, "ceph_cluster": "site"}), "ceph_cluster is for stores of type rbd"),
    "two stores in one pool": (declare(rbd("a", rbd_store_pool="images"), rbd("b", rbd_store_pool="images")), "same place as store 'a'"),
}


@pytest.mark.parametrize(("declaration", "expected"), BAD.values(), ids=BAD)
def test_mistakes_are_named_without_the_key(declaration: Declaration, expected: str) -> None:
    findings = lint(declaration)
    assert any(re.search(expected, finding, re.DOTALL) for finding in findings), findings
    for finding in findings:
        assert finding.startswith("Cannot configure ")
        assert KEY not in finding
        assert "s3cret" not in finding


def test_a_key_is_found_in_a_keyring() -> None:
    assert key_in(KEYRING, "glance") == KEY
    assert key_in(KEYRING, "images") is None


@given(st.lists(st.sampled_from(["[global]", "[client.glance]", "[client.x]", "keyring = /x", " keyring=/y", "mon_host = 1", "# keyring = z", ""])))
def test_the_client_is_told_of_exactly_one_keyring(lines: list[str]) -> None:
    text = files(declare(rbd(), ceph=[cluster(conf="[global]\n" + "\n".join(lines))]))["site.conf"]
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            current = sections.setdefault(line, [])
        elif line.startswith("keyring"):
            current.append(line)
    assert sections["[client.glance]"] == ["keyring = /etc/glance/ceph/site.client.glance.keyring"]

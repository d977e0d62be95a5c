# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every trap of Glance's store configuration, as a table of declarations and the sentences that they get."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.declaration import Declaration
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.lint import lint
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.options import BACKENDS, COMMON, GLANCE_SECTIONS
from hypothesis import example, given
from hypothesis import strategies as st

ACCOUNT = {"reference": "ref1", "auth_address": "https://id.example.org/v3", "user": "service:glance", "key": "s3cret"}


def file(name: str = "fast", **options: Any) -> dict[str, Any]:
    return {"name": name, "type": "file", "filesystem_store_datadir": f"/srv/glance/{name}", **options}


def s3(**options: Any) -> dict[str, Any]:
    keys = {"s3_store_access_key": "AKIA", "s3_store_secret_key": "s3cret"}
    return {"name": "obj", "type": "s3", "s3_store_host": "https://s3.example.org", "s3_store_bucket": "images", **keys, **options}


def swift(**options: Any) -> dict[str, Any]:
    return {"name": "sw", "type": "swift", **options}


def vmware(**options: Any) -> dict[str, Any]:
    login = {"vmware_server_host": "vc", "vmware_server_username": "u", "vmware_server_password": "s3cret"}
    return {"name": "vc", "type": "vmware", "vmware_datastores": ["dc:ds:5", "dc:other"], **login, **options}


def with_default(*more: dict[str, Any], **settings: Any) -> Declaration:
    return Declaration(stores=[file(default=True), *more], **settings)


GOOD = {
    "one file store": with_default(),
    "every type": with_default(
        file("archive", weight=-5, description="Slow: 100 %", directory={"owner": "xavs", "require_mount": True, "min_free": "10G"}),
        {"name": "web", "type": "http"},
        {"name": "ceph", "type": "rbd", "rbd_store_pool": "images", "rbd_store_user": "glance", "rbd_store_chunk_size": 8},
        s3(),
        swift(swift_store_container="glance"),
        {"name": "vol", "type": "cinder"},
        vmware(),
        swift_accounts=[ACCOUNT],
    ),
    "modes as digits": Declaration(stores=[file(default=True, filesystem_store_file_perm="0640")]),
    "no mode": Declaration(stores=[file(default=True, filesystem_store_file_perm=0)]),
    "shared directory on three hosts": Declaration(stores=[file(default=True, shared=True)], api_hosts=["a", "b", "c"]),
    "required option from the defaults": with_default(s3(s3_store_host=None), backend_defaults={"s3_store_host": "https://s3.example.org"}),
    "directories beside each other": with_default(
        file("b", filesystem_store_datadir="/srv/glance/fast2"),
        reserved={"staging": {"filesystem_store_datadir": "/srv/glance/staging"}, "tasks": {"filesystem_store_datadir": "/srv/glance/tasks"}},
    ),
    "swift with its own file": with_default(swift(swift_store_config_file="/etc/glance/own.conf")),
    "swift in the projects' accounts": with_default(swift(swift_store_multi_tenant=True)),
    "swift with an application credential": with_default(
        swift(default_swift_reference="cred"),
        swift_accounts=[
            {
                "reference": "cred",
                "auth_address": "https://id/v3",
                "application_credential_id": "i",
                "application_credential_secret": "s3cret",
                "project_id": "p",
            }
        ],
    ),
    "unknown options in the escape hatch": with_default(extra_config={"fast": {"filesystem_new_option": [1, "x"]}, "DEFAULT": {"debug": True}}),
    "other files that say nothing about stores": with_default(other_config={"glance-api.conf": "[DEFAULT]\ndebug = true\n[glance_store]\n# stores = file\n"}),
}


@pytest.mark.parametrize("declaration", GOOD.values(), ids=GOOD)
def test_sound_declarations_pass(declaration: Declaration) -> None:
    assert lint(declaration) == []


BAD: dict[str, tuple[Declaration, str]] = {
    "no store": (Declaration(stores=[]), "glance_stores names no store"),
    "entry is a text": (Declaration(stores=["fast"]), "it is not a dictionary"),
    "entry without a name": (Declaration(stores=[{"type": "file"}]), "it has no name"),
    "directory is a text": (with_default(file("b", directory="/srv")), "directory is not a dictionary"),
    "extra config is a list": (with_default(extra_config=["x"]), "it is not a dictionary"),
    "type filesystem": (with_default(file("b", type="filesystem")), "Glance has no store of type 'filesystem'.*Write type: file"),
    "type ceph": (with_default({"name": "c", "type": "ceph"}), "Write type: rbd"),
    "type misspelt": (with_default({"name": "c", "type": "swif"}), "Write type: swift"),
    "type out of the blue": (with_default({"name": "c", "type": "qqq"}), "Write one of file, http"),
    "no type": (with_default({"name": "c"}), "it has no type"),
    "reserved prefix": (with_default(file("os_glance_extra")), "begin with os_glance_ are reserved"),
    "section of Glance": (with_default(file("keystone_authtoken")), "is a section of Glance's configuration already"),
    "section DEFAULT": (with_default(file("DEFAULT")), "is a section of Glance's configuration already"),
    "section in another case": (with_default(file("Database")), "is a section of Glance's configuration already"),
    "name with a colon": (with_default(file("a:b")), "cannot be a section"),
    "name with a comma": (with_default(file("a,b")), "cannot be a section"),
    "name with a line break": (with_default(file("a\nb")), "cannot be a section"),
    "same name": (with_default(file("b"), file("b", filesystem_store_datadir="/srv/c")), "another store has the same name"),
    "same name but for case": (with_default(file("FAST", filesystem_store_datadir="/srv/c")), "another store has the name 'fast', and Glance does not tell"),
    "no default": (Declaration(stores=[file("a"), file("b")]), "Cannot configure stores 'a, b': none of them is the default"),
    "two defaults": (with_default(file("b", default=True)), "2 of them are the default"),
    "default is http": (Declaration(stores=[{"name": "web", "type": "http", "default": True}]), "Glance cannot store anything over http"),
    "two http": (with_default({"name": "w1", "type": "http"}, {"name": "w2", "type": "http"}), "store 'w1' is of type http already"),
    "same directory": (with_default(file("b", filesystem_store_datadir="/srv//glance/./fast/")), "is the same as '/srv/glance/fast'"),
    "directory inside": (with_default(file("b", filesystem_store_datadir="/srv/glance/fast/b")), "'/srv/glance/fast/b' lies inside '/srv/glance/fast'"),
    "directory around": (with_default(file("b", filesystem_store_datadir="/srv/glance")), "'/srv/glance' contains '/srv/glance/fast'"),
    "one of several directories": (
        with_default(file("b", filesystem_store_datadir=None, filesystem_store_datadirs=["/srv/x:10", "/srv/glance/fast:5"])),
        "is the same as",
    ),
    "staging is a store": (
        with_default(reserved={"staging": {"filesystem_store_datadir": "/srv/glance/fast"}}),
        "Cannot configure store 'os_glance_staging_store'",
    ),
    "tasks inside staging": (
        with_default(reserved={"staging": {"filesystem_store_datadir": "/srv/w"}, "tasks": {"filesystem_store_datadir": "/srv/w/t"}}),
        "lies inside '/srv/w' of Glance's directory for staging",
    ),
    "reserved store unknown": (with_default(reserved={"cache": {}}), "it is no reserved store"),
    "reserved option unknown": (with_default(reserved={"tasks": {"filesystem_store_datadri": "/srv/t"}}), "Did you mean filesystem_store_datadir"),
    "datadir and datadirs": (with_default(file("b", filesystem_store_datadirs=["/srv/b2"])), "exclude each other"),
    "datadirs twice": (with_default(file("b", filesystem_store_datadir=None, filesystem_store_datadirs=["/srv/b:1", "/srv/b/:2"])), "stands twice"),
    "datadirs with a bad priority": (
        with_default(file("b", filesystem_store_datadir=None, filesystem_store_datadirs=["/srv/b:high"])),
        "has the priority 'high'",
    ),
    "no directory": (with_default(file("b", filesystem_store_datadir=None)), "it names no directory"),
    "relative directory": (with_default(file("b", filesystem_store_datadir="images")), "is not an absolute path"),
    "directory with dots": (with_default(file("b", filesystem_store_datadir="/srv/../etc")), "contains '..'"),
    "root directory": (with_default(file("b", filesystem_store_datadir="/")), "belongs to the system"),
    "system directory": (with_default(file("b", filesystem_store_datadir="/etc/glance/images")), "belongs to the system"),
    "not shared": (Declaration(stores=[file(default=True)], api_hosts=["a", "b"]), "2 API hosts serve it"),
    "unknown option": (with_default(file("b", filesystem_store_datadri="/x")), "no option that Glance knows. Did you mean filesystem_store_datadir?"),
    "unknown option without a likeness": (with_default(file("b", zzz=1)), "zzz is no option that Glance knows. Remove it."),
    "option of another type": (with_default(file("b", rbd_store_pool="x")), "rbd_store_pool is an option of type rbd"),
    "directory on s3": (with_default(s3(directory={"owner": "glance"})), "directory is for stores of type file"),
    "unknown directory option": (with_default(file("b", directory={"onwer": "glance"})), "Did you mean owner"),
    "weight is a text": (with_default(file("b", weight="high")), "weight is not a whole number"),
    "weight is true": (with_default(file("b", weight=True)), "weight is not a whole number"),
    "chunk size is zero": (with_default(file("b", filesystem_store_chunk_size=0)), "is below 1"),
    "threshold above 100": (with_default(file("b", filesystem_store_threadpool_threshold=101)), "is above 100"),
    "bool is a text": (with_default(file("b", filesystem_thin_provisioning="maybe")), "neither true nor false"),
    "unquoted octal mode": (with_default(file("b", filesystem_store_file_perm=0o640)), "'416' lets everybody write"),
    "mode without the owner": (with_default(file("b", filesystem_store_file_perm="040")), "no mode in octal digits"),
    "mode that Glance cannot read": (with_default(file("b", filesystem_store_file_perm="340")), "keeps Glance from reading"),
    "mode with a nine": (with_default(file("b", filesystem_store_file_perm=690)), "no mode in octal digits"),
    "description in two lines": (with_default(file("b", description="a\n[glance_store]")), "holds a line break"),
    "s3 without a scheme": (with_default(s3(s3_store_host="s3.example.org")), "s3_store_host has no scheme"),
    "s3 without a bucket": (with_default(s3(s3_store_bucket=None)), "needs s3_store_bucket"),
    "s3 with empty keys": (with_default(s3(s3_store_secret_key="")), "s3_store_secret_key is empty"),
    "s3 with small parts": (with_default(s3(s3_store_large_object_chunk_size=4)), "is below 5"),
    "s3 bucket format": (with_default(s3(s3_store_bucket_url_format="dns")), "is none of auto, virtual, path"),
    "two in one bucket": (with_default(s3(), s3(name="obj2")), "in the same place as store 'obj'"),
    "two in one pool": (with_default({"name": "a", "type": "rbd"}, {"name": "b", "type": "rbd"}), "in the same place as store 'a'"),
    "rbd without a user": (with_default({"name": "a", "type": "rbd"}), "store 'a': it names no Ceph user.*Add rbd_store_user"),
    "rbd chunk size": (with_default({"name": "a", "type": "rbd", "rbd_store_chunk_size": 12}), "is no power of two"),
    "vmware datastore": (with_default(vmware(vmware_datastores=["ds"])), "has the entry 'ds'"),
    "vmware datastore as text": (with_default(vmware(vmware_datastores="dc:ds")), "is not a list"),
    "vmware without a password": (with_default(vmware(vmware_server_password=None)), "needs vmware_server_password"),
    "cinder with half a user": (with_default({"name": "v", "type": "cinder", "cinder_store_user_name": "u"}), "cinder_store_password.* is missing"),
    "proxy with a comma": (with_default({"name": "w", "type": "http", "http_proxy_information": {"http": "a,b"}}), "entry with a comma"),
    "swift without an account": (with_default(swift()), "no account 'ref1' is in glance_stores_swift_accounts"),
    "swift with another account": (with_default(swift(default_swift_reference="other"), swift_accounts=[ACCOUNT]), "no account 'other'"),
    "swift auth version": (with_default(swift(swift_store_auth_version="1"), swift_accounts=[ACCOUNT]), "swift_store_auth_version is none of 3"),
    "swift auth v1": (with_default(swift(), swift_accounts=[{**ACCOUNT, "auth_address": "http://sw:8080/auth/v1.0"}]), "version 1 authentication"),
    "swift auth v2": (with_default(swift(), swift_accounts=[{**ACCOUNT, "auth_address": "http://id:5000/v2.0/"}]), "version 2 authentication"),
    "swift user without a project": (with_default(swift(), swift_accounts=[{**ACCOUNT, "user": "glance"}]), "not of the form project:user"),
    "swift account without a key": (with_default(swift(), swift_accounts=[{**ACCOUNT, "key": None}]), "credentials are incomplete"),
    "swift accounts as a text": (with_default(swift_accounts="ref1"), "it is not a list of dictionaries"),
    "swift account without an address": (with_default(swift(), swift_accounts=[{**ACCOUNT, "auth_address": None}]), "it has no auth_address"),
    "Ceph clusters as a text": (with_default(ceph="site"), "it is not a list of dictionaries"),
    "swift account twice": (with_default(swift(), swift_accounts=[ACCOUNT, ACCOUNT]), "another account has the same reference"),
    "swift account unknown option": (with_default(swift(), swift_accounts=[{**ACCOUNT, "auth_addres": "x"}]), "Did you mean auth_address"),
    "swift account reference": (with_default(swift(), swift_accounts=[{**ACCOUNT, "reference": "a]b"}]), "its reference cannot be a section"),
    "swift multi tenant with file": (
        with_default(swift(swift_store_multi_tenant=True, swift_store_config_file="/x")),
        "swift_store_multi_tenant and swift_store_config_file exclude each other",
    ),
    "swift buffer without directory": (with_default(swift(swift_buffer_on_upload=True), swift_accounts=[ACCOUNT]), "needs swift_upload_buffer_dir"),
    "one directory for all": (with_default(backend_defaults={"filesystem_store_datadir": "/srv/x"}), "every file store into one directory"),
    "defaults that swift ignores": (with_default(backend_defaults={"swift_store_config_file": "/x"}), "does not look for swift_store_config_file there"),
    "unknown default": (with_default(backend_defaults={"s3_store_hots": "https://x"}), "Did you mean s3_store_host"),
    "bad default": (with_default(backend_defaults={"s3_store_host": "x"}), "s3_store_host has no scheme"),
    "single-store option as extra": (
        with_default(extra_config={"glance_store": {"filesystem_store_datadir": "/mnt/glance_images/"}}),
        r"filesystem_store_datadir stands here in \[glance_store\], where Glance ignores it",
    ),
    "single-store list as extra": (with_default(extra_config={"glance_store": {"stores": "file,http"}}), "stores stands here"),
    "backends as extra": (with_default(extra_config={"DEFAULT": {"enabled_backends": "a:file"}}), "enabled_backends follows from glance_stores"),
    "default as extra": (with_default(extra_config={"glance_store": {"default_backend": "fast"}}), "default_backend follows from glance_stores"),
    "store option as extra": (with_default(extra_config={"FAST": {"filesystem_store_datadir": "/x"}}), "belongs to store 'fast'"),
    "description as extra": (with_default(extra_config={"fast": {"store_description": "x"}}), "belongs to store 'fast'"),
    "reserved option as extra": (
        with_default(extra_config={"os_glance_tasks_store": {"filesystem_store_datadir": "/x"}}),
        "belongs to glance_stores_internal",
    ),
    "default option as extra": (with_default(extra_config={"backend_defaults": {"s3_store_host": "https://x"}}), "glance_stores_backend_defaults"),
    "extra section with a bracket": (with_default(extra_config={"a]b": {"x": 1}}), "is no section"),
    "extra value in two lines": (with_default(extra_config={"a": {"x": "1\n[b]"}}), "holds a line break"),
    "extra option with an equals sign": (with_default(extra_config={"a": {"x=y": "1"}}), "is no name of an option"),
    "the recipe that circulates": (
        with_default(other_config={"/etc/glance/glance-api.conf": "[glance_store]\ndefault_backend = file\nfilesystem_store_datadir = /mnt/glance_images/\n"}),
        r"file /etc/glance/glance-api.conf': filesystem_store_datadir stands there in \[glance_store\]",
    ),
    "backends elsewhere": (with_default(other_config={"f": "[DEFAULT]\nenabled_backends = a:file\n"}), "it sets enabled_backends as well"),
    "default elsewhere": (with_default(other_config={"f": "[glance_store]\ndefault_backend: x\n"}), "it sets default_backend as well"),
    "store section elsewhere": (with_default(other_config={"f": "[Fast]\nweight = 1\n"}), "would be mixed with store 'fast'"),
    "reserved section elsewhere": (with_default(other_config={"f": "[os_glance_staging_store]\n"}), "use glance_stores_internal"),
}


# Every sentence in full, cause and advice, by the names of the rows above.
SENTENCES = yaml.safe_load(Path(__file__).with_name("lint_findings.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", BAD)
def test_traps_are_named(row: str) -> None:
    declaration, expected = BAD[row]
    findings = lint(declaration)
    assert findings == SENTENCES[row]
    assert any(re.search(expected, finding, re.DOTALL) for finding in findings), findings
    for finding in findings:
        assert re.match(r"Cannot configure [a-z ]+ '[^']*': .+\. .+[.?]$", finding, re.DOTALL), finding
        assert "s3cret" not in finding


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*COMMON, "name", "type", *(option for options in BACKENDS.values() for option in options)]) | st.text(max_size=12)
STORES = st.lists(
    st.fixed_dictionaries({}, optional={"name": st.text(max_size=6), "type": st.sampled_from([*BACKENDS, "filesystem"])}).flatmap(
        lambda store: st.dictionaries(NAMES, ANYTHING, max_size=4).map(lambda more: {**more, **store})
    )
    | ANYTHING,
    max_size=3,
)


@given(STORES, st.dictionaries(st.text(max_size=8), ANYTHING, max_size=2), st.lists(st.dictionaries(st.text(max_size=8), ANYTHING, max_size=3), max_size=2))
@example([{"name": "a", "type": "rbd"}], {}, [{}])
def test_any_input_gets_sentences_and_no_traceback(stores: Any, extra: Any, accounts: Any) -> None:
    findings = lint(Declaration(stores=stores, extra_config=extra, swift_accounts=accounts, ceph=accounts, backend_defaults=extra, reserved=extra))
    assert all(finding.startswith("Cannot configure ") for finding in findings)


KNOWN_KEYS = sorted({"name", "type", "default", "directory", "ceph_cluster", *COMMON, *(name for options in BACKENDS.values() for name in options)})
ACCOUNT_KEYS = ["reference", "auth_address", "user", "key", "application_credential_id", "application_credential_secret", "project_id"]
CEPH_KEYS = ["name", "conf", "src", "keyrings", "user", "key"]
VALUES = ANYTHING | st.sampled_from(["a", "rbd", "swift", "file", "", [], {}, [[]], [{}], {"a": []}])


@given(
    st.lists(
        st.fixed_dictionaries({"name": st.sampled_from("abc"), "type": st.sampled_from([*BACKENDS, [], {}])}).flatmap(
            lambda store: st.dictionaries(st.sampled_from(KNOWN_KEYS), VALUES, max_size=3).map(lambda more: {**more, **store})
        ),
        min_size=1,
        max_size=2,
    ),
    st.lists(st.dictionaries(st.sampled_from(ACCOUNT_KEYS), VALUES, max_size=3), max_size=2),
    st.lists(st.dictionaries(st.sampled_from(CEPH_KEYS), VALUES, max_size=3), max_size=2),
)
@example([{"name": "a", "type": "rbd", "default": True}], [], [{}])
@example([{"name": "a", "type": []}], [{"reference": []}], [{"name": [], "keyrings": [{"user": {}}]}])
@example([{"name": "a", "type": "swift"}], [{"reference": {}}], [])
def test_known_options_of_any_type_get_sentences_and_no_traceback(stores: Any, accounts: Any, clusters: Any) -> None:
    findings = lint(Declaration(stores=stores, swift_accounts=accounts, ceph=clusters))
    assert all(finding.startswith("Cannot configure ") for finding in findings)


@given(st.text(min_size=1, max_size=20))
def test_a_name_that_passes_stays_one_section_and_one_backend(name: str) -> None:
    if not lint(Declaration(stores=[file(name, filesystem_store_datadir="/srv/x", default=True)])):
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", name)
        assert name.lower() not in GLANCE_SECTIONS


PARTS = st.lists(st.sampled_from(["a", "b", "aa"]), min_size=1, max_size=4)


@given(PARTS, PARTS)
def test_directories_clash_exactly_when_one_is_a_prefix_of_the_other(one: list[str], other: list[str]) -> None:
    stores = [file("x", filesystem_store_datadir="/srv/" + "/".join(one), default=True), file("y", filesystem_store_datadir="/srv/" + "//".join(other) + "/")]
    shorter = min(len(one), len(other))
    assert bool(lint(Declaration(stores=stores))) == (one[:shorter] == other[:shorter])

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of a playbook, in sentences that repeat no secret."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.plugin_utils.playbook_variables import unknown_variables, wrong_values

SECRET = "s3cret"
POOL = {"hostname": "pool-a", "password": SECRET}
IMAGE: dict[str, Any] = {"import_image_pools": [POOL], "import_image_image": "debian"}
SNAPSHOT: dict[str, Any] = {"snapshot_to_glance_vm": "web-1", "xen_pool": POOL}
BACKUP: dict[str, Any] = {
    "instance_backup_instances": [{"vm": "web-1", "instance_id": 7}],
    "instance_backup_nova_installation_uuid": "0f0c7d6e-5a8e-4b0c-9d3a-6a1f0c1f2b3d",
    "xen_pool": POOL,
}
RESTORE: dict[str, Any] = {"restore_from_glance_image": "golden", "restore_from_glance_vm": "web-2", "xen_pool": POOL}


@pytest.fixture(autouse=True)
def _no_pool_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XENSERVER_HOST", "XENSERVER_USER", "XENSERVER_PASSWORD", "XENSERVER_VALIDATE_CERTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("playbook", "names", "sentences"),
    [
        ("import_image", ["import_image_verfy"], ["import_image_verfy is no variable of the playbook. Write import_image_verify instead."]),
        ("import_image", ["import_image_ca_cert"], ["import_image_ca_cert is no variable of the playbook. Write import_image_url_ca_cert instead."]),
        ("import_image", ["import_image_flavour"], ["import_image_flavour is no variable of the playbook. Remove or rename it."]),
        ("import_image", ["import_image_verify", "import_images", "instance_backup_run", "__import_image_x"], []),
        (
            "evacuate_store",
            ["evacuate_store", "evacuate_store_bach"],
            ["evacuate_store_bach is no variable of the playbook. Write evacuate_store_batch instead."],
        ),
        # The prefix itself is misspelt.
        ("custom_directory", ["custom_directry_target"], ["custom_directry_target is no variable of the playbook. Write custom_directory_target instead."]),
        ("custom_directory", ["costum_directory_target", "cusstom_directory_clouds"], ["costum_directory_target", "cusstom_directory_clouds"]),
        ("custom_directory", ["customdirectory_target"], ["customdirectory_target"]),
        ("catalog", ["catalg_file", "catalog_flie", "catlaog_file"], ["catalg_file", "catalog_flie", "catlaog_file"]),
        # It may be somebody's own.
        ("custom_directory", ["custom_directory_target", "custom_directorys_target"], []),
        ("custom_directory", ["custom_directory2_target", "custom_target", "my_custom_directory_target", "directory_target", "target"], []),
        # One playbook's name is the beginning of another's.
        ("instance_backup", ["instance_backups_instance_id", "xen_pool"], []),
        ("nova_installation_uuid", ["nova_installation_uuid", "nova_installation_uuid_hosts_x"], ["nova_installation_uuid_hosts_x"]),
        # Without variables of that prefix it is left to its user.
        ("site", ["site_name", "glance_instance_aware_enabled"], []),
        ("glance_check", ["glance_check_timeout"], []),
    ],
)
def test_variables_that_are_none_of_the_playbook(playbook: str, names: list[str], sentences: list[str]) -> None:
    found = unknown_variables(playbook, names)
    assert len(found) == len(sentences)
    assert all(sentence.startswith(wanted) for sentence, wanted in zip(found, sentences, strict=True))


@pytest.mark.parametrize(
    ("playbook", "given", "sentences"),
    [
        ("catalog", {}, ["catalog_file is not given. Set it."]),
        ("catalog", {"catalog_file": " "}, ["catalog_file is not given. Set it."]),
        ("catalog", {"catalog_file": ["a"]}, ["catalog_file is a list. Write it as text."]),
        ("catalog", {"catalog_file": True}, ["catalog_file is true. Write it in quotes."]),
        ("evacuate_store", {"evacuate_store": "old", "evacuate_store_batch": "many"}, ["evacuate_store_batch is 'many'. Give a whole number."]),
        ("evacuate_store", {"evacuate_store": "old", "evacuate_store_batch": True}, ["evacuate_store_batch is true. Give a whole number."]),
        ("evacuate_store", {"evacuate_store": "old", "evacuate_store_batch": 1.5}, ["evacuate_store_batch is '1.5'. Give a whole number."]),
        ("evacuate_store", {"evacuate_store": "old", "evacuate_store_batch": [SECRET]}, ["evacuate_store_batch is a list. Give a whole number."]),
        (
            "evacuate_store",
            {"evacuate_store": "old", "evacuate_store_on_deactivated": "delete"},
            ["evacuate_store_on_deactivated is 'delete'. Choose refuse, skip or reactivate."],
        ),
        ("evacuate_store", {"evacuate_store": "old", "evacuate_store_auth": SECRET}, ["evacuate_store_auth is text. Write it as a dictionary."]),
        ("evacuate_store", {"evacuate_store": "old", "evacuate_store_batch": "20", "evacuate_store_to": "a,b", "evacuate_store_cloud": {}}, []),
        ("import_image", IMAGE, []),
        ("import_image", {**IMAGE, "import_image_verify": "maybe"}, ["import_image_verify is 'maybe'. Give true or false."]),
        ("import_image", {**IMAGE, "import_image_verify": "x\n" * 3}, ["import_image_verify is text. Give true or false."]),
        ("import_image", {**IMAGE, "import_image_verify": "x" * 100}, ["import_image_verify is text. Give true or false."]),
        ("import_image", {**IMAGE, "import_image_verify": "no", "import_image_url_validate_certs": 0, "import_image_name": None}, []),
        ("import_image", {**IMAGE, "import_image_uri": [f"https://user:{SECRET}@x"]}, ["import_image_uri is a list. Write it as text."]),
        ("import_image", {**IMAGE, "import_image_headers": '{"a": "b"}'}, []),
        ("import_image", {}, ["import_image_pools is not given. Set it."]),
        ("import_image", {"import_image_pools": []}, ["import_image_pools is not given. Set it."]),
        ("import_image", {"import_image_pools": SECRET}, ["import_image_pools is text. Write it as a list."]),
        ("import_image", {"import_image_pools": POOL}, ["import_image_pools is a dictionary. Write it as a list."]),
        ("import_image", {"import_image_pools": [SECRET]}, ["import_image_pools[0] is text. Write it as a dictionary."]),
        (
            "import_image",
            {"import_image_pools": [POOL, {"hostnam": "b", "password": SECRET}]},
            ["import_image_pools[1] has the key 'hostnam', which is not known. Write hostname instead."],
        ),
        ("import_image", {"import_image_pools": [{**POOL, "colour": 1}]}, ["import_image_pools[0] has the key 'colour', which is not known. Remove it."]),
        ("import_image", {"import_image_pools": [{**POOL, "srs": {"a": "b"}}]}, ["import_image_pools[0].srs is a dictionary. Write it as a list."]),
        ("import_image", {"import_image_pools": [{"hostname": "b"}]}, ["import_image_pools[0].password is not given. Set it."]),
        ("import_image", {"import_image_pools": [{**POOL, "password": [SECRET]}]}, ["import_image_pools[0].password is a list. Write it as text."]),
        ("snapshot_to_glance", SNAPSHOT, []),
        (
            "snapshot_to_glance",
            {},
            ["snapshot_to_glance_vm is not given. Set it.", "xen_pool.hostname is not given. Set it.", "xen_pool.password is not given. Set it."],
        ),
        ("snapshot_to_glance", {**SNAPSHOT, "xen_pool": f"root:{SECRET}"}, ["xen_pool is text. Write it as a dictionary."]),
        ("snapshot_to_glance", {**SNAPSHOT, "xen_pool": {**POOL, "timeout": "x"}}, ["xen_pool.timeout is 'x'. Give a whole number."]),
        ("snapshot_to_glance", {**SNAPSHOT, "snapshot_to_glance_device": "0", "snapshot_to_glance_stores": "fast"}, []),
        (
            "snapshot_to_glance",
            {**SNAPSHOT, "snapshot_to_glance_leave": ["disks", "disk"]},
            ["snapshot_to_glance_leave[1] is 'disk'. Choose disks, nvram or vtpm."],
        ),
        (
            "snapshot_to_glance",
            {**SNAPSHOT, "snapshot_to_glance_format": "vmdk"},
            ["snapshot_to_glance_format is 'vmdk'. Choose vhd_tarball, vhd,"],
        ),
        ("restore_from_glance", {**RESTORE, "restore_from_glance_settle": ""}, ["restore_from_glance_settle is ''. Give a whole number."]),
        ("restore_from_glance", {**RESTORE, "restore_from_glance_networks": ["eth0"]}, ["restore_from_glance_networks[0] is text. Write it as a dictionary."]),
        # YAML makes a date of it.
        ("instance_backup", {**BACKUP, "instance_backup_run": datetime.date(2026, 5, 31)}, []),
        ("instance_backup", {**BACKUP, "instance_backup_keep": {"weekly": 4}}, ["instance_backup_keep.daily is not given. Set it."]),
        ("instance_backup", {**BACKUP, "instance_backup_keep": {"daily": 7, "wekly": 4}}, ["instance_backup_keep has the key 'wekly', which is not known."]),
        ("instance_backup", {**BACKUP, "instance_backup_instances": [{"vm": "web-1"}]}, ["instance_backup_instances[0].instance_id is not given. Set it."]),
        ("nova_installation_uuid", {"nova_installation_uuid_mode": 0o640, "nova_installation_uuid_path": ""}, []),
        ("site", {"glance_instance_aware_enabled": "perhaps"}, ["glance_instance_aware_enabled is 'perhaps'. Give true or false."]),
    ],
)
def test_values_that_a_playbook_cannot_use(playbook: str, given: dict[str, Any], sentences: list[str]) -> None:
    found = wrong_values(playbook, given)
    assert len(found) == len(sentences), found
    assert all(sentence.startswith(wanted) for sentence, wanted in zip(found, sentences, strict=True)), found
    assert SECRET not in " ".join(found)


def test_a_pool_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XENSERVER_HOST", "pool-a")
    monkeypatch.setenv("XENSERVER_PASSWORD", SECRET)
    assert wrong_values("snapshot_to_glance", {"snapshot_to_glance_vm": "web-1"}) == []

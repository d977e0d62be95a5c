# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images where the servers of the stores themselves see them, and what the role says when a store does not work."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Answer, Api
    from testinfra.host import Host

HERE = Path(__file__).parent
DISK = "sector of a disk\n" * 200000
REMOTE = ["ceph", "objects", "swift"]
WRITABLE = ["local", *REMOTE]
WRONG_KEY = "AQAAAAAAAAAAABAAK9opmNmw7hl9oUKgRH9nJQ=="
SECRETS = ["AQAAAAAAAAAAABAA/7X/ZDTXEeUXuTn68A0zHA==", "molecule-s3-secret", WRONG_KEY, "another-s3-secret", "another-swift-secret"]


def rbd(name: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "type": "rbd", "ceph_cluster": "site", "rbd_store_pool": "images", "rados_connect_timeout": 3, **options}


def s3(name: str, **options: Any) -> dict[str, Any]:
    keys = {"s3_store_access_key": "molecule-s3", "s3_store_secret_key": "molecule-s3-secret"}
    place = {"s3_store_host": "http://127.0.0.1:7480", "s3_store_bucket": name, "s3_store_bucket_url_format": "path"}
    return {"name": name, "type": "s3", **keys, **place, **options}


def swift(name: str, reference: str = "service") -> dict[str, Any]:
    return {"name": name, "type": "swift", "default_swift_reference": reference, "swift_store_container": name}


def cluster(name: str, port: int, key: str) -> dict[str, Any]:
    return {"name": name, "conf": f"[global]\nmon_host = v1:127.0.0.1:{port}\n", "keyrings": [{"user": "glance", "key": key}]}


def account(name: str, port: int, key: str) -> dict[str, Any]:
    domains = {"user_domain_name": "Default", "project_domain_name": "Default"}
    return {"reference": name, "auth_address": f"http://127.0.0.1:{port}/v3", "user": "service:glance", "key": key, **domains}


# Stores that do not work, and what the role has to say of each.
BROKEN = {
    "ceph-key": (rbd("ceph-key", ceph_cluster="mistaken"), "the cluster refuses user 'glance', as it does for a wrong key and for an unknown user."),
    "ceph-pool": (rbd("ceph-pool", rbd_store_pool="nowhere"), "the cluster has no pool 'nowhere'."),
    "ceph-right": (rbd("ceph-right", rbd_store_pool="default.rgw.meta"), "user 'glance' may not use pool 'default.rgw.meta'."),
    "ceph-away": (rbd("ceph-away", ceph_cluster="away"), "no monitor of its cluster answers."),
    "s3-secret": (
        s3("s3-secret", s3_store_secret_key="another-s3-secret"),
        "the server at http://127.0.0.1:7480 finds the signature of its requests wrong, as it does for a wrong secret key. Correct s3_store_secret_key.",
    ),
    "s3-right": (
        s3("s3-right", s3_store_host="http://localhost:7480", s3_store_bucket="glance", s3_store_access_key="molecule-stranger"),
        "its access key may not use bucket 'glance' at http://localhost:7480.",
    ),
    "s3-bucket": (s3("s3-bucket"), "there is no bucket 's3-bucket' at http://127.0.0.1:7480."),
    "s3-away": (s3("s3-away", s3_store_host="http://127.0.0.1:7481"), "nothing answers at http://127.0.0.1:7481."),
    "swift-key": (
        swift("swift-key", "mistaken"),
        "the identity service refuses its account. Correct user and key of account 'mistaken' in glance_stores_swift_accounts.",
    ),
    "swift-container": (swift("swift-container"), "container 'swift-container' does not exist."),
    "swift-away": (swift("swift-away", "away"), "nothing answers at the address of its identity service or of its object store."),
}
MISTAKES = {
    "more_stores": [store for store, _sentence in BROKEN.values()],
    "more_clusters": [cluster("mistaken", 6789, WRONG_KEY), cluster("away", 6790, WRONG_KEY)],
    "more_accounts": [account("mistaken", 5000, "another-swift-secret"), account("away", 5001, "another-swift-secret")],
}


def named(admin: Api, name: str) -> dict[str, Any]:
    images = admin.glance("GET", f"/v2/images?name={name.replace(' ', '%20')}").json()["images"]
    assert len(images) == 1
    return dict(images[0])


def download(admin: Api, image: str, store: str = "") -> Answer:
    return admin.glance("GET", f"/v2/images/{image}/file" + (f"?prefer={store}" if store else ""))


def held(host: Host, admin: Api, store: str) -> list[str]:
    """What a store's server itself holds."""
    if store == "local":
        return list(host.file("/var/lib/glance/images").listdir())
    if store == "ceph":
        return host.check_output("rbd ls images").split()
    if store == "objects":
        return [entry["name"] for entry in json.loads(host.check_output("radosgw-admin bucket list --bucket=glance"))]
    project = admin.call("GET", "http://127.0.0.1:5000/v3/projects?name=service").json()["projects"][0]["id"]
    owner = admin.login("glance", "molecule-gl%nce$ecret{x}", "service")
    return owner.call("GET", f"http://127.0.0.1:8080/v1/AUTH_{project}/glance").body.split()


@pytest.mark.parametrize("store", WRITABLE)
def test_an_image_of_all_stores_lies_in_each_and_comes_out_of_each(host: Host, admin: Api, store: str) -> None:
    image = named(admin, "everywhere")
    assert sorted(image["stores"].split(",")) == sorted(WRITABLE)
    assert image["id"] in held(host, admin, store)
    assert download(admin, image["id"], store).body == DISK


@pytest.mark.parametrize("store", REMOTE)
def test_an_image_of_one_store_lies_there_alone(host: Host, admin: Api, store: str) -> None:
    image = named(admin, f"only in {store}")
    assert image["stores"] == store
    assert [name for name in WRITABLE if image["id"] in held(host, admin, name)] == [store]
    assert download(admin, image["id"]).body == DISK


def test_an_image_that_was_moved_is_gone_from_where_it_was(host: Host, admin: Api) -> None:
    image = named(admin, "moved")
    assert sorted(image["stores"].split(",")) == sorted(REMOTE)
    assert [name for name in WRITABLE if image["id"] in held(host, admin, name)] == REMOTE
    for store in REMOTE:
        assert download(admin, image["id"], store).body == DISK


def test_an_image_is_deleted_from_one_store_and_then_from_all(host: Host, admin: Api) -> None:
    image = named(admin, "moved")["id"]
    assert admin.glance("DELETE", f"/v2/stores/objects/{image}").status == 204
    assert [name for name in REMOTE if image in held(host, admin, name)] == ["ceph", "swift"]
    assert download(admin, image).body == DISK
    assert admin.glance("DELETE", f"/v2/images/{image}").status == 204
    assert [name for name in REMOTE if image in held(host, admin, name)] == []


def test_an_image_on_a_web_server_is_registered_and_served(host: Host, admin: Api) -> None:
    body = json.dumps({"name": "on the web", "disk_format": "raw", "container_format": "bare"})
    image = admin.glance("POST", "/v2/images", body, content_type="application/json").json()["id"]
    location = json.dumps({"url": "http://127.0.0.1:8000/disk.raw"})
    assert admin.glance("POST", f"/v2/images/{image}/locations", location, content_type="application/json").status == 202
    deadline = time.monotonic() + 30
    while (found := admin.glance("GET", f"/v2/images/{image}").json())["status"] != "active" and time.monotonic() < deadline:
        time.sleep(0.5)
    assert (found["status"], found["stores"]) == ("active", "web")
    assert download(admin, image).body == host.file("/srv/www/disk.raw").content_string
    assert admin.glance("DELETE", f"/v2/images/{image}").status == 204
    assert host.file("/srv/www/disk.raw").exists


def test_only_glance_reads_the_files_of_ceph(host: Host) -> None:
    directory = host.file("/etc/glance/ceph")
    assert (directory.user, directory.group, oct(directory.mode)) == ("root", "glance", "0o750")
    assert sorted(directory.listdir()) == ["site.client.glance.keyring", "site.conf"]
    for name in directory.listdir():
        file = host.file(f"/etc/glance/ceph/{name}")
        assert (file.user, file.group, oct(file.mode)) == ("root", "glance", "0o640")


def test_the_role_has_changed_nothing_of_ceph_itself(host: Host) -> None:
    assert not host.file("/etc/ceph/ceph.client.glance.keyring").exists


def run_role(tmp_path: Path, **variables: Any) -> tuple[int, str]:
    """The role once more, with other variables, as verbose as a user may ask for: the exit code and the output."""
    (tmp_path / "variables.json").write_text(json.dumps(variables))
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    command = ["ansible-playbook", "-vvv", "--diff", "-i", str(inventory), "-e", f"@{tmp_path / 'variables.json'}", str(HERE.parent / "stores.yml")]
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, check=False)
    assert not [secret for secret in SECRETS if secret in run.stdout], "a secret is shown"
    return run.returncode, run.stdout


def test_every_store_that_does_not_work_is_named_with_the_reason(admin: Api, tmp_path: Path) -> None:
    code, output = run_role(tmp_path, **MISTAKES)
    assert code != 0, output
    # The result is wrapped and quoted.
    said = " ".join(output.replace("\\n", " ").replace("''", "'").split())
    for name, (_store, sentence) in BROKEN.items():
        assert f"Cannot verify store '{name}': {sentence}" in said, output[-12000:]
    assert [name for name in WRITABLE if f"Cannot verify store '{name}'" in said] == []
    assert admin.glance("GET", "/v2/images?os_hidden=true").json()["images"] == [], "the check has left an image"


def test_a_store_goes_only_without_a_last_copy(admin: Api, tmp_path: Path) -> None:
    """The broken stores of the test before are removed in the same run."""
    alone = named(admin, "only in ceph")["id"]
    code, output = run_role(tmp_path, left_out=["ceph"])
    assert code != 0
    assert f"1 image(s) with {len(DISK)} bytes are only in these stores" in output
    copy = json.dumps({"method": {"name": "copy-image"}, "stores": ["local"]})
    assert admin.glance("POST", f"/v2/images/{alone}/import", copy, content_type="application/json").status == 202
    deadline = time.monotonic() + 60
    while "local" not in admin.glance("GET", f"/v2/images/{alone}").json()["stores"] and time.monotonic() < deadline:
        time.sleep(0.5)

    code, output = run_role(tmp_path, left_out=["ceph"])
    assert code == 0, output
    assert {store["id"] for store in admin.glance("GET", "/v2/info/stores").json()["stores"]} == {"local", "objects", "swift", "web"}
    assert download(admin, alone).body == DISK


def test_keyrings_that_are_not_declared_any_more_are_gone(host: Host) -> None:
    files = [name for name in host.file("/etc/glance/ceph").listdir() if not name.endswith("~")]
    assert sorted(files) == ["site.client.glance.keyring", "site.conf"]


def test_a_store_comes_back_with_what_lies_in_it(admin: Api, host: Host, tmp_path: Path) -> None:
    code, output = run_role(tmp_path)
    assert code == 0, output
    alone = named(admin, "only in ceph")["id"]
    assert alone in held(host, admin, "ceph")
    assert download(admin, alone, "ceph").body == DISK

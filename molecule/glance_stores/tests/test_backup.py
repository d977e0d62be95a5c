# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Glance that is lost comes back from a backup, by the commands of the guide."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "tests/support"))
import guide

if TYPE_CHECKING:
    from conftest import Api
    from testinfra.host import Host

# A host of one release is enough.
ONLY_ON = "debian12"
HERE = Path(__file__).parent
SAVE = guide.blocks("guide_glance_backup", "Save")[0]
UNPACK, _SERVERS, REPAIR = guide.blocks("guide_glance_backup", "Restore")
STORES = {"fast": "/var/lib/glance/images", "archive": "/srv/images/100% $archive"}
INSTALLATION = "0b7e5e0a-6a52-4d0e-9f4f-3f0f6f8d8b11"
# Glance's user too, as on a host that is new.
LOSE = """
/opt/glance/bin/glance-service stop
rm -rf /opt/glance /etc/glance /var/lib/glance /srv/images /etc/systemd/system/glance.service*
userdel glance
systemctl daemon-reload
"""


def create(api: Api, name: str, content: str, store: str, **wanted: Any) -> str:
    body = json.dumps({"name": name, "disk_format": "raw", "container_format": "bare", **wanted})
    answer = api.glance("POST", "/v2/images", body, content_type="application/json")
    assert answer.status == 201, answer.body
    image = str(answer.json()["id"])
    assert api.glance("PUT", f"/v2/images/{image}/file", content, content_type="application/octet-stream", x_image_meta_store=store).status == 204
    return image


def described(api: Api) -> dict[str, Any]:
    """All that Glance says of its images, with a digest of their data."""
    found = {}
    for image in api.glance("GET", "/v2/images?limit=100").json()["images"]:
        path = f"/v2/images/{image['id']}"
        data = {store: hashlib.sha256(api.glance("GET", f"{path}/file?prefer={store}").body.encode()).hexdigest() for store in image["stores"].split(",")}
        found[image["name"]] = {**image, "data": data, "members": api.glance("GET", f"{path}/members").json() if image["visibility"] == "shared" else None}
    return found


def files(host: Host) -> dict[str, tuple[int, int, int, str]]:
    """Path, owner, mode and digest of each file in the stores."""
    found = {}
    for directory in STORES.values():
        for name in host.file(directory).listdir():
            file = host.file(f"{directory}/{name}")
            found[file.path] = (file.uid, file.gid, file.mode, file.sha256sum)
    return found


@pytest.fixture(scope="module")
def images(host: Host, admin: Api, service: Api) -> dict[str, str]:
    host.check_output("mkdir -p /root/backup")
    made = {
        "public": create(admin, "public", "bytes of a public disk", "fast", visibility="public", tags=["base", "2026"], os_distro="debian", note="100% $ é"),
        "shared": create(service, "shared", "bytes of a shared disk", "archive", visibility="shared", protected=True, min_disk=3),
        "private": create(service, "private", "bytes of a private disk", "fast", visibility="private", instance_id="77"),
    }
    [project] = [each["id"] for each in admin.call("GET", "http://127.0.0.1:5000/v3/projects?name=admin").json()["projects"]]
    assert service.glance("POST", f"/v2/images/{made['shared']}/members", json.dumps({"member": project}), content_type="application/json").status == 200
    copy = json.dumps({"method": {"name": "copy-image"}, "stores": ["archive"]})
    assert admin.glance("POST", f"/v2/images/{made['public']}/import", copy, content_type="application/json").status == 202
    deadline = time.monotonic() + 60
    while "archive" not in admin.glance("GET", f"/v2/images/{made['public']}").json()["stores"] and time.monotonic() < deadline:
        time.sleep(0.5)
    return made


def deploy() -> None:
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    command = ["ansible-playbook", "-i", str(inventory), "--limit", ONLY_ON, str(HERE.parent / "restore.yml")]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_a_lost_glance_comes_back_with_all_its_images(host: Host, admin: Api, service: Api, images: dict[str, str]) -> None:
    before, stored = described(admin), files(host)
    assert {name: image["id"] for name, image in before.items()} == images
    assert sorted(before["public"]["data"]) == ["archive", "fast"]
    assert len({image["owner"] for image in before.values()}) == 2
    assert len(stored) == 4

    host.check_output(f"cd /root/backup && set -e\n{SAVE}")
    create(admin, "later", "bytes that no backup has", "fast")
    host.check_output(LOSE)
    assert not [path for path in ("/opt/glance", "/etc/glance", "/var/lib/glance", "/srv/images") if host.file(path).exists]
    assert not host.socket("tcp://127.0.0.1:9292").is_listening
    assert not host.user("glance").exists

    host.check_output(f"cd /root/backup && set -e\n{UNPACK}")
    deploy()
    assert described(admin) == before
    assert files(host) == stored
    for image in before.values():
        assert set(image["data"].values()) == {image["os_hash_value"]}
        assert {host.file(f"{STORES[store]}/{image['id']}").sha256sum for store in image["data"]} == {image["os_hash_value"]}
    related = admin.glance("GET", f"/v2/images?nova_installation_uuid={INSTALLATION}&instance_id=77").json()["images"]
    assert [image["id"] for image in related] == [images["private"]]
    assert json.loads(host.check_output(REPAIR).splitlines()[-1])["changed"] is False


def test_the_restored_glance_takes_and_deletes_images(host: Host, admin: Api, service: Api, images: dict[str, str]) -> None:
    unprotected = json.dumps([{"op": "replace", "path": "/protected", "value": False}])
    patch = "application/openstack-images-v2.1-json-patch"
    assert service.glance("PATCH", f"/v2/images/{images['shared']}", unprotected, content_type=patch).status == 200
    images["new"] = create(admin, "new", "bytes of a new disk", "archive")
    for image in images.values():
        assert admin.glance("DELETE", f"/v2/images/{image}").status == 204
    assert files(host) == {}

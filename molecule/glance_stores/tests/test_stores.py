# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role glance_stores leaves on a host with systemd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Api
    from testinfra.host import Host

DIRECTORIES = {"fast": "/var/lib/glance/images", "archive": "/srv/images/100% $archive"}


def test_glance_has_exactly_the_declared_stores(service: Api) -> None:
    stores = {store["id"]: store.get("default", "false") for store in service.glance("GET", "/v2/info/stores").json()["stores"]}
    assert stores == {"fast": "true", "archive": "false"}


@pytest.mark.parametrize("store", DIRECTORIES)
def test_the_directory_belongs_to_the_declared_owner(host: Host, store: str) -> None:
    directory = host.file(DIRECTORIES[store])
    assert (directory.uid, directory.gid) == (42424, 42424)
    assert directory.mode & 0o007 == 0


def test_the_check_has_left_nothing(host: Host, admin: Api) -> None:
    assert admin.glance("GET", "/v2/images").json()["images"] == []
    for directory in DIRECTORIES.values():
        assert host.file(directory).listdir() == []


@pytest.mark.parametrize("store", DIRECTORIES)
def test_an_image_lies_in_the_store_that_was_asked_for(host: Host, admin: Api, store: str) -> None:
    image = admin.glance("POST", "/v2/images", '{"name": "probe", "disk_format": "raw", "container_format": "bare"}', content_type="application/json").json()
    try:
        sent = admin.glance("PUT", image["file"], "bytes of a disk", content_type="application/octet-stream", x_image_meta_store=store)
        assert sent.status == 204
        stored = host.file(f"{DIRECTORIES[store]}/{image['id']}")
        assert stored.content_string == "bytes of a disk"
        assert stored.uid == 42424
    finally:
        assert admin.glance("DELETE", f"/v2/images/{image['id']}").status == 204
    assert not host.file(f"{DIRECTORIES[store]}/{image['id']}").exists


def test_the_service_may_write_to_its_directories_and_to_a_former_one_that_holds_an_image(host: Host) -> None:
    pid = host.check_output("systemctl show --property MainPID --value glance")
    mounts = [line.split(" ") for line in host.file(f"/proc/{pid}/mountinfo").content_string.splitlines()]
    # A blank in a path is written as an octal number there.
    writable = {fields[4].replace("\\040", " ") for fields in mounts if "rw" in fields[5].split(",")}
    assert {DIRECTORIES["archive"], "/srv/images/former"} <= writable
    assert "/srv/images/emptied" not in writable
    assert "emptied" not in host.check_output("systemctl cat glance")

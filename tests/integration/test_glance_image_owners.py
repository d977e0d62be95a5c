# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose image a name means, and tasks that came from openstack.cloud: what an administrator sees of other projects is never taken for the own project's."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_job import CatalogueJob
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_options import checked_items
from ansible_collections.xenstack.image_services.plugins.module_utils._images.job import ImageJob
from ansible_collections.xenstack.image_services.plugins.module_utils._images.listing import ImageInfoJob
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault
from ansible_collections.xenstack.image_services.tests.support.modules import run_module

VISIBILITIES = ("private", "shared", "community", "public")


@cache
def connected(base: Path, who: str, auth: str) -> Connection:
    """One session for all tests: a login takes longer than most of them."""
    return Connection(json.loads(auth))


def connection(cloud: Cloud, who: str) -> Connection:
    return connected(cloud.base, who, json.dumps(cloud.auth(who)))


def keep(cloud: Cloud, who: str, name: str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    """What the module glance_image does, in this process."""
    there = connection(cloud, who)
    (params,) = checked_items([{"name": name, **options}], {}, {"wait": True, "timeout": 60})
    return carry_out(ImageJob(params, connect=lambda _params: there), check_mode)


def keep_all(cloud: Cloud, who: str, images: list[dict[str, Any]], check_mode: bool, **options: Any) -> dict[str, Any]:
    """What the module glance_images does, in this process."""
    defaults = {"defaults": {}, "concurrency": 2, "bandwidth": None, "continue_on_error": False, "prune": False, "prune_max": "50%", "prune_scope": None}
    params = {**defaults, "wait": True, "timeout": 60, "images": images, **options}
    return carry_out(CatalogueJob(params, connect=lambda _params: connection(cloud, who)), check_mode)


def refused(call: Any, cloud: Cloud, who: str, *arguments: Any, **options: Any) -> str:
    """The sentence, the same in check mode, after having seen that no image has changed."""
    before = list(connection(cloud, "admin").glance.images_and_hidden([("visibility", "all")]))
    sentences = set()
    for check_mode in (True, False):
        with pytest.raises(ImageServicesError) as caught:
            call(cloud, who, *arguments, check_mode=check_mode, **options)
        sentences.add(str(caught.value))
    assert list(connection(cloud, "admin").glance.images_and_hidden([("visibility", "all")])) == before
    (sentence,) = sentences
    return sentence


def images_named(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    glance = connection(cloud, "admin").glance
    return list(glance.images_and_hidden([("name", name), ("visibility", "all")]))


@pytest.fixture
def of_beta(cloud: Cloud) -> Iterator[Any]:
    """Images of bob's project, of any visibility; gone afterwards, community ones as well."""
    made: list[str] = []
    glance = connection(cloud, "admin").glance
    beta = str(connection(cloud, "bob").glance.project_id)

    def make(name: str, visibility: str) -> dict[str, Any]:
        image = glance.create({"id": str(uuid.uuid4()), "name": name, "owner": beta, "visibility": visibility})
        made.append(image["id"])
        return image

    yield make
    for image_id in made:
        glance.delete(image_id)


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_an_administrators_name_never_means_another_projects_image(cloud: Cloud, image_name: str, of_beta: Any, visibility: str) -> None:
    image = of_beta(image_name, visibility)
    why = f"project 'beta' has a {visibility} image of this name ({image['id']}), and project 'admin', which the task runs as, has none."
    what = "Give owner: beta or the id for that image, or owner: admin for an image of the own project."
    for state, verb in (("present", "keep"), ("inactive", "keep"), ("absent", "delete")):
        declared = {"state": state, "properties": {"os_distro": "debian"}}
        assert refused(keep, cloud, "admin", image_name, **declared) == f"Cannot {verb} image '{image_name}': {why} {what}"
    assert f"Cannot delete image '{image_name}': {why} {what}" in refused(keep_all, cloud, "admin", [{"name": image_name, "state": "absent"}])
    assert f"Cannot keep image '{image_name}': {why} {what}" in refused(keep_all, cloud, "admin", [{"name": image_name, "min_disk": 1}])
    assert keep(cloud, "admin", image_name, owner="beta", tags=["seen"])["image"]["id"] == image["id"]
    assert keep(cloud, "admin", image_name, owner="admin", state="absent")["changed"] is False
    assert [found["id"] for found in images_named(cloud, image_name)] == [image["id"]]


def test_content_makes_an_image_of_the_own_project_beside_those_of_tenants(cloud: Cloud, image_name: str, of_beta: Any, small_disk: Path) -> None:
    theirs = of_beta(image_name, "private")
    assert keep(cloud, "admin", image_name, src=str(small_disk), disk_format="raw")["image"]["id"] != theirs["id"]
    assert keep(cloud, "admin", image_name, state="absent")["changed"]
    assert [found["id"] for found in images_named(cloud, image_name)] == [theirs["id"]]


def test_a_tenant_may_have_its_own_image_beside_a_public_one(cloud: Cloud, image_name: str, of_beta: Any, small_disk: Path) -> None:
    public = of_beta(image_name, "public")
    content = {"src": str(small_disk), "disk_format": "raw"}
    sentence = refused(keep, cloud, "alice", image_name, **content)
    assert f"has a public image of this name ({public['id']})" in sentence
    assert "or owner: alpha for an image of the own project." in sentence
    assert keep(cloud, "alice", image_name, state="absent")["changed"] is False, "it cannot have meant the public one"
    assert keep(cloud, "alice", image_name, owner="alpha", **content)["changed"]
    assert keep(cloud, "alice", image_name, **content)["changed"] is False
    assert keep(cloud, "alice", image_name, state="absent")["changed"]
    assert [found["id"] for found in images_named(cloud, image_name)] == [public["id"]]


def test_only_what_this_project_has_created_for_another_is_deleted_without_owner(cloud: Cloud, image_name: str, of_beta: Any, small_disk: Path) -> None:
    made = keep(cloud, "admin", image_name, project="beta", project_domain="default", src=str(small_disk), disk_format="raw")["image"]
    # The tenant's own image of the same properties, as a snapshot of a server has them.
    record = connection(cloud, "admin").glance.image(made["id"]) or {}
    marks = {key: value for key, value in record.items() if key.startswith("image_services_")}
    assert marks
    other = of_beta(f"{image_name} snapshot", "private")
    connection(cloud, "admin").glance.patch(other["id"], [{"op": "add", "path": f"/{key}", "value": value} for key, value in marks.items()])
    assert "Give owner: beta or the id" in refused(keep, cloud, "admin", image_name, tags=[])
    assert "Give owner: beta or the id" in refused(keep, cloud, "admin", f"{image_name} snapshot", state="absent")
    assert keep(cloud, "admin", image_name, state="absent")["changed"]
    assert keep(cloud, "admin", image_name, state="absent")["changed"] is False


def test_the_id_of_a_deleted_image_is_told_from_a_conflict(cloud: Cloud, image_name: str) -> None:
    used = str(uuid.uuid4())
    assert keep(cloud, "alice", image_name, id=used)["image"]["status"] == "queued"
    keep(cloud, "alice", image_name, id=used, state="absent")
    for who in ("alice", "admin"):
        sentence = run_module("glance_image", {**cloud.auth(who), "name": image_name, "id": used}).sentence()
        assert sentence == (
            f"Cannot create image '{image_name}': its id {used} was used before, by an image that is deleted now or that this project may not see. "
            "Glance never gives out an id twice: give another id, or leave id out."
        )
    with cloud.proxy() as proxy:
        proxy.faults.append(Fault(r"^POST /v2/images$", answer=409))
        conflict = run_module("glance_image", {**cloud.through(proxy, "alice"), "name": image_name, "id": str(uuid.uuid4())}).sentence()
        assert not any(fault.times for fault in proxy.faults)
    assert "Wait for the other operation on this image to end, then run the task again." in conflict


def test_a_typo_creates_nothing(cloud: Cloud, image_name: str) -> None:
    for state, words in (("present", "the task names no content"), ("inactive", "whose data could be withheld")):
        assert words in refused(keep, cloud, "alice", image_name, state=state, tags=["x"])
        assert words in refused(keep_all, cloud, "alice", [{"name": image_name, "state": state}])
    assert "state is 'reserved', and src is given" in refused(keep, cloud, "alice", image_name, state="reserved", src="/x")
    assert images_named(cloud, image_name) == []
    assert keep(cloud, "alice", image_name, state="reserved", disk_format="raw")["image"]["status"] == "queued"
    assert not keep(cloud, "alice", image_name, state="reserved", disk_format="raw")["changed"]
    assert "Glance withholds data that is there" in refused(keep, cloud, "alice", image_name, state="inactive")


def test_a_life_as_tasks_of_openstack_cloud_have_it(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    """Twice in a row: each word that such tasks are written with, by an administrator, and nothing is left."""
    digest = hashlib.sha512(small_disk.read_bytes()).hexdigest()
    content = {"src": str(small_disk), "disk_format": "raw", "state": "present"}
    for _round in range(2):
        kernel = keep(cloud, "admin", f"{image_name} kernel", **content)["image"]
        first = keep(cloud, "admin", image_name, **content, protected=True, checksum=digest.upper(), tags=["a", "b"])
        assert (first["changed"], first["image"]["tags"]) == (True, ["a", "b"])
        ident = first["image"]["id"]
        assert not keep(cloud, "admin", image_name, **content, is_protected=True, tags=["b", "a"])["changed"]
        steps: list[tuple[dict[str, Any], str, Any]] = [
            ({"is_protected": False}, "is_protected", False),
            ({"is_public": False}, "visibility", "private"),
            ({"is_public": True}, "visibility", "public"),
            ({"visibility": "shared"}, "visibility", "shared"),
            ({"id": ident, "name": f"{image_name} renamed"}, "name", f"{image_name} renamed"),
            ({"id": ident, "name": f"{image_name} renamed", "state": "inactive"}, "status", "deactivated"),
            ({"id": ident, "name": f"{image_name} renamed"}, "status", "active"),
            ({"id": ident, "name": image_name}, "name", image_name),
            ({"kernel": f"{image_name} kernel", "min_ram": 64}, "kernel_id", kernel["id"]),
        ]
        for options, field, value in steps:
            done = keep(cloud, "admin", **{"name": image_name, **options})
            assert (done["changed"], done["image"][field]) == (True, value), options
        assert keep(cloud, "admin", image_name, state="absent")["changed"]
        assert not keep(cloud, "admin", image_name, state="absent")["changed"]
        for owner in ({"project": "beta"}, {"project": "beta", "project_domain": "default"}):
            given = keep(cloud, "admin", image_name, **content, **owner)["image"]
            listed = ask(cloud, name=image_name)
            assert [image["owner"] for image in listed] == [given["owner"]]
            assert given["owner"] != first["image"]["owner"]
            assert keep(cloud, "admin", image_name, state="absent")["changed"]
        keep(cloud, "admin", f"{image_name} kernel", state="absent")
        assert images_named(cloud, image_name) == []


# Filters


@pytest.fixture(scope="module")
def listed(cloud: Cloud) -> Iterator[dict[str, dict[str, Any]]]:
    """Images that differ in all that Glance filters by, as the module shows them, by name."""
    tag = f"filters-{uuid.uuid4().hex[:8]}"
    glance = connection(cloud, "admin").glance
    beta = str(connection(cloud, "bob").glance.project_id)
    bodies: dict[str, dict[str, Any]] = {
        "plain": {"disk_format": "raw", "container_format": "bare", "hw_boot_menu": "True", "os_distro": "debian"},
        "kept": {"protected": True, "disk_format": "qcow2", "container_format": "ovf", "min_disk": 5, "hw_boot_menu": "true", "img_config_drive": "mandatory"},
        "hidden": {"os_hidden": True, "min_ram": 512, "tags": ["second"]},
        "open": {"visibility": "community", "owner": beta, "hw_boot_menu": "false"},
        "all": {"visibility": "public", "min_disk": 9, "os_distro": "ubuntu", "my_own": "1"},
    }
    made = {}
    for name, body in bodies.items():
        tags = sorted([tag, *body.get("tags", ())])
        made[name] = glance.create({"id": str(uuid.uuid4()), "name": f"{tag} {name}", **body, "tags": tags})["id"]
    glance.upload(made["plain"], b"x" * 4096, 4096)
    yield {"tag": {"tag": tag}, **{name: shown for name in made for shown in ask(cloud, id=made[name])}}
    for image_id in made.values():
        glance.patch(image_id, [{"op": "replace", "path": "/protected", "value": False}])
        glance.delete(image_id)


def ask(cloud: Cloud, **options: Any) -> list[dict[str, Any]]:
    """What the module glance_image_info does, in this process."""
    empty = dict.fromkeys(("name", "id", "hidden", "tags", "properties", "filters", "nova_installation_uuid", "instance_id", "query"))
    return list(carry_out(ImageInfoJob({**empty, **options}, lambda _params: connection(cloud, "admin")), False)["images"])


def test_each_filter_finds_what_it_says(cloud: Cloud, listed: dict[str, dict[str, Any]]) -> None:
    tag = listed["tag"]["tag"]
    shown = {key: value for key, value in listed.items() if key != "tag"}
    plain = shown["plain"]
    listing = {"plain", "kept", "all"}
    table: list[tuple[dict[str, Any], set[str]]] = [
        ({}, listing),
        ({"is_protected": False}, listing - {"kept"}),
        ({"protected": True}, {"kept"}),
        ({"is_hidden": True}, {"hidden"}),
        ({"os_hidden": False}, listing),
        ({"id": plain["id"]}, {"plain"}),
        ({"id": [plain["id"], shown["kept"]["id"]]}, {"plain", "kept"}),
        ({"name": plain["name"]}, {"plain"}),
        ({"name": [plain["name"], shown["all"]["name"]]}, {"plain", "all"}),
        ({"status": "active"}, {"plain"}),
        ({"status": ["active", "queued"]}, listing),
        ({"container_format": "ovf"}, {"kept"}),
        ({"disk_format": ["raw", "qcow2"]}, {"plain", "kept"}),
        ({"visibility": "public"}, {"all"}),
        ({"visibility": "community"}, {"open"}),
        ({"visibility": "all"}, {*listing, "open"}),
        ({"owner": "beta", "visibility": "all"}, {"open"}),
        ({"owner_id": plain["owner"]}, listing),
        ({"checksum": plain["checksum"]}, {"plain"}),
        ({"hash_algo": plain["hash_algo"]}, {"plain"}),
        ({"os_hash_value": plain["hash_value"]}, {"plain"}),
        ({"size": 4096}, {"plain"}),
        ({"size_min": 4096, "size_max": 4096}, {"plain"}),
        ({"size_min": 4097}, set()),
        ({"min_disk": 5}, {"kept"}),
        ({"min_disk_min": 5}, {"kept", "all"}),
        ({"min_disk_max": 5}, {"plain", "kept"}),
        ({"min_ram": 512, "is_hidden": True}, {"hidden"}),
        ({"min_ram_min": 1}, set()),
        ({"tags": ["second"], "is_hidden": True}, {"hidden"}),
        ({"tag": "second"}, set()),
        ({"created_at": f"gte:{min(image['created_at'] for image in shown.values())}"}, listing),
        ({"created_at": "gt:2099-01-01T00:00:00Z"}, set()),
        ({"updated_at": "lt:2099-01-01T00:00:00Z"}, listing),
        ({"os_distro": "debian"}, {"plain"}),
        ({"needs_config_drive": "mandatory"}, {"kept"}),
        ({"is_hw_boot_menu_enabled": True}, {"plain", "kept"}),
        ({"is_hw_boot_menu_enabled": False, "visibility": "all"}, {"open"}),
        ({"properties": {"my_own": 1}}, {"all"}),
        ({"member_status": "all"}, listing),
    ]
    if plain["virtual_size"] is not None:
        table.append(({"virtual_size": plain["virtual_size"]}, {"plain"}))
    for filters, expected in table:
        found = {image["name"].removeprefix(f"{tag} ") for image in ask(cloud, tags=[tag], filters=filters)}
        assert found == expected, filters


def test_an_id_in_place_of_a_name_is_held_to_the_filters(cloud: Cloud, listed: dict[str, dict[str, Any]]) -> None:
    plain = listed["plain"]
    assert [image["name"] for image in ask(cloud, name=plain["id"])] == [plain["name"]]
    assert [image["name"] for image in ask(cloud, name=plain["id"], filters={"is_protected": False})] == [plain["name"]]
    assert ask(cloud, name=plain["id"], filters={"is_protected": True}) == []

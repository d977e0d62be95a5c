# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that belong to instances of Nova, kept and found by the modules in a real Glance with the filter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._glance import api
from ansible_collections.xenstack.image_services.plugins.module_utils._glance import relation as instance_relation
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud as Connection
from ansible_collections.xenstack.image_services.plugins.module_utils._images import listing as image_listing
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_options import checked_items
from ansible_collections.xenstack.image_services.plugins.module_utils._images.job import ImageJob
from ansible_collections.xenstack.image_services.tests.support.aware import A, AwareCloud, B
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.disks import MIB
from ansible_collections.xenstack.image_services.tests.support.exports import Exporter
from ansible_collections.xenstack.image_services.tests.support.faulty_proxy import Fault, FaultyProxy
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.pool_disks import PoolDisks, pool_disks
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest

INSTANCE = "6a5c2f0b-7a51-4c0e-9a55-3f5d9d0c7a11"
NONE = {"nova_installation_uuid": None, "instance_id": None}
OPTIONS = dict.fromkeys(("name", "id", "hidden", "tags", "properties", "filters", "query", "nova_installation_uuid", "instance_id"))


@pytest.fixture
def aware(aware_cloud: AwareCloud) -> Cloud:
    return aware_cloud.cloud


@pytest.fixture
def disks(pool: PoolUnderTest) -> Iterator[PoolDisks]:
    with pool_disks(pool) as made:
        yield made


def of(installation: str, instance: str) -> dict[str, str]:
    return {"nova_installation_uuid": installation, "instance_id": instance}


def relation(cloud: Cloud, image_id: str, who: str = "admin") -> dict[str, str]:
    """As the service says it to somebody else than the task."""
    return dict(instance_relation.relation_of(Connection(cloud.auth(who)).glance.image(image_id, related=True) or {}))


def named(cloud: Cloud, name: str) -> list[str]:
    """Everything under a name, replaced and unfinished images as well."""
    return [str(image["id"]) for image in cloud.images("alice") if str(image["name"]).startswith(name)]


def reserve(cloud: Cloud, who: str, name: str, related: dict[str, str], **more: Any) -> str:
    """An image without content, made without the modules."""
    headers = {"X-Nova-Installation-UUID": related["nova_installation_uuid"], "X-Instance-ID": related["instance_id"]} if related else {}
    body = {"name": name, "disk_format": "raw", "container_format": "bare", **more}
    return str(Connection(cloud.auth(who)).glance.http.request("POST", "/v2/images", json=body, headers=headers).json()["id"])


def keep(options: dict[str, Any], check: bool = False, **given: Any) -> dict[str, Any]:
    """The job of glance_image in the test's own process, where libraries are loaded once; its options are held to the module's rules."""
    (params,) = checked_items([given], {}, {"wait": True, "timeout": 600})
    return carry_out(ImageJob(params, connect=lambda _params: Connection(options)), check)


def found(cloud: Cloud, who: str, installation: str, *instances: str, **more: Any) -> list[dict[str, Any]]:
    """By the job of glance_image_info."""
    params = {**OPTIONS, **cloud.auth(who), "nova_installation_uuid": installation, "instance_id": list(instances), **more}
    return list(carry_out(image_listing.ImageInfoJob(params), False)["images"])


def test_the_life_of_a_relation(aware: Cloud, image_name: str, small_disk: Path, tmp_path: Path) -> None:
    alice = aware.auth("alice")
    usual = {"name": image_name, "src": str(small_disk), "disk_format": "raw", "on_replace": "keep"}
    predicted = run_module("glance_image", {**aware.auth("alice"), **usual, **of(A.upper(), "123")}, check=True).succeeded()
    assert predicted["image"].items() >= of(A, "123").items()
    assert named(aware, image_name) == []
    made = run_module("glance_image", {**aware.auth("alice"), **usual, **of(A.upper(), "123")}).succeeded()
    first = made["image"]
    assert first.items() >= of(A, "123").items()
    assert not set(of(A, "123")) & set(first["properties"])
    assert made["diff"] == predicted["diff"]
    assert relation(aware, first["id"]) == of(A, "123")
    for check in (True, False):
        assert not keep(alice, check, **{**usual, **of(A, "123")})["changed"]
    # What is not given is not managed, and not shown.
    unmanaged = keep(alice, **{**usual, "tags": ["a"]})
    assert (unmanaged["changed"], set(of(A, "1")) & set(unmanaged["image"])) == (True, set())
    assert relation(aware, first["id"]) == of(A, "123")

    predicted = keep(alice, True, **{**usual, **of(A, INSTANCE.upper()), "tags": ["b"]})
    assert relation(aware, first["id"]) == of(A, "123")
    changed = keep(alice, **{**usual, **of(A, INSTANCE.upper()), "tags": ["b"]})
    assert changed["diff"] == predicted["diff"]
    assert changed["diff"]["before"].items() >= {**of(A, "123"), "tags": ["a"]}.items()
    assert changed["diff"]["after"].items() >= {**of(A, INSTANCE), "tags": ["b"]}.items()
    assert (changed["image"]["id"], changed["image"]["tags"]) == (first["id"], ["b"])
    assert relation(aware, first["id"]) == of(A, INSTANCE)
    assert not keep(alice, **{**usual, **of(A, INSTANCE)})["changed"]

    # New content is a new image, whether the task names the instance or leaves it alone.
    other = tmp_path / "other.raw"
    other.write_bytes(bytes(1024))
    second = keep(alice, **{**usual, "src": str(other)})
    assert second["replaced_image_id"] == first["id"]
    assert relation(aware, second["image"]["id"]) == of(A, INSTANCE)
    third = keep(alice, **{**usual, **of(A, "7")})
    assert third["replaced_image_id"] == second["image"]["id"]
    assert relation(aware, third["image"]["id"]) == of(A, "7")
    assert relation(aware, second["image"]["id"]) == of(A, INSTANCE), "what was replaced is what it was"

    gone = keep(alice, **{**usual, **of("", "")})
    assert (gone["changed"], gone["image"]["id"]) == (True, third["image"]["id"])
    assert gone["image"].items() >= NONE.items()
    assert gone["diff"]["after"].items() >= NONE.items()
    assert relation(aware, third["image"]["id"]) == {}
    assert not keep(alice, **{**usual, **of("", "")})["changed"]
    keep(alice, **{**usual, **of(A, "7"), "state": "absent", "src": None})


def test_the_images_of_an_instance_are_exactly_those(aware: Cloud, image_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = {reserve(aware, "alice", f"{image_name} a{number}", of(A, "123"), tags=["odd"] if number % 2 else []) for number in range(5)}
    other = reserve(aware, "alice", f"{image_name} b", of(A, "124"), image_type="backup")
    hidden = reserve(aware, "alice", f"{image_name} hidden", of(A, "123"), os_hidden=True)
    foreign = reserve(aware, "alice", f"{image_name} of another installation", of(B, "123"))
    reserve(aware, "alice", f"{image_name} plain", {})
    bobs = reserve(aware, "bob", f"{image_name} bob", of(B, "123"))
    bobs_same = reserve(aware, "bob", f"{image_name} bob's 123 of A", of(A, "123"))
    # Pages and lists of instances that end in the middle.
    monkeypatch.setattr(api, "PAGE_SIZE", 2)
    monkeypatch.setattr(instance_relation, "MAX_IN_ONE", 2)

    def ids(*arguments: Any, **more: Any) -> list[str]:
        return sorted(image["id"] for image in found(aware, *arguments, **more))

    shown = found(aware, "alice", A, "123")
    assert sorted(image["id"] for image in shown) == sorted(mine)
    assert all(image.items() >= of(A, "123").items() and not set(of(A, "1")) & set(image["properties"]) for image in shown)
    both = found(aware, "alice", A.replace("-", "").upper(), "123", "124", "125", "126", "127")
    assert sorted(image["id"] for image in both) == sorted([*mine, other])
    assert {image["id"]: image["instance_id"] for image in both} == {**dict.fromkeys(mine, "123"), other: "124"}
    assert [image["created_at"] for image in both] == sorted((image["created_at"] for image in both), reverse=True)
    assert ids("alice", B, "123") == [foreign]
    assert ids("alice", A, "99", INSTANCE) == []
    assert ids("alice", A) == []
    assert ids("bob", B, "123") == [bobs]
    assert ids("bob", A, "123") == [bobs_same]
    assert ids("admin", A, "123") == sorted([*mine, bobs_same])
    # Together with every other filter.
    assert len(ids("alice", A, "123", tags=["odd"])) == 2
    assert ids("alice", A, "123", hidden=True) == [hidden]
    assert ids("alice", A, "123", "124", properties={"image_type": "backup"}) == [other]
    assert ids("alice", A, "123", "124", name=f"{image_name} b") == [other]
    assert ids("alice", A, "123", "124", name=other) == [other]
    assert ids("alice", A, "123", name=other) == []
    assert ids("alice", A, "123", filters={"status": "active"}) == []


def test_the_module_lists_them_too(aware: Cloud, image_name: str) -> None:
    mine = reserve(aware, "alice", image_name, of(A, "123"))
    options = {**aware.auth("alice"), **of(A, "123")}
    listed = run_module("glance_image_info", {**options, "query": "[].[id, instance_id]"}).succeeded()
    assert (listed["changed"], listed["images"]) == (False, [[mine, "123"]])
    assert "parameters are required together" in run_module("glance_image_info", {**aware.auth("alice"), "instance_id": ["1"]}).values["msg"]
    assert "mutually exclusive" in run_module("glance_image_info", {**options, "id": mine}).values["msg"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (of("x", "123"), "nova_installation_uuid 'x' is no UUID"),
        (of(A, "0123"), "instance_id '0123' is neither a UUID nor a number"),
        (of(A, ""), "one of nova_installation_uuid and instance_id is empty"),
    ],
)
def test_a_relation_that_cannot_be_meant_is_refused_before_the_cloud_is_asked(aware: Cloud, proxy: FaultyProxy, given: dict[str, str], sentence: str) -> None:
    options = {**aware.through(proxy, "alice"), "name": "never made", **given}
    assert sentence in run_module("glance_image", options).sentence()
    items = {**aware.through(proxy, "alice"), "images": [{"name": "never made", **given}]}
    assert sentence in run_module("glance_images", items).values["msg"]
    assert proxy.requests == []


def test_who_does_not_own_an_image_is_told_so_and_changes_nothing(aware: Cloud, image_name: str) -> None:
    image_id = reserve(aware, "admin", image_name, {}, visibility="public", min_disk=1)
    refused = run_module("glance_image", {**aware.auth("alice"), "id": image_id, **of(A, "123")})
    sentence = refused.sentence()
    assert sentence.startswith(f"Cannot update image '{image_id}': Glance answered 403 Forbidden: You are not permitted to relate this image")
    assert refused.values["error"]["code"] == 403
    assert relation(aware, image_id) == {}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(r"^POST /v2/images$", lose_answer=True),
        Fault(r"^POST /v2/images$", reset_after=0),
        Fault(r"^POST /v2/images$", answer=503),
        Fault(r"^PATCH ", lose_answer=True),
        Fault(r"^PUT ", lose_answer=True),
        Fault(r"^GET /v2/info/instance-aware$", answer=503),
        Fault(r"^GET .*include_relation", answer=503),
    ],
    ids=["image's answer lost", "image's request lost", "503 for the image", "patch's answer lost", "data's answer lost", "503 for the probe", "503 when read"],
)
def test_a_new_image_survives_a_passing_fault(aware: Cloud, proxy: FaultyProxy, image_name: str, small_disk: Path, fault: Fault) -> None:
    faults = Fault(fault.pattern, answer=fault.answer, reset_after=fault.reset_after, lose_answer=fault.lose_answer)
    proxy.faults.append(faults)
    options = {"name": image_name, "src": str(small_disk), "disk_format": "raw", **of(A, "123")}
    done = keep(aware.through(proxy, "alice"), **options)
    assert faults.times == 0, "the fault has happened"
    assert named(aware, image_name) == [done["image"]["id"]]
    assert relation(aware, done["image"]["id"]) == of(A, "123")
    assert [image["id"] for image in found(aware, "alice", A, "123")] == [done["image"]["id"]]


@pytest.mark.parametrize("after", [{}, of(A, "124")], ids=["removed", "changed"])
@pytest.mark.parametrize("fault", [{"lose_answer": True}, {"reset_after": 0}, {"answer": 503}], ids=["answer lost", "request lost", "503"])
def test_a_changed_relation_survives_a_passing_fault(aware: Cloud, proxy: FaultyProxy, image_name: str, after: dict[str, str], fault: dict[str, Any]) -> None:
    image_id = reserve(aware, "alice", image_name, of(A, "123"), min_disk=1)
    proxy.faults.append(Fault(r"^PATCH ", **fault))
    done = keep(aware.through(proxy, "alice"), name=image_name, min_disk=2, **(after or of("", "")))
    assert (done["changed"], proxy.faults[0].times) == (True, 0)
    assert (done["image"]["id"], done["image"]["min_disk"]) == (image_id, 2)
    assert relation(aware, image_id) == after


def test_a_failed_upload_leaves_no_relation_and_the_old_one_stands(aware: Cloud, proxy: FaultyProxy, image_name: str, small_disk: Path, tmp_path: Path) -> None:
    usual = {"name": image_name, "disk_format": "raw"}
    old = run_module("glance_image", {**aware.auth("alice"), **usual, "src": str(small_disk), **of(A, "123")}).succeeded()["image"]
    other = tmp_path / "other.raw"
    other.write_bytes(bytes(1024))
    proxy.faults.append(Fault(r"^PUT ", times=99, answer=403))
    run_module("glance_image", {**aware.through(proxy, "alice"), **usual, "src": str(other), **of(A, "124")}).sentence()
    assert [image["id"] for image in found(aware, "alice", A, "123", "124")] == [old["id"]]
    assert found(aware, "alice", A, "123", "124", hidden=True) == []


def test_many_images_in_one_task(aware: Cloud, image_name: str) -> None:
    images = [{"name": f"{image_name} {number}", "instance_id": str(number)} for number in (1, 2)]
    options = {**aware.auth("alice"), "images": images, "defaults": {"state": "reserved", "nova_installation_uuid": A, "visibility": "private"}}
    assert "required together" in run_module("glance_images", {**options, "defaults": {}}).values["msg"]
    kept = run_module("glance_images", options).succeeded()
    assert [result["image"]["instance_id"] for result in kept["results"]] == ["1", "2"]
    assert not run_module("glance_images", options).succeeded()["changed"]
    images[1]["instance_id"] = "3"
    again = run_module("glance_images", options).succeeded()
    assert [result["changed"] for result in again["results"]] == [False, True]
    assert [image["name"] for image in found(aware, "alice", A, "3")] == [f"{image_name} 2"]


def test_a_disk_of_a_pool_becomes_an_image_of_its_instance(aware: Cloud, pool: PoolUnderTest, disks: PoolDisks, image_name: str) -> None:
    disks.fill(disks.make("a disk", 4 * MIB), seed=6)
    export = Exporter(pool, glance=aware.auth("alice"))
    usual = {"name": image_name, "on_replace": "delete", "stores_mode": "at_least", "properties_mode": "merge"}
    assert "instance_id 'x' is neither" in export.refused(vdi="a disk", image={**usual, **of(A, "x")})
    made = export(vdi="a disk", image={**usual, **of(A, INSTANCE)})
    assert made["image"].items() >= of(A, INSTANCE).items()
    assert relation(aware, made["image"]["id"]) == of(A, INSTANCE)
    assert not export(vdi="a disk", image={**usual, **of(A, INSTANCE)})["changed"]
    moved = export(vdi="a disk", image={**usual, **of(B, "5")})
    assert (moved["changed"], moved["bytes_transferred"], moved["image"]["id"]) == (True, 0, made["image"]["id"])
    assert relation(aware, made["image"]["id"]) == of(B, "5")
    replaced = export(vdi="a disk", format="raw", image=usual)
    assert replaced["replaced_image_id"] == made["image"]["id"]
    assert relation(aware, replaced["image"]["id"]) == of(B, "5")
    options = pool.options(vdi="a disk", glance=aware.auth("alice"), image={"name": image_name, "instance_id": "5"})
    assert "parameters are required together" in run_module("xen_vdi_export", options).values["msg"]

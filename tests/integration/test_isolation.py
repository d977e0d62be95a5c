# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real projects: neither sees, changes or deletes what belongs to the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.modules import run_module


def test_another_project_sees_changes_and_deletes_nothing(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    private = run_module("glance_image", {**cloud.auth("alice"), "name": image_name, "src": str(small_disk)}).succeeded()["image"]
    bob = cloud.auth("bob")
    for options in ({"name": image_name}, {"id": private["id"]}, {"filters": {"owner": private["owner"]}}):
        assert run_module("glance_image_info", {**bob, **options}).succeeded()["images"] == []
    assert not run_module("glance_image", {**bob, "name": image_name, "state": "absent"}).succeeded()["changed"]
    assert not run_module("glance_image", {**bob, "id": private["id"], "state": "absent"}).succeeded()["changed"]
    assert run_module("glance_image", {**bob, "id": private["id"], "name": image_name, "tags": ["mine"]}).failed
    own = run_module("glance_image", {**bob, "name": image_name, "src": str(small_disk)}).succeeded()
    assert own["changed"]
    assert own["image"]["id"] != private["id"]
    assert [image for image in cloud.images("alice") if image["name"] == image_name] == [private]


def test_an_administrator_does_not_hit_another_projects_image_by_name(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    private = run_module("glance_image", {**cloud.auth("alice"), "name": image_name, "src": str(small_disk)}).succeeded()["image"]
    admin = cloud.auth("admin")
    assert "Give owner: alpha or the id for that image" in run_module("glance_image", {**admin, "name": image_name, "state": "absent"}).sentence()
    assert run_module("glance_image", {**admin, "name": image_name, "owner": "alpha", "tags": ["seen"]}).succeeded()["image"]["id"] == private["id"]
    assert run_module("glance_image", {**admin, "name": image_name, "owner": "alpha", "state": "absent"}).succeeded()["changed"]


def test_a_public_image_of_another_project_is_not_taken_for_ones_own(cloud: Cloud, image_name: str, small_disk: Path) -> None:
    public = run_module("glance_image", {**cloud.auth("admin"), "name": image_name, "src": str(small_disk), "visibility": "public"}).succeeded()["image"]
    alice = cloud.auth("alice")
    result = run_module("glance_image", {**alice, "name": image_name, "src": str(small_disk)})
    assert result.sentence() == (
        f"Cannot keep image '{image_name}': project '{public['owner']}' has a public image of this name ({public['id']}), and project 'alpha', "
        f"which the task runs as, has none. Give owner: {public['owner']} or the id for that image, or owner: alpha for an image of the own project."
    )
    for change in ({"state": "absent"}, {"tags": ["mine"]}, {"is_protected": True}, {"state": "inactive"}):
        sentence = run_module("glance_image", {**alice, "id": public["id"], **change}).sentence()
        assert "Glance answered 403" in sentence
    assert [image for image in cloud.images("admin") if image["name"] == image_name] == [public]


@pytest.mark.parametrize("answer", ["accepted", "rejected"])
def test_a_shared_image_is_seen_by_its_member_and_answered_by_it(cloud: Cloud, image_name: str, small_disk: Path, answer: str) -> None:
    beta = run_module("glance_image", {**cloud.auth("bob"), "name": f"{image_name} of beta", "state": "reserved"}).succeeded()["image"]["owner"]
    declared = {**cloud.auth("alice"), "name": image_name, "src": str(small_disk), "visibility": "shared", "members": [beta]}
    shared = run_module("glance_image", declared).succeeded()["image"]
    reply = {**cloud.auth("bob"), "id": shared["id"], "member_status": answer}
    assert run_module("glance_image", reply, check=True).succeeded()["changed"]
    assert run_module("glance_image", reply).succeeded()["changed"]
    assert not run_module("glance_image", reply).succeeded()["changed"]
    listed = run_module("glance_image_info", {**cloud.auth("bob"), "name": image_name}).succeeded()["images"]
    assert [image["id"] for image in listed] == ([shared["id"]] if answer == "accepted" else [])
    assert not run_module("glance_image", declared).succeeded()["changed"]
    assert run_module("glance_image", {**declared, "members": []}).succeeded()["changed"]
    assert run_module("glance_image_info", {**cloud.auth("bob"), "id": shared["id"]}).succeeded()["images"] == []

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change about an SR, as a table of declared and present states."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._srs.plan import CurrentSr, DesiredSr, Pbd, PoolFacts, SrPlan, plan

UUID = "2f0b5b39-4ad6-4f5e-9b0e-5d7b1a0f1c11"
EXPORT = {"server": "nfs", "serverpath": "/a"}
FACTS = PoolFacts({"h1": "xen1", "h2": "xen2"}, "h1")
BOTH = (Pbd("p1", "h1", True, EXPORT), Pbd("p2", "h2", True, EXPORT))
THERE = CurrentSr("ref", UUID, "images", "", "nfs", "user", True, False, BOTH)
WANTED = DesiredSr("images", type="nfs", device_config=EXPORT)


def verbs(planned: SrPlan) -> list[str]:
    return [step.verb for step in planned.steps]


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ({}, ["create", "connect"]),
        ({"default": True, "scan": True}, ["create", "connect", "scan", "default"]),
        ({"plugged": False}, ["create", "connect", "disconnect"]),
        ({"uuid": UUID}, ["introduce", "connect", "scan"]),
        ({"uuid": UUID, "plugged": False}, ["introduce", "connect"]),
    ],
)
def test_what_is_missing_is_created_or_introduced(given: dict[str, Any], steps: list[str]) -> None:
    planned = plan("present", replace(WANTED, **given), None, FACTS)
    assert verbs(planned) == steps
    assert planned.changed
    assert planned.before == {}
    assert planned.after["hosts"] == dict.fromkeys(("xen1", "xen2"), given.get("plugged", True))


@pytest.mark.parametrize(
    ("given", "shared", "hosts", "content"),
    [
        ({"type": "nfs"}, True, ("h1", "h2"), "user"),
        ({"type": "ext", "device_config": {"device": "/dev/sdb"}}, False, ("h1",), "user"),
        ({"type": "ext", "device_config": {"device": "/dev/sdb"}, "host": "h2"}, False, ("h2",), "user"),
        ({"type": "iso", "device_config": {"location": "/isos"}}, False, ("h1",), "iso"),
        ({"type": "iso", "device_config": {"location": "nfs:/isos"}, "shared": True}, True, ("h1", "h2"), "iso"),
    ],
)
def test_a_type_brings_its_own_habits(given: dict[str, Any], shared: bool, hosts: tuple[str, ...], content: str) -> None:
    create, connect = plan("present", replace(WANTED, **given), None, FACTS).steps
    assert (create.values["shared"], create.values["content_type"]) == (shared, content)
    assert connect.values["hosts"] == hosts
    assert create.values["host"] == hosts[0]


@pytest.mark.parametrize(
    ("current", "given", "steps", "shown"),
    [
        (THERE, {}, [], {}),
        (THERE, {"description": "", "shared": True, "default": False, "plugged": True, "content_type": "user"}, [], {}),
        (THERE, {"name": UUID}, [], {}),
        (THERE, {"uuid": UUID, "name": "pictures"}, ["set"], {"name": ("images", "pictures")}),
        (THERE, {"description": "x"}, ["set"], {"description": ("", "x")}),
        (THERE, {"shared": False}, ["set"], {"shared": (True, False)}),
        (THERE, {"default": True}, ["default"], {"default": (False, True)}),
        (replace(THERE, default=True), {"default": False}, ["default"], {"default": (True, False)}),
        (THERE, {"plugged": False}, ["disconnect"], {"hosts": ({"xen1": True, "xen2": True}, {"xen1": False, "xen2": False})}),
        (replace(THERE, links=BOTH[:1]), {}, [], {}),
        (replace(THERE, links=BOTH[:1]), {"plugged": True}, ["connect"], {"hosts": ({"xen1": True}, {"xen1": True, "xen2": True})}),
        (replace(THERE, shared=False, links=BOTH[:1]), {"plugged": True}, [], {}),
        (
            replace(THERE, links=(BOTH[0], replace(BOTH[1], attached=False))),
            {"plugged": True},
            ["connect"],
            {"hosts": ({"xen1": True, "xen2": False}, {"xen1": True, "xen2": True})},
        ),
        (
            THERE,
            {"device_config": {"server": "other"}},
            ["reconnect"],
            {"device_config": (EXPORT, {"server": "other", "serverpath": "/a"})},
        ),
        (THERE, {"device_config": {"nfsversion": "3"}}, [], {}),
        (THERE, {"device_config": {"nfsversion": "4"}}, ["reconnect"], {"device_config": (EXPORT, {**EXPORT, "nfsversion": "4"})}),
    ],
)
def test_only_what_is_given_and_differs_is_changed(current: CurrentSr, given: dict[str, Any], steps: list[str], shown: dict[str, tuple[Any, Any]]) -> None:
    planned = plan("present", replace(DesiredSr("images", type="nfs"), **given), current, FACTS)
    assert verbs(planned) == steps
    assert planned.changed == bool(steps)
    assert {key: (planned.before[key], planned.after[key]) for key in planned.after if planned.before[key] != planned.after[key]} == shown


def test_a_scan_alone_changes_nothing_that_is_known_beforehand() -> None:
    planned = plan("present", replace(WANTED, scan=True), THERE, FACTS)
    assert verbs(planned) == ["scan"]
    assert not planned.changed


def test_secrets_are_masked_and_those_that_the_pool_keeps_apart_are_left_alone() -> None:
    config = {"location": "//a/b", "cifspassword": "s3cret"}
    created = plan("present", DesiredSr("isos", type="iso", device_config=config), None, FACTS)
    assert created.after["device_config"] == {"location": "//a/b", "cifspassword": "********"}
    assert created.steps[0].values["device_config"] == config
    apart = replace(THERE, type="iso", content_type="iso", links=(Pbd("p1", "h1", True, {"location": "//a/b", "cifspassword_secret": "a-uuid"}),))
    assert plan("present", DesiredSr("images", device_config=config), apart, FACTS).steps == ()
    plain = replace(apart, links=(Pbd("p1", "h1", True, {**config, "cifspassword": "old"}),))
    changed = plan("present", DesiredSr("images", device_config=config), plain, FACTS)
    assert verbs(changed) == ["reconnect"]
    assert "s3cret" not in str((changed.before, changed.after))


def test_what_is_not_there_needs_no_forgetting_and_no_removal() -> None:
    for state in ("forgotten", "absent"):
        planned = plan(state, DesiredSr("images"), None, FACTS)
        assert (planned.steps, planned.changed, planned.before, planned.after) == ((), False, {}, {})


def test_forgetting_and_removing_go_step_by_step() -> None:
    assert verbs(plan("forgotten", DesiredSr("images"), replace(THERE, disks=("a disk",)), FACTS)) == ["disconnect", "forget"]
    loose = replace(THERE, links=(replace(BOTH[0], attached=False),))
    assert verbs(plan("forgotten", DesiredSr("images"), loose, FACTS)) == ["forget"]
    assert verbs(plan("absent", DesiredSr("images", destroy=True), THERE, FACTS)) == ["survey", "disconnect", "destroy"]


@pytest.mark.parametrize(
    ("state", "given", "current", "words"),
    [
        ("present", {"type": None}, None, "and type is not given. Give type."),
        ("present", {"name": None, "uuid": UUID}, None, "and name is not given. Give name."),
        ("present", {"device_config": {}}, None, "an SR of type nfs needs server and serverpath in device_config. Add them."),
        ("present", {"device_config": {"server": "a"}}, None, "an SR of type nfs needs serverpath in device_config. Add it."),
        ("absent", {"destroy": True}, replace(THERE, built_in=True), "Cannot remove SR 'images': it is one of the pool's own"),
        ("forgotten", {}, replace(THERE, built_in=True), "Cannot forget SR 'images': it is one of the pool's own"),
        ("present", {"type": "ext"}, THERE, "its type is nfs, not ext, and cannot be changed"),
        ("present", {"content_type": "iso"}, THERE, "its content_type is user, not iso, and cannot be changed"),
        ("present", {"plugged": True, "device_config": {}}, replace(THERE, links=()), "no host has a connection to copy. Give device_config."),
        ("absent", {}, THERE, "state absent deletes what is on the storage. Choose the state forgotten to keep it there, or set destroy to true"),
        ("absent", {"destroy": True}, replace(THERE, disks=tuple("gfedcba")), "there are 7 disks in it (a, b, c, d, e, ...)"),
        ("absent", {"destroy": True}, replace(THERE, links=()), "no host has a connection to it"),
    ],
)
def test_what_cannot_be_done_is_refused_beforehand(state: str, given: dict[str, Any], current: CurrentSr | None, words: str) -> None:
    with pytest.raises(ImageServicesError) as caught:
        plan(state, replace(WANTED, **given), current, FACTS)
    assert words in str(caught.value)


def test_a_device_with_another_sr_is_formatted_only_when_told_so() -> None:
    wanted = DesiredSr("local", type="lvm", device_config={"device": "/dev/sdb"})
    taken = replace(FACTS, found=(UUID,))
    with pytest.raises(ImageServicesError, match=f"the device holds the SR {UUID} and would be formatted"):
        plan("present", wanted, None, taken)
    assert verbs(plan("present", replace(wanted, overwrite=True), None, taken)) == ["create", "connect"]
    assert verbs(plan("present", replace(wanted, uuid=UUID), None, taken)) == ["introduce", "connect", "scan"]

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No module takes an empty name or id, wherever it is given, and none asks anybody before it says so."""

from __future__ import annotations

import importlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.identifiers import EMPTY_MEANS, IDENTIFYING, find_blank, refuse_blank
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_options import checked_items, create_item_argspec
from ansible_collections.xenstack.image_services.tests.support.module_specs import ACTIONS, MODULES, spec_of

# Options of text that name no object: an empty one says something else, or is refused by what it means.
OTHER_TEXTS = frozenset(
    {
        "admin_url",
        "api_hosts",
        "args",
        "arguments",
        "argv",
        "attributes",
        "auth_type",
        "auth_url",
        "bandwidth",
        "boot.kernel",
        "boot.ramdisk",
        "bootloader",
        "bootloader_args",
        "ca_cert",
        "ca_path",
        "checksum",
        "client_cert",
        "client_key",
        "compression_level",
        "config",
        "config_dir",
        "config_file",
        "config_files",
        "config_group",
        "container_format",
        "content_type",
        "datadir_volume",
        "description",
        "dest",
        "directories",
        "directory",
        "disk_format",
        "distribution",
        "dom0_endpoints",
        "driver_class",
        "engine",
        "files",
        "fingerprint",
        "flavor",
        "globals_file",
        "instance_id",
        "interface",
        "internal_url",
        "kind",
        "mac",
        "marked_files",
        "marker",
        "memory",
        "min_free",
        "mode",
        "mount_point",
        "names",
        "nfsversion",
        "nova_installation_uuid",
        "option",
        "order",
        "other_stores",
        "password",
        "path",
        "programs",
        "prune_max",
        "public_url",
        "python",
        "query",
        "sdk_log_path",
        "section",
        "selevel",
        "serole",
        "service_config_dir",
        "service_roles",
        "service_user",
        "setype",
        "seuser",
        "shown_options",
        "size",
        "spool_dir",
        "src",
        "started_file",
        "tags",
        "type",
        "unsafe_writes",
        "uri",
        "url",
        "url_password",
        "url_username",
        "users",
        "validate_certs",
    }
)


class Refused(Exception):
    """What a module has answered."""


def texts(options: Mapping[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
    """The paths of all options that are texts, or lists of texts, by rule and without choices."""
    for name, option in options.items():
        kind = option.get("elements", option.get("type", "str"))
        if option.get("options"):
            yield from texts(option["options"], *above, name)
        elif kind in ("str", "raw") and not option.get("choices") and not option.get("no_log"):
            yield (*above, name)


def option_at(options: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = options[path[0]]
    return option_at(found["options"], path[1:]) if path[1:] else found


def a_value(option: Mapping[str, Any]) -> Any:
    if option.get("choices"):
        return option["choices"][0]
    if option.get("options") is not None:
        inner = {name: a_value(each) for name, each in option["options"].items() if each.get("required")}
        inner |= {group[0]: a_value(option["options"][group[0]]) for group in option.get("required_one_of", ())}
        return [inner] if option.get("type") == "list" else inner
    if option.get("elements") == "dict":
        return [{"name": "some"}]
    kinds: dict[str, Any] = {"int": 1, "bool": True, "dict": {"a": "b"}, "list": ["some"], "path": "/some/path"}
    return kinds.get(option.get("type", "str"), "some")


def arguments(spec: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """The smallest valid options of a module with ``value`` at ``path``."""
    options = spec["argument_spec"]
    given = {name: a_value(option) for name, option in options.items() if option.get("required")}
    given[path[0]] = _put(options[path[0]], path[1:], value)
    for group in spec.get("required_one_of") or ():
        if not set(group) & set(given):
            given[group[-1]] = a_value(options[group[-1]])
    for group in spec.get("required_together") or ():
        if set(group) & set(given):
            given = {**{name: a_value(options[name]) for name in group}, **given}
    for name, needed in (spec.get("required_by") or {}).items():
        if name in given:
            given = {**{each: a_value(options[each]) for each in ([needed] if isinstance(needed, str) else needed)}, **given}
    for group in spec.get("mutually_exclusive") or ():
        for name in [each for each in group if each in given and each != path[0]]:
            if sum(each in given for each in group) > 1:
                del given[name]
    for name, wanted, needed, *_rest in spec.get("required_if") or ():
        if given.get(name, options[name].get("default")) == wanted:
            given = {**{each: a_value(options[each]) for each in needed}, **given}
    return given


def _put(option: Mapping[str, Any], below: tuple[str, ...], value: Any) -> Any:
    if not below:
        return [value] if option.get("type") == "list" else value
    inner = a_value(option)
    target = inner[0] if isinstance(inner, list) else inner
    target[below[0]] = _put(option["options"][below[0]], below[1:], value)
    return inner


def paths_of(name: str) -> list[tuple[str, ...]]:
    return [path for path in texts(spec_of(name)["argument_spec"]) if path[-1] in IDENTIFYING and ".".join(path) not in EMPTY_MEANS]


CASES = [pytest.param(name, path, id=f"{name}-{'.'.join(path)}") for name in MODULES for path in paths_of(name)]


@pytest.fixture
def answer_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Mapping[str, Any]], dict[str, Any]]:
    """Run a module's own main in this process, where it can reach nobody."""

    def nobody(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("it asks somebody")

    def fail(self: AnsibleModule, msg: str, **kwargs: Any) -> None:
        raise Refused({"msg": msg, **kwargs})

    def succeed(self: AnsibleModule, **kwargs: Any) -> None:
        raise AssertionError(f"it succeeds: {kwargs}")

    monkeypatch.setattr(socket.socket, "connect", nobody)
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    monkeypatch.setattr(AnsibleModule, "fail_json", fail)
    monkeypatch.setattr(AnsibleModule, "exit_json", succeed)
    monkeypatch.setattr(AnsibleModule, "_log_invocation", lambda self: None)

    def run(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        module = importlib.import_module(f"ansible_collections.xenstack.image_services.plugins.modules.{name}")
        with pytest.raises(Refused) as caught:
            module.main()
        found: dict[str, Any] = caught.value.args[0]
        return found

    return run


@pytest.mark.parametrize(("name", "path"), CASES)
def test_a_name_that_says_nothing_is_refused(name: str, path: tuple[str, ...], answer_of: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> None:
    spec = spec_of(name)
    values: list[Any] = ["", "  ", "None"]
    if option_at(spec["argument_spec"], path).get("required"):
        values.append(None)
    for value in values:
        given = arguments(spec, path, value)
        if name in ACTIONS:
            with pytest.raises(ImageServicesError) as caught:
                refuse_blank(spec["argument_spec"], given)
            answer = caught.value.as_result()
        else:
            answer = answer_of(name, given)
        assert answer["msg"].startswith(f"Cannot use option '{path[0]}"), answer["msg"]
        assert answer["error"]["code"] == "blank_name"


@pytest.mark.parametrize("name", [name for name in MODULES if spec_of(name).get("required_one_of")])
def test_names_that_are_null_are_none(name: str, answer_of: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> None:
    spec = spec_of(name)
    for group in spec["required_one_of"]:
        given = {**arguments(spec, (group[0],), "some"), group[0]: None}
        assert answer_of(name, given)["error"]["code"] == "blank_name", group


@pytest.mark.parametrize("name", MODULES)
def test_of_each_option_it_is_known_whether_it_names_something(name: str) -> None:
    undecided = {
        ".".join(path) for path in texts(spec_of(name)["argument_spec"]) if path[-1] not in IDENTIFYING and not {path[-1], ".".join(path)} & OTHER_TEXTS
    }
    assert not undecided, "put each of them into IDENTIFYING, or say here what an empty one means"


@pytest.mark.parametrize("item", [{"name": ""}, {"id": " "}, {"name": "a", "owner": "None"}, {"name": "a", "stores": ["x", ""]}])
def test_an_image_of_many_is_refused_by_its_place(item: dict[str, Any]) -> None:
    with pytest.raises(ImageServicesError, match=r"Cannot keep images\[1\].*(empty|'None')"):
        checked_items([{"name": "good"}, item], {}, {})


def test_a_name_of_anything_else_is_taken() -> None:
    options = create_item_argspec().options
    for name in ("a", " a ", "none", "0", "False", "[]"):
        assert find_blank(options, {"name": name}) is None
    assert find_blank(options, {"name": "a", "description": "", "tags": [""]}) is None

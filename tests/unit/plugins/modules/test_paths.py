# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``~`` is the home directory in every option that is a path: by Ansible's own type, in every module and at every depth."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.argspec import create_cloud_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.connection import Cloud
from ansible_collections.xenstack.image_services.plugins.module_utils._images.catalogue_options import checked_items
from ansible_collections.xenstack.image_services.tests.support.module_specs import MODULES, spec_of

# What the name of a path ends with.
NAMED = re.compile(r"(^|_)(src|dest|path|dir|directory|directories|file|files|cert|home|python|spool|mount_point)$|^client_key$")
# What is named so and is no path of the host that the module runs on.
OTHERS = {
    "glance_stores_plan": frozenset({"config_dir", "config_file", "service_config_dir", "started_file", "site.globals_file", "site.config_dir", "site.python"}),
    # Patterns below another option.
    "wsgi_service_info": frozenset({"marked_files"}),
    # The plugins' directory of the pool's hosts, which the controller does not expand.
    "xen_dom0_plugin": frozenset({"path"}),
}
# Kinds that hold texts; a dictionary or a list of dictionaries is walked where it has options.
TEXTS = ("str", "raw")


def named_so(options: Mapping[str, Any], *above: str) -> Iterator[tuple[str, str]]:
    for name, option in options.items():
        if option.get("options"):
            yield from named_so(option["options"], *above, name)
        kind = option.get("elements", option.get("type", "str"))
        if NAMED.search(name) and kind in (*TEXTS, "path"):
            yield ".".join((*above, name)), kind


PATHS = [
    pytest.param(name, path, kind, id=f"{name}-{path}")
    for name in MODULES
    for path, kind in named_so(spec_of(name)["argument_spec"])
    if path not in OTHERS.get(name, ())
]


@pytest.mark.parametrize(("name", "path", "kind"), PATHS)
def test_it_is_of_the_type_that_ansible_expands(name: str, path: str, kind: str) -> None:
    assert kind == "path", f"{path} of {name} is a {kind}: make it a path, or say here whose path it is"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOME", "/home/alice")
    return os.environ["HOME"]


@pytest.mark.parametrize("option", ["ca_cert", "client_cert", "client_key", "sdk_log_path"])
def test_of_a_cloud(home: str, option: str) -> None:
    checked = ArgumentSpecValidator(create_cloud_argspec().module_kwargs()["argument_spec"]).validate({option: "~/file"})
    assert checked.validated_parameters[option] == f"{home}/file"


@pytest.mark.parametrize(("path", "cause"), [("none/sdk.log", "No such file or directory"), ("", "Is a directory")], ids=["no directory", "a directory"])
def test_a_log_that_cannot_be_written_has_a_sentence(tmp_path: Path, path: str, cause: str) -> None:
    log = str(tmp_path / path)
    with pytest.raises(ImageServicesError) as caught:
        Cloud({"sdk_log_path": log, "auth": {"auth_url": "http://127.0.0.1:9/v3"}})
    assert str(caught.value) == f"Cannot write log '{log}': {cause}. Correct sdk_log_path."


@pytest.mark.parametrize(
    ("item", "defaults"),
    [({"name": "a", "src": "~/disk.qcow2"}, {}), ({"name": "a", "filename": "~/disk.qcow2"}, {}), ({"name": "a", "src": "~/disk.qcow2"}, {"tags": ["x"]})],
    ids=["src", "its alias", "beside defaults"],
)
def test_of_an_image_among_many(home: str, item: dict[str, Any], defaults: dict[str, Any]) -> None:
    assert checked_items([item], defaults, {})[0]["src"] == f"{home}/disk.qcow2"

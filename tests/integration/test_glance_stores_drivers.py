# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our table of options and our INI dialect, held against the glance_store and oslo.config of the deployed Glance."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.declaration import Declaration
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.lint import lint
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.options import BACKENDS, GLANCE_SECTIONS, Option
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.render import render_stores
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud

# Libraries of backends that the test cloud does not use; the drivers import them and we ask for their options only.
PREPARE = """
import importlib, importlib.abc, importlib.machinery, importlib.util, json, sys, warnings
from unittest import mock
warnings.simplefilter("ignore")
class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    missing = {name for name in ("os_brick", "cinderclient", "oslo_vmware") if importlib.util.find_spec(name) is None}
    def find_spec(self, name, path, target=None):
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.split(".")[0] in self.missing else None
    def create_module(self, spec):
        return mock.MagicMock(name=spec.name, __path__=[], __spec__=spec)
    def exec_module(self, module):
        pass
sys.meta_path.append(StandIn())
MODULES = {"file": "filesystem", "vmware": "vmware_datastore"}
def options(kind):
    return importlib.import_module("glance_store._drivers." + MODULES.get(kind, kind)).Store.OPTIONS
"""

OPTIONS = """
found = {}
for kind in json.loads(sys.argv[1]):
    found[kind] = {}
    for opt in options(kind):
        found[kind][opt.name] = {
            "type": type(opt.type).__name__, "multi": bool(opt.multi), "secret": opt.secret,
            "choices": list(getattr(opt.type, "choices", None) or []), "min": getattr(opt.type, "min", None), "max": getattr(opt.type, "max", None),
        }
print(json.dumps(found))
"""

# What glance_store itself registers for a section of each type that it has an entry point for.
REGISTERED = """
from importlib import metadata
from glance_store import multi_backend
from oslo_config import cfg
kinds = [entry.name for entry in metadata.entry_points(group="glance_store.drivers") if "." not in entry.name and entry.name != "no_conf"]
conf = cfg.ConfigOpts()
conf.register_opts([cfg.DictOpt("enabled_backends")])
conf([], default_config_files=[], default_config_dirs=[])
conf.set_override("enabled_backends", {"a-" + kind: kind for kind in kinds})
multi_backend.register_store_opts(conf)
print(json.dumps({kind: sorted(conf["a-" + kind]) for kind in kinds}))
"""

GROUPS = """
from importlib import metadata
groups = set()
for entry in metadata.entry_points(group="oslo.config.opts"):
    try:
        listed = entry.load()()
    except ImportError:
        continue
    groups.update(str(getattr(group, "name", group)) for group, _opts in listed)
print(json.dumps(sorted(groups)))
"""

READ = """
from oslo_config import cfg
conf = cfg.ConfigOpts()
conf.register_opts([cfg.DictOpt("enabled_backends")])
conf.register_opts([cfg.StrOpt("default_backend")], group="glance_store")
conf(["--config-file", sys.argv[1]], default_config_files=[], default_config_dirs=[])
read = {"enabled_backends": conf.enabled_backends, "default_backend": conf.glance_store.default_backend}
for name, kind in conf.enabled_backends.items():
    opts = [*options(kind), cfg.StrOpt("store_description"), cfg.IntOpt("weight")]
    conf.register_opts(opts, group=name)
    read[name] = {opt.name: getattr(conf[name], opt.name) for opt in opts}
print(json.dumps(read))
"""

KINDS = {"String": "str", "HostAddress": "str", "Integer": "int", "Boolean": "bool", "List": "list", "Dict": "dict"}
# A user name is no secret to us: hiding it would mask the word in all output.
NO_SECRETS = {"swift_store_user", "swift_store_application_credential_id"}


def ask(cloud: Cloud, script: str, *arguments: str) -> Any:
    """Run a script in Glance's own environment."""
    python = cloud.base / "glance" / "current" / "bin" / "python"
    done = subprocess.run([str(python), "-c", PREPARE + script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def drivers(cloud: Cloud) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = ask(cloud, OPTIONS, json.dumps(list(BACKENDS)))
    return found


@pytest.mark.parametrize("kind", BACKENDS)
def test_every_option_of_the_driver_is_offered_and_no_other(drivers: dict[str, dict[str, dict[str, Any]]], kind: str) -> None:
    assert set(BACKENDS[kind]) == set(drivers[kind])


def test_glance_store_registers_for_each_of_its_types_what_is_offered(cloud: Cloud) -> None:
    assert ask(cloud, REGISTERED) == {kind: sorted(options) for kind, options in BACKENDS.items()}


@pytest.mark.parametrize("kind", BACKENDS)
def test_types_choices_and_secrets_are_those_of_the_driver(drivers: dict[str, dict[str, dict[str, Any]]], kind: str) -> None:
    for name, theirs in drivers[kind].items():
        ours = BACKENDS[kind][name]
        assert ours.kind == ("lines" if theirs["multi"] else KINDS[theirs["type"]]), name
        if theirs["choices"]:
            assert list(ours.choices) == theirs["choices"], name
        if theirs["min"] is not None:
            assert ours.minimum == theirs["min"], name
        assert ours.maximum == theirs["max"], name
        assert ours.secret or not theirs["secret"] or name in NO_SECRETS, name


def test_no_section_of_glance_can_become_a_store(cloud: Cloud) -> None:
    groups = {group.lower() for group in ask(cloud, GROUPS) if not group.startswith("glance.store.")}
    assert groups - set(BACKENDS) <= GLANCE_SECTIONS


ODD = ["plain", "100 % $HOME $$ ${x}", ' "quoted" ', "'single'", "  blanks  ", "a = b # no comment", "[section]", "ünï"]


def _value(option: Option, text: str) -> Any:
    if option.choices:
        return option.choices[0]
    return {
        "str": text,
        "int": max(option.minimum or 0, min(64, option.maximum or 64)),
        "bool": True,
        "list": [text, "second"],
        "lines": [text, "second"],
        "dict": {"http": text},
    }[option.kind]


@pytest.mark.parametrize("text", ODD)
def test_glance_reads_back_what_was_declared(cloud: Cloud, tmp_path: Path, text: str) -> None:
    special = {
        "filesystem_store_datadir": "/srv/x",
        "filesystem_store_datadirs": None,
        "filesystem_store_file_perm": 640,
        "s3_store_host": "https://s3",
        "vmware_datastores": ["dc:" + text.strip()],
        "vmware_server_host": "vc.example.org",
        "swift_store_auth_address": "https://id/v3",
        "swift_store_user": "p:" + text,
        "swift_store_multi_tenant": False,
        "cinder_store_auth_address": "https://id/v3",
    }
    stores: list[dict[str, Any]] = []
    for kind, options in BACKENDS.items():
        values = {name: special.get(name, _value(option, text)) if name in special else _value(option, text) for name, option in options.items()}
        stores.append({"name": f"store-{kind}", "type": kind, "default": kind == "file", "description": text, "weight": -3, **values})
    declaration = Declaration(stores=stores)
    assert lint(declaration) == []
    path = tmp_path / "stores.conf"
    path.write_text(render_stores(declaration, "# test", "/unused"), encoding="utf-8")
    read = ask(cloud, READ, str(path))
    assert read["enabled_backends"] == {store["name"]: store["type"] for store in stores}
    assert read["default_backend"] == "store-file"
    for store in stores:
        section = read[store["name"]]
        assert section["store_description"] == text
        assert section["weight"] == -3
        for name, option in BACKENDS[store["type"]].items():
            if option.kind == "list":
                assert section[name] == [item.strip() for item in store[name]], name
            elif option.kind == "dict":
                assert section[name] == {key: item.strip() for key, item in store[name].items()}, name
            else:
                assert section[name] == store[name], name

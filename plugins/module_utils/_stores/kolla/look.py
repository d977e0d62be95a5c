# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module kolla_site_info: the files of a Kolla-style site, and its container of Glance."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from ..._core.argspec import ArgumentSpec
from ..._core.config_reader import matching, read, texts
from ..._core.runner import ReadJob

ENGINE = re.compile(r"^kolla_container_engine:[ \t]*[\"']?(docker|podman)\b", re.MULTILINE)
# It does not request everything: the environment of a container may hold secrets.
INSPECTED = '{"running": {{json .State.Running}}, "mounts": {{json .Mounts}}}'
MAX_ERROR = 200
# Importing it would take most of a second.
FINDS_SDK = "import importlib.util, sys; sys.exit(importlib.util.find_spec('openstack') is None)"


def create_site_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            "globals_file": {"type": "path"},
            "config_dir": {"type": "path"},
            "files": {"type": "list", "elements": "path", "default": []},
            "container": {"type": "str"},
            "engine": {"type": "str"},
            "user": {"type": "str", "default": "glance"},
            "commands": {"type": "dict"},
            "programs": {"type": "list", "elements": "str", "default": []},
            "python": {"type": "path"},
        }
    )


class SiteInfoJob(ReadJob["dict[str, Any]"]):
    """Everything that was asked for; what is not there is empty or null."""

    @classmethod
    def with_defaults(cls, **given: Any) -> SiteInfoJob:
        """With the defaults of the options that are not given."""
        return cls({name: option.get("default") for name, option in create_site_argspec().options.items()} | given)

    def look(self) -> dict[str, Any]:
        params = self.params
        variables = read(_variables(params["globals_file"])) if params["globals_file"] else []
        engine = params["engine"] or _named_engine(list(texts(variables).values())) or "docker"
        found: dict[str, Any] = {
            "variables": variables,
            "overrides": read(_overrides(params["config_dir"])) if params["config_dir"] else [],
            "files": read(map(os.path.normpath, params["files"])),
            "engine": engine,
            "uid": os.geteuid(),
            "container": None,
            "outputs": {},
            "programs": {name: shutil.which(name) for name in params["programs"]},
            "has_openstacksdk": _run([params["python"], "-c", FINDS_SDK])["rc"] == 0 if params["python"] else None,
        }
        if params["container"]:
            found["container"] = _container(engine, params["container"], params["user"])
            found["outputs"] = {name: _run([engine, "exec", params["container"], *argv]) for name, argv in (params["commands"] or {}).items()}
        return found

    def shown(self, seen: dict[str, Any]) -> dict[str, Any]:
        return seen


def _variables(globals_file: str) -> list[str]:
    """globals.yml, and the files that override it, in the order in which they are read."""
    path = os.path.normpath(globals_file)
    return [path, *matching(os.path.join(os.path.dirname(path), "globals.d"), ("*.yml", "*.yaml", "*.json"))]


def _overrides(config_dir: str) -> list[str]:
    """What the site merges into glance-api.conf, for all hosts and for each."""
    directory = os.path.normpath(config_dir)
    glance = os.path.join(directory, "glance")
    hosts = [os.path.join(path, "glance-api.conf") for path in matching(glance, "*")]
    return sorted([*(os.path.join(directory, name) for name in ("global.conf", "glance.conf")), os.path.join(glance, "glance-api.conf"), *hosts])


def _named_engine(found: Sequence[str]) -> str | None:
    names = [name for text in found for name in ENGINE.findall(text)]
    return names[-1] if names else None


def _container(engine: str, name: str, user: str) -> dict[str, Any]:
    shown = _run([engine, "inspect", "--type", "container", "--format", INSPECTED, name])
    state = json.loads(shown["stdout"]) if shown["rc"] == 0 else {}
    running = bool(state.get("running"))
    ids = [_number(_run([engine, "exec", name, "id", option, user])) for option in ("-u", "-g")] if running else [None, None]
    return {
        "name": name,
        "running": running,
        # Those of a container that does not run are not what the next one will have.
        "mounts": state["mounts"] if running else None,
        "uid": ids[0],
        "gid": ids[1],
        "error": (shown["stderr"].strip() or ("" if running else "it does not run"))[:MAX_ERROR],
    }


def _number(answer: Mapping[str, Any]) -> int | None:
    return int(answer["stdout"]) if re.fullmatch(r"[0-9]+", answer["stdout"].strip()) else None


def _run(argv: Sequence[str]) -> dict[str, Any]:
    """A program that is not there is an answer like any other: a site without containers has no engine."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    except OSError as exc:
        return {"rc": 127, "stdout": "", "stderr": f"{argv[0]}: {os.strerror(exc.errno or 0)}"}
    return {"rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The options of the action plugin glance_stores_plan, and what its plan needs of them and of the hosts. No I/O."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..module_utils._core.argspec import ArgumentSpec
from ..module_utils._core.config_reader import texts
from ..module_utils._core.wsgi_service import SYSTEMD_RUNS
from ..module_utils._stores.declaration import Declaration, managed_directories
from ..module_utils._stores.former_directories import former_directories
from ..module_utils._stores.kolla.site import Site, container_mounts
from ..module_utils._stores.lint import lint
from ..module_utils._stores.paths import normal
from ..module_utils._stores.plan import TARGETS, DesiredStores, Found, FoundSite, users_of

IMAGE_FILES = ".*/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Where images lie is counted on the host; nothing below the directory is looked at.
COUNT = ("find", "{}", "-maxdepth", "1", "-type", "f", "-regextype", "posix-extended", "-regex", IMAGE_FILES, "-printf", ".")


def create_stores_plan_argspec() -> ArgumentSpec:
    site = {
        "globals_file": {"type": "str", "required": True},
        "config_dir": {"type": "str", "required": True},
        "container": {"type": "str", "required": True},
        "datadir_volume": {"type": "str", "default": ""},
        "manage_globals": {"type": "bool", "default": False},
        "python": {"type": "str", "default": ""},
        "files": {"type": "dict", "required": True},
        "host": {"type": "dict", "required": True},
    }
    return ArgumentSpec(
        options={
            "target": {"type": "str", "choices": list(TARGETS), "default": "service"},
            "stores": {"type": "list", "elements": "dict", "required": True},
            "backend_defaults": {"type": "dict", "default": {}},
            "internal": {"type": "dict", "default": {}},
            "swift_accounts": {"type": "list", "elements": "dict", "default": []},
            "ceph": {"type": "list", "elements": "dict", "default": []},
            "extra_config": {"type": "dict", "default": {}},
            "api_hosts": {"type": "list", "elements": "str", "default": []},
            "owner": {"type": "str", "default": "auto"},
            "config_dir": {"type": "str", "required": True},
            "config_file": {"type": "str", "required": True},
            "service_config_dir": {"type": "str"},
            "config_group": {"type": "str"},
            "manage_directories": {"type": "bool", "default": True},
            "service_name": {"type": "str", "default": "glance"},
            "started_file": {"type": "str"},
            "safe_mode": {"type": "bool", "default": True},
            "verify": {"type": "bool", "default": True},
            "has_credentials": {"type": "bool", "default": True},
            "service_user": {"type": "str", "default": ""},
            "site": {"type": "dict", "options": site},
        },
        required_if=[("target", "kolla", ("site",)), ("target", "xavs", ("site",))],
    )


def wanted_of(given: Mapping[str, Any], ceph: Sequence[Mapping[str, Any]]) -> DesiredStores:
    """``ceph`` are the clusters with the text of their files."""
    service_config_dir = given["service_config_dir"] or given["config_dir"]
    declaration = Declaration(
        stores=given["stores"],
        backend_defaults=given["backend_defaults"],
        reserved=given["internal"],
        swift_accounts=given["swift_accounts"],
        extra_config=given["extra_config"],
        ceph=ceph,
        ceph_directory=f"{service_config_dir}/ceph",
        api_hosts=given["api_hosts"],
    )
    same = ("target", "config_dir", "config_file", "service_name", "owner", "manage_directories", "safe_mode", "verify", "has_credentials", "service_user")
    return DesiredStores(
        declaration=declaration,
        service_config_dir=service_config_dir,
        config_group=given["config_group"] or "",
        **{name: given[name] for name in same},
    )


def files_to_read(wanted: DesiredStores, started_file: str | None) -> dict[str, Any]:
    """The arguments of config_files_info: everything that decides what has to be done on a host."""
    unit = [f"/etc/systemd/system/{wanted.service_name}.service", wanted.drop_in] if wanted.target == "service" else []
    return {
        "files": [wanted.path, wanted.record, *unit, *([started_file] if started_file else [])],
        "patterns": [
            {"directory": wanted.config_dir, "names": ["glance-api.conf", "glance-image-import.conf"]},
            {"directory": f"{wanted.config_dir}/glance-api.conf.d", "names": ["*.conf"]},
            {"directory": f"{wanted.config_dir}/ceph", "names": ["*.conf", "*.keyring"]},
        ],
        "directories": [wanted.config_dir, SYSTEMD_RUNS],
        "users": [] if lint(wanted.declaration) else users_of(wanted),
    }


def found_on_host(wanted: DesiredStores, started_file: str | None, host: Mapping[str, Any], check_mode: bool) -> tuple[Found, dict[str, str], list[str]]:
    """What is on a host, the other files that can configure stores, and the directories that no store names any more."""
    read = texts(host["files"])
    is_service, unit = wanted.target == "service", f"/etc/systemd/system/{wanted.service_name}.service"
    ceph = normal(f"{wanted.config_dir}/ceph") + "/"
    not_others = {wanted.path, wanted.record, wanted.drop_in, unit, started_file}
    # The service reads the file of the stores by a link in glance-api.conf.d.
    not_others |= {file["path"] for file in host["files"] if file["real_path"] in [own["real_path"] for own in host["files"] if own["path"] == wanted.path]}
    others = {path: text for path, text in read.items() if path not in not_others and normal(path) != wanted.path and not normal(path).startswith(ceph)}
    started = [base64.b64decode(file["content"]) for file in host["files"] if file["path"] == started_file]
    found = Found(
        deployed=read.get(wanted.path, ""),
        record=read.get(wanted.record, ""),
        started=hashlib.sha256(started[0]).hexdigest() if started else "-",
        is_root=host["uid"] == 0,
        has_unit=is_service and unit in read and SYSTEMD_RUNS in host["directories"] and host["uid"] == 0,
        ceph={normal(path).removeprefix(ceph): text for path, text in read.items() if normal(path).startswith(ceph)},
        users=host["users"],
        would_create=check_mode and wanted.config_dir not in host["directories"],
    )
    if not is_service or lint(wanted.declaration):
        return found, others, []
    current = [entry["path"] for entry in managed_directories(wanted.declaration)]
    return found, others, former_directories(current, found.deployed, read.get(wanted.drop_in, ""))


def counted(answer: Mapping[str, Any]) -> int | None:
    """The number of images in a former directory: a directory that is gone holds none, and one that cannot be read may hold some."""
    dots, said = str(answer.get("stdout") or "").strip(), str(answer.get("stderr") or "").strip()
    if re.fullmatch(r"\.+", dots):
        return len(dots)
    return 0 if not dots + said or "No such file" in dots + said else None


def found_at_site(wanted: DesiredStores, given: Mapping[str, Any], hosts: int) -> tuple[Found, FoundSite, dict[str, str]]:
    """What a site says, from the two results of kolla_site_info, and its other overrides."""
    site, files, host = given["site"], given["site"]["files"], given["site"]["host"]
    read = texts(files["files"])
    container, globals_file = host["container"], normal(site["globals_file"])
    modes = [file["mode"] for file in files["variables"] if file["path"] == globals_file]
    around = FoundSite(
        site=Site(
            container=site["container"],
            globals_file=globals_file,
            files=texts(files["variables"]),
            mounts=None if container["mounts"] is None else container_mounts(container["mounts"]),
            datadir_volume=site["datadir_volume"],
            manage_globals=site["manage_globals"],
            config_dir=site["config_dir"],
            api_hosts=given["api_hosts"],
        ),
        globals_mode=modes[0] if modes else None,
        merged="".join(texts(host["files"]).values()),
        uid=container["uid"],
        gid=container["gid"],
        error=container["error"],
        hosts=hosts,
        missing_program=next((name for name, path in files["programs"].items() if path is None), ""),
        python_without_sdk=site["python"] if host["has_openstacksdk"] is False else "",
    )
    found = Found(deployed=read.get(wanted.path, ""), record=read.get(wanted.record, ""), is_root=files["uid"] == 0)
    return found, around, {path: text for path, text in texts(files["overrides"]).items() if path != wanted.path}

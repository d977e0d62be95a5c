# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What the role glance_instance_aware has to do on its hosts, from its variables and from what was read there. No I/O."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import ImageServicesError, cannot
from .._core.run_as import run_as
from .._stores.kolla.globals_file import Load
from .._stores.kolla.mounts import Mounting, plan_mounts
from .._stores.kolla.site import SITES, container_mounts
from .filter_config import FILTER, Base, base, connection_settings, drop_in, lint, override, shown_changes
from .paste import NotDerivable, derive

CREDENTIALS = "glance_instance_aware_cloud or glance_instance_aware_auth to an administrator's, or glance_instance_aware_verify to false"
HEADER = "# Ansible managed: the role xenstack.image_services.glance_instance_aware overwrites this file."
BLOCK_HEADER = "# The variables of the role define this block."
PTH = "image_services_extensions.pth"

Options = Mapping[str, Any]


@dataclass(frozen=True)
class FilterPaths:
    """Where the parts of the filter belong, and where Glance's own are."""

    is_site: bool
    # Glance's own directory, as it sees it.
    config_dir: str
    config_file: str
    drop_in: str
    paste_file: str
    record: str
    home: str
    extensions: str
    # Of a site alone.
    pth: str
    merged: str
    overrides: str
    globals_file: str

    @property
    def settings_dir(self) -> str:
        return posixpath.dirname(self.drop_in)


def filter_paths(options: Options) -> FilterPaths:
    is_site = options["target"] in SITES
    normal, join = posixpath.normpath, posixpath.join
    home, config_dir = normal(options["home"]), normal(options["config_dir"])
    site_dir, overrides = normal(options["site_dir"] or "/"), normal(options["site_config_dir"] or "/")
    own = join(overrides, "glance", "glance-api.conf") if is_site else join(config_dir, "glance-api.conf.d", "60-instance-aware.conf")
    return FilterPaths(
        is_site=is_site,
        config_dir="/etc/glance" if is_site else config_dir,
        config_file=join(config_dir, "glance-api.conf"),
        drop_in=own,
        paste_file=join(home if is_site else config_dir, "glance-api-paste-instance-aware.ini"),
        record=join(posixpath.dirname(own) if is_site else config_dir, ".glance-instance-aware.verified"),
        home=home,
        extensions=join(home, "extensions"),
        pth=join(home, PTH) if is_site else "",
        merged=join(site_dir, "glance-api", "glance-api.conf") if is_site else "",
        overrides=overrides,
        globals_file=normal(options["site_globals"] or "/"),
    )


def site_variables(options: Options, files: Mapping[str, str]) -> dict[str, str]:
    """The files of the site's variables in the order in which they are read."""
    main = filter_paths(options).globals_file
    more = posixpath.join(posixpath.dirname(main), "globals.d") + "/"
    return {path: files[path] for path in [*([main] if main in files else []), *sorted(path for path in files if path.startswith(more))]}


@dataclass(frozen=True)
class FilterReading:
    """What was read on the hosts. A text is None where there is no file."""

    # Paths without which the host has no Glance.
    missing: Sequence[str] = ()
    is_root: bool = False
    # Glance's configuration and our drop-in, or a site's overrides and variables, by path.
    files: Mapping[str, str] = field(default_factory=dict)
    # What the site has generated of its own overrides and those of the role.
    merged: str = ""
    # The paste file that Glance uses without the filter, and the one that is derived from it.
    base: str | None = None
    paste: str | None = None
    record: str | None = None
    # The interpreter of Glance: whether Glance is in it, and where it looks for .pth files.
    has_glance: bool = False
    pth: str = ""
    # Whether the package would change on a host, and whether a host has it.
    package_changes: bool = False
    package_exists: bool = False
    # Mounts of the running container as its engine shows them. None where none runs.
    mounts: Sequence[Mapping[str, Any]] | None = None
    engine: str = ""


@dataclass(frozen=True)
class _Config:
    """Our settings, and what Glance's configuration is without them."""

    text: str
    base: Base
    faults: list[str]
    # Our settings as they are deployed.
    deployed: str


def plan_filter(options: Options, reading: FilterReading, package: Mapping[str, str], check_mode: bool, load: Load) -> dict[str, Any]:
    """The result of the module. ``package`` is the text of every file of it, ``load`` reads YAML."""
    paths = filter_paths(options)
    if reading.missing:
        names = "' and no '".join(reading.missing)
        cause = f"there is no '{names}' on this host"
        advice = "Deploy Glance first, or set glance_instance_aware_config_dir and glance_instance_aware_glance_python"
        # In check mode on a fresh host, the role that deploys Glance has only said what it would do.
        found = [] if check_mode else [str(cannot(_verb(options), "filter", FILTER.name, cause, advice))]
        return {"findings": [*_anonymous(options), *found], "glance": False, "paths": vars(paths)}
    return {"glance": True, "paths": vars(paths), **_planned(options, reading, paths, package, load)}


def _planned(options: Options, reading: FilterReading, paths: FilterPaths, package: Mapping[str, str], load: Load) -> dict[str, Any]:
    is_present = options["state"] == "present"
    raw = reading.files.get(paths.drop_in, "")
    own = override(raw, "") if paths.is_site else None
    config = _config(options, reading, paths)
    site = override(raw, config.text if is_present else "") if paths.is_site else None
    mounting = _mounting(options, reading, paths, load) if paths.is_site else Mounting(())
    settings = site.text if site else config.text
    paste, unclear = _derived(reading.base or "", config.base)
    digest = _digest(config.text, paste, package, reading.pth, config.base.connection)
    is_pending = is_present and bool(mounting.pending)
    is_verified = (
        (reading.record or "").strip() == digest and not reading.package_changes and raw == settings and (reading.paste or "") == paste and not is_pending
    )
    findings = _anonymous(options)
    if is_present:
        findings += _unusable(options, reading, config) or [
            *unclear,
            *([str(cannot("configure", "file", paths.drop_in, site.fault, "Correct it by hand"))] if site and site.fault else []),
            *mounting.findings,
        ]
    is_left = own.text != own.own if own else paths.drop_in in reading.files
    # What is not verified belongs to a run that was interrupted, and is not restored.
    former = raw if reading.record is not None else own.own if own else ""
    return {
        "findings": findings,
        "verified": is_verified,
        "left": reading.package_exists or reading.record is not None or is_left or reading.paste is not None,
        "digest": digest,
        "record": reading.record,
        "pending": list(mounting.pending),
        "shown": _shown(paths, config, raw if not own else own.block, reading.paste or "", paste),
        "files": _files(options, reading, paths, (settings, paste) if is_present else (own.own if own else "", ""), options["backup"]),
        "restore": _files(options, reading, paths, (former, (reading.paste or "") if reading.record is not None else ""), False),
        "package": {
            "path": paths.extensions,
            # Tells the role glance to derive the paste file again when it changes the original.
            "files": extension_files(paths),
            "python": None if paths.is_site else options["glance_python"],
            "pth": paths.pth or None,
        },
        "program": {
            "argv": _interpreter(options, reading, paths),
            "arguments": ["--config-file", f"{paths.config_dir}/glance-api.conf", *([] if paths.is_site else ["--config-dir", paths.settings_dir])],
            "texts": dict(package),
            "settings": config.text,
            "connection_settings": connection_settings(str(options["database_url"] or ""), config.deployed),
            "secret": _password(str(options["database_url"] or config.base.connection)),
        },
    }


def extension_files(paths: FilterPaths) -> dict[str, str]:
    return {} if paths.is_site else {"extension.json": json.dumps({"paste_file": paths.paste_file})}


def _config(options: Options, reading: FilterReading, paths: FilterPaths) -> _Config:
    files, deployed = dict(reading.files), reading.files.get(paths.drop_in, "")
    if paths.is_site:
        # In a site's override, the operator's lines are separated from those of the role.
        now = override(deployed, "")
        deployed = now.block
        files = {path: text for path, text in reading.files.items() if _is_override(paths, path)}
        files.update({paths.drop_in: now.block, f"{paths.drop_in} (yours)": now.own, paths.merged: reading.merged})
    found = base(files, paths.config_dir, paths.drop_in, paths.paste_file, paths.merged)
    faults = list(lint(options["installations"] or []))
    try:
        text = drop_in(BLOCK_HEADER if paths.is_site else HEADER, paths.paste_file, _settings(options))
    except ImageServicesError as error:
        text = deployed
        faults.append(str(error))
    return _Config(text, found, faults, deployed)


def _is_override(paths: FilterPaths, path: str) -> bool:
    return bool(re.fullmatch(re.escape(paths.overrides) + r"/((global|glance)[.]conf|glance/[^/]+/glance-api[.]conf)", path))


def base_paste_file(options: Options, reading: FilterReading) -> str:
    """The paste file that Glance uses without the filter, as Glance sees it."""
    return _config(options, reading, filter_paths(options)).base.paste_file


def _settings(options: Options) -> dict[str, Any]:
    names = ("installations", "keep_nova_property", "service_roles", "require_database", "max_instance_ids")
    return {**(options["extra_config"] or {}), "connection": options["database_url"], **{name: options[name] for name in names}}


def _derived(text: str, found: Base) -> tuple[str, list[str]]:
    """The paste file with the filter, and why there is none."""
    try:
        return derive(text, found.flavor, FILTER), []
    except NotDerivable as exc:
        advice = "Correct the file, or flavor and config_file of [paste_deploy]"
        return "", [str(cannot("extend", "paste file", found.paste_file, str(exc), advice))]


def _mounting(options: Options, reading: FilterReading, paths: FilterPaths, load: Load) -> Mounting:
    wanted = [(paths.home, paths.home), (paths.pth, reading.pth)]
    mounts = None if reading.mounts is None else container_mounts(reading.mounts)
    return plan_mounts(wanted, options["container"], mounts, paths.globals_file, site_variables(options, reading.files), load)


def _unusable(options: Options, reading: FilterReading, config: _Config) -> list[str]:
    """What prevents the filter before the pipeline is of interest."""
    findings = [*config.faults, *config.base.findings]
    if not reading.has_glance:
        where = f"of container '{options['container']}'" if options["target"] in SITES else f"'{options['glance_python']}'"
        advice = "Deploy it first" if options["target"] in SITES else "Set glance_instance_aware_glance_python to Glance's own"
        findings.append(str(cannot("add", "filter", FILTER.name, f"there is no Glance in the interpreter {where}", advice)))
    if reading.base is None:
        findings.append(str(cannot("extend", "paste file", config.base.paste_file, "there is none", "Set config_file of [paste_deploy] to Glance's")))
    return findings


def _anonymous(options: Options) -> list[str]:
    if options["has_credentials"] or not options["verify"]:
        return []
    return [str(cannot("verify", "filter", FILTER.name, "there are no credentials for Glance", f"Set {CREDENTIALS}"))]


def _verb(options: Options) -> str:
    return "add" if options["state"] == "present" else "remove"


def _shown(paths: FilterPaths, config: _Config, deployed: str, paste_now: str, paste: str) -> list[str]:
    """The changes for people, without secrets."""
    changes = shown_changes(deployed, config.text)
    lines = [f"--- {paths.drop_in}", *changes] if changes else []
    if paste_now != paste:
        lines += [f"--- {paths.paste_file}", f"+ {FILTER.name} after context for the flavor {config.base.flavor}"]
    return lines


def _files(options: Options, reading: FilterReading, paths: FilterPaths, texts: tuple[str, str], backup: bool) -> dict[str, list[dict[str, Any]]]:
    """Entries for config_files, for the host of the settings and for those of the paste file. A file without a text is removed."""
    settings, paste = texts
    group = options["group"] if reading.is_root and not paths.is_site else None
    directory = {"path": paths.settings_dir, "state": "directory", "mode": "0750", "group": group}
    entries = [_entry(paths.drop_in, settings, "0640", group, backup)]
    # If a site has the override already, its directory belongs to someone else.
    if settings and not (paths.is_site and paths.drop_in in reading.files):
        entries.insert(0, directory)
    # The host does not know the ids of a container's users.
    return {"settings": entries, "hosts": [_entry(paths.paste_file, paste, "0644" if paths.is_site else "0640", group, False)]}


def _entry(path: str, text: str, mode: str, group: str | None, backup: bool) -> dict[str, Any]:
    return {"path": path, "content": text, "mode": mode, "group": group, "backup": backup} if text else {"path": path, "state": "absent"}


def _interpreter(options: Options, reading: FilterReading, paths: FilterPaths) -> list[str]:
    """What runs a program with Glance's interpreter, as the user of the service."""
    if paths.is_site:
        return [reading.engine, "exec", "-i", options["container"], "python3"]
    return [*(run_as(str(options["user"]), str(options["group"])) if reading.is_root else []), options["glance_python"]]


def _digest(*parts: Any) -> str:
    """Of everything that Glance runs with, and where."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _password(url: str) -> str:
    user = re.match(r"[^:/?#]+://([^/?#]*)@", url)
    return user[1].partition(":")[2] if user else ""

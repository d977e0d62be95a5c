# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A Kolla-style site: which host directory is mounted at a path in Glance's container, and what has to be said in globals.yml."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..._core.errors import cannot
from ..paths import normal, within
from .globals_file import Load, NotEditable, Value, line_of, set_variable

# The targets of the roles that are such a site.
SITES = ("kolla", "xavs")
# What the site mounts here is named by one variable, a named volume when it is not set.
STATE_DIR = "/var/lib/glance"
DATADIR_VOLUME, NAMED_VOLUME = "glance_file_datadir_volume", "glance"
# Further volumes: the first one that is set decides, the later ones are only its defaults.
EXTRA_VOLUMES = ("glance_api_extra_volumes", "glance_extra_volumes", "default_extra_volumes")
TRAP = (
    f"As soon as {DATADIR_VOLUME} is not '{NAMED_VOLUME}', or Glance has Ceph or S3 as well, the site starts Glance on every host of its group glance-api, "
    "and each finds only the images in its own directory"
)


@dataclass(frozen=True)
class Mount:
    source: str
    destination: str
    writable: bool = True

    def host_path(self, path: str) -> str | None:
        """The path on the host; a named volume that no container uses has none that is known."""
        if not self.source.startswith("/"):
            return None
        rest = normal(path)[len(normal(self.destination).rstrip("/")) :]
        return normal(self.source + "/" + rest)


@dataclass(frozen=True)
class Site:
    """What was found: ``mounts`` is null where no container runs, ``files`` are the texts of globals.yml and globals.d by path."""

    container: str
    globals_file: str
    files: Mapping[str, str]
    mounts: Sequence[Mount] | None = None
    # What the operator wants mounted at STATE_DIR; empty where that is not managed.
    datadir_volume: str = ""
    manage_globals: bool = False
    config_dir: str = ""
    api_hosts: Sequence[str] = ()


@dataclass
class SitePlan:
    # Directories of stores as the host sees them, with `inside`, the path in the container.
    directories: list[dict[str, Any]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    # Text of globals.yml as it has to be, and the lines that are new in it.
    globals_text: str = ""
    lines: list[str] = field(default_factory=list)
    # Paths that the running container does not see in the place where it will after the next deployment.
    pending: list[str] = field(default_factory=list)


def container_mounts(shown: Iterable[Mapping[str, Any]]) -> list[Mount]:
    """Mounts as `docker inspect` and `podman inspect` show them."""
    return [Mount(str(entry.get("Source") or entry.get("Name") or ""), normal(str(entry["Destination"])), bool(entry.get("RW", True))) for entry in shown]


def variables(files: Mapping[str, str], load: Load) -> tuple[dict[str, Any], dict[str, str]]:
    """Values of all files, later ones win, and the file that each comes from."""
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for path, text in files.items():
        loaded = load(text)
        if isinstance(loaded, Mapping):
            values.update(loaded)
            origin.update(dict.fromkeys(map(str, loaded), path))
    return values, origin


def is_template(value: object) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def declared_mounts(values: Mapping[str, Any]) -> list[Mount]:
    """Mounts that the site's variables ask for, as far as they are no templates."""
    volume = values.get(DATADIR_VOLUME, NAMED_VOLUME)
    mounts = [Mount(str(volume), STATE_DIR)] if not is_template(volume) else []
    name = extra_variable(values)
    entries = values.get(name) if name else None
    for entry in entries if isinstance(entries, list) else []:
        parts = str(entry).split(":")
        if not is_template(entry) and len(parts) > 1:
            mounts.append(Mount(parts[0], normal(parts[1]), "ro" not in ",".join(parts[2:]).split(",")))
    return mounts


def extra_variable(values: Mapping[str, Any]) -> str | None:
    return next((name for name in EXTRA_VOLUMES if name in values), None)


def holding(path: str, mounts: Iterable[Mount]) -> Mount | None:
    """The mount that shows at a path: the innermost one."""
    return max((mount for mount in mounts if within(path, mount.destination)), key=lambda mount: len(mount.destination), default=None)


def plan_site(site: Site, needed: Sequence[Mapping[str, Any]], load: Load) -> SitePlan:
    """Where the stores' directories are on the host, and why not."""
    plan = SitePlan(globals_text=site.files.get(site.globals_file, ""))
    try:
        values, origin = variables(site.files, load)
    except ValueError as exc:
        plan.findings.append(str(cannot("read", "file", site.globals_file, f"it is no YAML ({exc})", "Correct it")))
        return plan
    _check_config_dir(site, values, plan)
    wanted = dict(_wanted(site, values, needed))
    for name, value in wanted.items():
        _want(site, values, origin, name, value, plan, load)
    if plan.findings:
        return plan
    mounts = declared_mounts({**values, **wanted})
    if site.datadir_volume.startswith("/") or any(mount.destination == STATE_DIR and mount.source.startswith("/") for mount in mounts):
        _trap(site, plan)
    for entry in needed:
        _place(site, entry, mounts, plan)
    return plan


def _check_config_dir(site: Site, values: Mapping[str, Any], plan: SitePlan) -> None:
    used = values.get("node_custom_config")
    if isinstance(used, str) and not is_template(used) and site.config_dir and normal(used) != normal(site.config_dir):
        cause = f"the site reads overrides from '{used}' (node_custom_config), not from '{site.config_dir}'"
        plan.findings.append(str(cannot("configure", "site", site.container, cause, "Set glance_stores_site_config_dir to it")))


def _wanted(site: Site, values: Mapping[str, Any], needed: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Value]]:
    """Variables that have to change so that every path is mounted."""
    now = dict(values)
    if site.datadir_volume and values.get(DATADIR_VOLUME, NAMED_VOLUME) != site.datadir_volume:
        now[DATADIR_VOLUME] = site.datadir_volume
        yield DATADIR_VOLUME, site.datadir_volume
    mounts = [*declared_mounts(now), *(site.mounts or ())]
    missing = [str(entry["path"]) for entry in needed if holding(str(entry["path"]), mounts) is None and not within(str(entry["path"]), STATE_DIR)]
    if missing:
        name = extra_variable(values)
        entries = values.get(name) if name else None
        # Whoever sets the variable takes its defaults away, so they are repeated.
        kept = [str(entry) for entry in entries] if isinstance(entries, list) else []
        yield variable_to_set(name), [*kept, *(f"{path}:{path}" for path in dict.fromkeys(missing))]


def variable_to_set(name: str | None) -> str:
    # The volumes of all containers are none of our business.
    return "glance_extra_volumes" if name in (None, "default_extra_volumes") else str(name)


def _want(site: Site, values: Mapping[str, Any], origin: Mapping[str, str], name: str, value: Value, plan: SitePlan, load: Load) -> None:
    line = line_of(name, value)
    where = origin.get(name, site.globals_file)
    if name == DATADIR_VOLUME:
        cause = f"'{STATE_DIR}' in it is not '{site.datadir_volume}' of the host"
    else:
        known = values.get(extra_variable(values) or "")
        paths = [entry.split(":")[0] for entry in value if not isinstance(known, list) or entry not in known]
        cause = f"nothing mounts {', '.join(repr(path) for path in paths)} of the host into it, and images there would be lost with it"
    advice = f"Write this line to {where}, or set glance_stores_manage_globals to true: {line}"
    template = is_template(values.get(name)) or (name != DATADIR_VOLUME and is_template(values.get(extra_variable(values) or "")))
    if template:
        advice = f"{name} is a template, so only you can extend it: have it mount what this line would: {line}"
    if site.manage_globals and not template:
        try:
            if where != site.globals_file:
                raise NotEditable
            plan.globals_text = set_variable(plan.globals_text, name, value, load)
            plan.lines.append(line)
            return
        except NotEditable:
            advice = f"The variable cannot be set without rewriting the file, so write this line to {where} yourself: {line}"
    # A colon ends the sentence, so that the line can be copied without a full stop behind it.
    plan.findings.append(str(cannot("use", "container", site.container, cause, advice)).removesuffix("."))


def _trap(site: Site, plan: SitePlan) -> None:
    if len(set(site.api_hosts)) < 2:
        plan.notes.append(f"{TRAP}. Where that are several, name them in glance_stores_api_hosts, so that a directory that they do not share is refused.")


def _place(site: Site, entry: Mapping[str, Any], mounts: Sequence[Mount], plan: SitePlan) -> None:
    inside = str(entry["path"])
    declared, present = holding(inside, mounts), holding(inside, site.mounts or ())
    # What the variables say holds from the next deployment on; what they do not say is seen in the container alone.
    later = declared if declared is not None and declared.host_path(inside) else None
    mount = later or present or declared
    if mount is None:
        return
    if not mount.writable:
        cause = f"'{mount.destination}' is mounted read-only into the container {site.container}"
        plan.findings.append(str(cannot("configure", "store", str(entry["name"]), cause, "Mount it for writing")))
        return
    host = mount.host_path(inside)
    if host is None:
        plan.notes.append(f"The directory of store '{entry['name']}' is in the volume '{mount.source}', which the container creates when it starts.")
    else:
        plan.directories.append({**entry, "path": host, "inside": inside})
    if site.mounts is not None and (present is None or (later is not None and present.host_path(inside) != host)):
        plan.pending.append(inside)


def directories_of_stores(directories: Iterable[Mapping[str, Any]], stores: Iterable[str]) -> list[Mapping[str, Any]]:
    """Directories that the role keeps: what Glance needs for itself below its state directory the container makes."""
    names = set(stores)
    return [entry for entry in directories if entry["name"] in names or not within(str(entry["path"]), STATE_DIR)]

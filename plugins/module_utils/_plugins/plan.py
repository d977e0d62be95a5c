# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Plugins of Dom0: what they say of themselves, and whether an image can be pulled by them into an SR. Pure: no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PULLER = "imagestore"
# Of the calls that this collection makes.
API = 1
# Drivers that keep each disk as a file, where the plugin can put one.
FILE_BASED = ("ext", "file", "nfs", "smb")
# What the plugin makes disks of, by the formats of _content/image_disk.py.
FORMATS = {"raw": "raw", "iso": "raw", "vhd": "vhd", "vhd tarball": "vhd tarball"}
DISK_FORMATS = ("raw", "iso", "vhd")
CONTAINERS = (None, "bare", "ovf", "ova")
# What the plugin reads tarballs through.
COMPRESSIONS = (None, "gzip")
# Digests that it computes.
ALGORITHMS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
HTTP = "Use transport auto or http"
# Linux' limit of the one argument that a plugin is run with, XML and all, with room for the call around the arguments.
MAX_ARGUMENTS = 128 * 1024 - 1024


@dataclass(frozen=True)
class PluginFacts:
    """What is known of one plugin on one host; None is «not known»."""

    name: str
    present: bool | None
    version: str | None = None
    api: int | None = None
    python: str | None = None
    functions: tuple[str, ...] | None = None
    # Why it does not tell more.
    error: str | None = None

    def shown(self) -> dict[str, Any]:
        return {**vars(self), "functions": None if self.functions is None else list(self.functions)}


@dataclass(frozen=True)
class HostFacts:
    """A host of a pool with its plugins."""

    ref: str
    uuid: str
    name: str
    coordinator: bool = False
    plugins: tuple[PluginFacts, ...] = ()

    def plugin(self, name: str) -> PluginFacts:
        return next(each for each in self.plugins if each.name == name)


@dataclass(frozen=True)
class Unfit:
    """Why something cannot be, and what is to be done about it."""

    cause: str
    advice: str = HTTP
    code: str = "transport"


def _install(what: str = "it") -> str:
    return f"Install {what} with the role xen_dom0_plugins, or use transport auto or http"


def facts_of(name: str, said: str) -> PluginFacts:
    """Facts from what the function ``version`` has returned: JSON as of our plugins, or any text."""
    try:
        found = json.loads(said)
    except ValueError:
        found = said
    if not isinstance(found, dict):
        text = " ".join(str(found).split())[:200]
        return PluginFacts(name, True, text or None)
    api, functions = found.get("api"), found.get("functions")
    return PluginFacts(
        name,
        True,
        _text(found.get("version")),
        api if isinstance(api, int) and not isinstance(api, bool) else None,
        _text(found.get("python")),
        tuple(str(each) for each in functions) if isinstance(functions, list) else None,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def as_arguments(given: Mapping[str, Any]) -> dict[str, str]:
    """Arguments as plugins take them, all of them texts: texts as they are, nothing as an empty one, all else as JSON."""
    return {str(key): value if isinstance(value, str) else "" if value is None else json.dumps(value) for key, value in given.items()}


def size_of_arguments(arguments: Mapping[str, str]) -> int:
    """Their bytes in the call, as XAPI spells it: with quotes as entities, and about so much around each."""
    around = len("<member><name></name><value><string></string></value></member>")
    return sum(_escaped(key) + _escaped(value) + around for key, value in arguments.items())


def _escaped(text: str) -> int:
    longer = {"&": 4, "<": 3, ">": 3, '"': 5, "'": 5}
    return len(text.encode("utf-8", "surrogatepass")) + sum(text.count(letter) * more for letter, more in longer.items())


def unfit_source(params: Mapping[str, Any]) -> Unfit | None:
    """What the options tell."""
    for option in ("src", "uri"):
        if params.get(option):
            return Unfit(f"the content is named by {option}, and a host pulls images of Glance alone")
    return None


def unfit_image(disk_format: str | None, container_format: str | None, algorithm: str | None) -> Unfit | None:
    """What Glance declares of an image."""
    if disk_format not in DISK_FORMATS:
        return Unfit(f"its disk_format is '{disk_format}', and hosts pull raw disks and VHDs")
    if container_format not in CONTAINERS:
        return Unfit(f"its container_format is '{container_format}', and hosts pull what is bare, or a tarball of VHDs (ovf)")
    if algorithm not in (None, *ALGORITHMS):
        return Unfit(f"Glance knows it by its {algorithm} digest, which hosts do not compute")
    return None


def unfit_data(form: str, compression: str | None) -> Unfit | None:
    """What its bytes tell."""
    if form not in FORMATS:
        return Unfit(f"its data is {form}, and hosts pull raw disks and VHDs")
    if compression not in (COMPRESSIONS if form == "vhd tarball" else (None,)):
        return Unfit(f"its data is compressed with {compression}, which hosts do not read")
    return None


def unfit_sr(name: str, kind: str) -> Unfit | None:
    if kind in FILE_BASED:
        return None
    return Unfit(f"SR '{name}' is of type {kind}, and a host can put files only into SRs of the types {', '.join(FILE_BASED)}")


def unfit_sharable(sharable: bool) -> Unfit | None:
    """XAPI takes this field at VDI.create alone, and a host makes a VDI as a file that the SR then finds."""
    return Unfit("the VDI is to be sharable, which only a VDI can be that the module creates", code="sharable") if sharable else None


def unfit_hosts(hosts: Sequence[HostFacts], needed: Iterable[str]) -> Unfit | None:
    """Every host that sees the SR must have the same plugin, since each may be the one to use the disk or to continue the import."""
    found = [(host, host.plugin(PULLER)) for host in hosts]
    asked = [(host, plugin) for host, plugin in found if plugin.present is not None]
    if not asked:
        silent = "; ".join(f"{host.name}: {plugin.error}" for host, plugin in found)
        return Unfit(f"no host that sees the SR answers ({silent})" if found else "no host is connected to the SR", "See that a host is up and sees the SR")
    absent = [host.name for host, plugin in asked if not plugin.present]
    if absent:
        return Unfit(f"{_hosts(absent)} no plugin {PULLER}", _install())
    for host, plugin in asked:
        if plugin.error is not None:
            return Unfit(f"the plugin {PULLER} of host {host.name} does not run: {plugin.error.rstrip('.')}", _install("another version"))
    versions = {host.name: plugin.version or "unknown" for host, plugin in asked}
    if len(set(versions.values())) > 1:
        listed = ", ".join(f"{name} has {version}" for name, version in sorted(versions.items()))
        cause = f"the hosts have different versions of the plugin {PULLER}: {listed}"
        return Unfit(cause, _install("one version on all of them"), "plugin_versions")
    host, plugin = asked[0]
    if plugin.api != API:
        said = "of an unknown interface" if plugin.api is None else f"of interface {plugin.api}"
        cause = f"the hosts have version {plugin.version or 'unknown'} of the plugin {PULLER}, {said}, and this module knows interface {API}"
        return Unfit(cause, _install("the version that belongs to this collection"), "plugin_versions")
    missing = sorted(set(needed) - set(plugin.functions if plugin.functions is not None else needed))
    if missing:
        return Unfit(f"the plugin {PULLER} {plugin.version} has no function {', '.join(missing)}", _install("a newer one"), "plugin_versions")
    return None


def _hosts(names: Sequence[str]) -> str:
    listed = ", ".join(sorted(names))
    return f"host {listed} has" if len(names) == 1 else f"the hosts {listed} have"


def choose_host(hosts: Sequence[HostFacts]) -> HostFacts:
    """The coordinator where it sees the SR, since the session is there; else always the same one."""
    able = [host for host in hosts if host.plugin(PULLER).present]
    return min(able, key=lambda host: (not host.coordinator, host.uuid))

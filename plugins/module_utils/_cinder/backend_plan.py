# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What the role cinder_xenapinfs has to do on its host, from its variables and from what was read there. No I/O."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import cannot
from .._core.ini import parse
from .backend_config import PACKAGE, Edited, edit

OWN_CLASS = PACKAGE + "driver.XenAPINFSDriver"
IN_TREE_CLASS = "cinder.volume.drivers.xenapi.sm.XenAPINFSDriver"
# What the driver in Cinder's own tree knows.
IN_TREE_OPTIONS = frozenset(
    "volume_driver volume_backend_name xenapi_connection_url xenapi_connection_username xenapi_connection_password xenapi_nfs_server "
    "xenapi_nfs_serverpath xenapi_sr_base_path".split()
)
# Options without which there is no backend, and the variables of the role that they come from.
REQUIRED = {
    "xenapi_connection_url": "cinder_xenapinfs_connection_url",
    "volume_backend_name": "cinder_xenapinfs_backend_name",
    "xenapi_connection_password": "cinder_xenapinfs_password",
    "xenapi_nfs_server": "cinder_xenapinfs_nfs_server",
    "xenapi_nfs_serverpath": "cinder_xenapinfs_nfs_serverpath",
}
# Options of the driver that are secret. What extra_config adds may be secret as well.
SECRET = frozenset({"xenapi_connection_password"})
ADDRESS = "xenapi_connection_url"
CREDENTIALS = "Set cinder_xenapinfs_cloud or cinder_xenapinfs_auth to an administrator's, or"

Options = Mapping[str, Any]


@dataclass(frozen=True)
class BackendReading:
    """What was read on the host. A text is None where there is no file."""

    config: str | None = None
    record: str | None = None
    # The interpreter of cinder-volume, or why it is not known, and what it has: None where it has not.
    python: str = ""
    error: str | None = None
    cinder: str | None = None
    pth: str = ""
    # Whether the package would change, and whether it is there.
    package_changes: bool = True
    package_exists: bool = False
    # The UUID of the VM that the host is.
    vm: str | None = None
    is_root: bool = False


def plan_backend(options: Options, reading: BackendReading, digest: str) -> dict[str, Any]:
    """The result of the module; ``digest`` is that of the package's files."""
    is_present = options["state"] == "present"
    driver = _driver(options, reading)
    is_own = driver.startswith(PACKAGE)
    wanted = _wanted(options, driver, is_own)
    edited = edit(reading.config or "", options["backend"], wanted if is_present else None)
    findings = list(_incomplete(options)) or list(_unsuitable(options, reading)) or list(edited.findings)
    record = _record(wanted, digest if is_own else "")
    is_verified = (reading.record or "").strip() == record
    installs = is_present and is_own and reading.package_changes
    return {
        "findings": findings,
        "files": [_config(options, edited, reading)],
        "differs": edited.changed,
        "backends": list(edited.backends),
        "verified": is_verified,
        # A run that stopped between the change and the restart has left no record.
        "restart": is_present and not is_verified and not edited.changed and not installs,
        "record": record,
        "driver": driver,
        "package": {
            "needed": is_own,
            "installs": installs,
            "unused": reading.package_exists and not edited.package,
        },
        "python": reading.python,
        "vm": reading.vm,
    }


def _driver(options: Options, reading: BackendReading) -> str:
    if options["driver_class"] != "auto":
        return str(options["driver_class"])
    return IN_TREE_CLASS if _is_in_tree(reading.cinder) else OWN_CLASS


def _is_in_tree(cinder: str | None) -> bool:
    return bool(re.match(r"2013\.|2014\.1(\.|$)", cinder or ""))


def _is_served(cinder: str | None) -> bool:
    return bool(re.match(r"2[7-9]\.|[3-9][0-9]\.", cinder or ""))


def _wanted(options: Options, driver: str, is_own: bool) -> dict[str, Any]:
    given = {**options["options"], "volume_driver": driver}
    known = given if is_own else {name: value for name, value in given.items() if name in IN_TREE_OPTIONS}
    return {**known, **(options["extra_config"] or {})}


def _record(wanted: Mapping[str, Any], digest: str) -> str:
    return hashlib.sha256(json.dumps([wanted, digest], sort_keys=True).encode()).hexdigest()


def _config(options: Options, edited: Edited, reading: BackendReading) -> dict[str, Any]:
    owners = {"owner": options["owner"], "group": options["group"]} if reading.is_root else {}
    former = parse(reading.config or "").get(options["backend"], {}).get(ADDRESS, [])
    # An address may hold a password.
    secret = SECRET | {ADDRESS} if any("@" in address for address in [*former, str(options["options"].get(ADDRESS))]) else SECRET
    shown = ["enabled_backends", "volume_driver", *(name for name in options["options"] if name not in secret)]
    return {"path": options["config_file"], "content": edited.text, "mode": "0640", "shown_options": shown, **owners}


def _incomplete(options: Options) -> Iterator[str]:
    """What the role's variables lack."""
    backend, is_present = options["backend"], options["state"] == "present"
    missing = [variable for name, variable in REQUIRED.items() if not str(options["options"].get(name) or "").strip()]
    if is_present and missing:
        yield str(cannot("configure", "backend", backend, f"it needs {', '.join(missing)}", "Set what is missing"))
    asks = options["has_volume_type"] or options["verify"] != "never" if is_present else not options["remove_in_use"]
    if asks and not options["has_credentials"]:
        instead = "cinder_xenapinfs_volume_type to '' and cinder_xenapinfs_verify to never" if is_present else "cinder_xenapinfs_remove_in_use to true"
        verb = "verify" if is_present else "remove"
        yield str(cannot(verb, "backend", backend, "there are no credentials for Cinder", f"{CREDENTIALS} {instead}"))
    if is_present and not options["has_volume_type"] and options["verify"] != "never":
        cause = "without a volume type, Cinder could create the volume on any backend"
        yield str(cannot("verify", "backend", backend, cause, "Set cinder_xenapinfs_volume_type, or cinder_xenapinfs_verify to never"))


def _unsuitable(options: Options, reading: BackendReading) -> Iterator[str]:
    """What the host lacks."""
    backend, is_present = options["backend"], options["state"] == "present"
    if reading.config is None:
        cause, advice = f"there is no '{options['config_file']}' on this host", "Deploy Cinder first, or set cinder_xenapinfs_config_file"
        yield str(cannot("configure", "backend", backend, cause, advice))
    elif reading.error:
        yield str(cannot("find the environment of", "service", "cinder-volume", reading.error, "Set cinder_xenapinfs_python to its interpreter"))
    elif is_present and options["driver_class"] == "auto" and not _is_in_tree(reading.cinder) and not _is_served(reading.cinder):
        cause = f"Cinder {reading.cinder} has no XenAPINFS driver any more, and the one of this role is for Cinder 27 and newer"
        yield str(cannot("configure", "backend", backend, cause, "Upgrade Cinder, or name a class in cinder_xenapinfs_driver_class"))
    elif is_present and options["is_local"] and reading.vm is None:
        cause = f"as local: this host is no VM of Xen, for it has no {options['hypervisor_uuid']}"
        yield f"Cannot configure backend '{backend}' {cause}. Set cinder_xenapinfs_configuration to remote."

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What the role glance_stores does, from its variables and what was read on its hosts. No I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .._core.config_file import written_value
from .._core.errors import cannot
from .configured import backends
from .declaration import Declaration, expected_stores, managed_directories
from .directory.plan import AUTO, PACKAGE, PACKAGE_USER, owner_preset
from .kolla.globals_file import Load
from .kolla.site import SITES, Site, SitePlan, directories_of_stores, plan_site
from .lint import lint, lint_deployed
from .options import SWIFT_ACCOUNT
from .override import SHOWN, Settled, secrets, settle
from .paths import normal, within
from .render import render_ceph, render_stores, render_swift_accounts

MANAGED = "# Ansible managed: the role xenstack.image_services.glance_stores overwrites this file."
MANAGED_BLOCK = "# The variable glance_stores defines this block."
TARGETS = ("service", "files", *SITES)
SWIFT_FILE = "glance-swift.conf"
# Of the other files, the options whose values a diff shows.
SHOWN_SWIFT = tuple(name for name, option in SWIFT_ACCOUNT.items() if not option.secret)
SHOWN_CEPH = ("fsid", "mon_host", "mon host", "mon_initial_members", "keyring")
SHOWN_UNIT = ("ReadWritePaths", "ProtectHome")
SHOWN_GLOBALS = ("glance_file_datadir_volume", "glance_api_extra_volumes", "glance_extra_volumes")
# What a unit hides from its service unless it is told otherwise.
HOMES = ("/home", "/root", "/run/user")


@dataclass(frozen=True)
class DesiredStores:
    """The variables of the role; ``declaration`` are those that decide what the files say."""

    declaration: Declaration
    target: str
    config_dir: str
    config_file: str
    service_config_dir: str
    service_name: str = "glance"
    config_group: str = ""
    owner: str = "auto"
    manage_directories: bool = True
    safe_mode: bool = True
    verify: bool = True
    has_credentials: bool = True
    # Name or number of whom Glance runs as; empty where it is not known.
    service_user: str = ""

    @property
    def is_site(self) -> bool:
        return self.target in SITES

    @property
    def path(self) -> str:
        return normal(f"{self.config_dir}/{self.config_file}")

    @property
    def record(self) -> str:
        """The file that tells which stores were verified last, with which start of Glance."""
        return normal(f"{self.config_dir}/.{self.config_file}.verified")

    @property
    def drop_in(self) -> str:
        """What permits Glance's unit to write to the directories of stores."""
        return f"/etc/systemd/system/{self.service_name}.service.d/50-stores.conf"


@dataclass(frozen=True)
class Found:
    """What is on the host of the files now."""

    deployed: str = ""
    record: str = ""
    # Digest of the record of Glance's last start; a dash where there is none.
    started: str = "-"
    is_root: bool = False
    has_unit: bool = False
    # Images in each directory that Glance may write and no store names any more; null where they cannot be counted.
    former: Mapping[str, int | None] = field(default_factory=dict)
    # Files of the directory ceph by name.
    ceph: Mapping[str, str] = field(default_factory=dict)
    # Numbers of users by their names; null where the host has no such user.
    users: Mapping[str, int | None] = field(default_factory=dict)
    # A first run in check mode: neither the service's user nor its directories are there to compare with.
    would_create: bool = False


@dataclass(frozen=True)
class FoundSite:
    """What is known of a Kolla-style site beside its files."""

    site: Site
    globals_mode: str | None = None
    # The configuration that the site generated last.
    merged: str = ""
    uid: int | None = None
    gid: int | None = None
    # Why the user of Glance is not known.
    error: str = ""
    # Hosts that would each write the files of the site.
    hosts: int = 1
    # The program that applies the files, where its host has none of this name.
    missing_program: str = ""
    # The interpreter that is to ask Glance, where it has no openstacksdk.
    python_without_sdk: str = ""


@dataclass(frozen=True)
class _Texts:
    """What the files say."""

    stores: str
    swift: str
    ceph: Sequence[Mapping[str, str]]

    def digest(self, directories: Sequence[str]) -> str:
        text = self.stores + self.swift + "".join(file["text"] for file in self.ceph) + " ".join(directories)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _rendered(wanted: DesiredStores, header: str) -> _Texts:
    declaration = wanted.declaration
    return _Texts(
        stores=render_stores(declaration, header, f"{wanted.service_config_dir}/{SWIFT_FILE}"),
        swift=render_swift_accounts(declaration, header) if declaration.swift_accounts else "",
        ceph=render_ceph(declaration, header),
    )


def refused(findings: Sequence[str]) -> dict[str, Any]:
    """A plan that changes nothing."""
    return {
        "findings": list(findings),
        "notes": [],
        "removed": [],
        "directories": [],
        "files": [],
        "digest": "",
        "restart": False,
        "verify": False,
        "daemon_reload": False,
        "pending": [],
        "expected": [],
        "secrets": [],
    }


def plan_service(wanted: DesiredStores, found: Found) -> dict[str, Any]:
    """Stores of a Glance that runs on this host, or files for another deployment."""
    declaration = wanted.declaration
    findings = lint(declaration) or lint_deployed(declaration, wanted.path, found.deployed)
    if findings:
        return refused(findings)
    removed = _removed(declaration, found.deployed)
    findings = [*_credentials(wanted, removed), *_strangers(wanted, found)]
    if findings:
        return refused(findings)
    texts = _rendered(wanted, MANAGED)
    managed = managed_directories(declaration)
    is_service = wanted.target == "service"
    # Of this configuration, and those before it that still hold images.
    kept = [path for path, images in found.former.items() if images != 0] if is_service else []
    writable = list(dict.fromkeys([*(entry["path"] for entry in managed), *kept]))
    digest = texts.digest(writable if is_service else [entry["path"] for entry in managed])
    verified = [*found.record.split(), "", ""]
    keeps = wanted.manage_directories and not found.would_create
    restart = is_service and verified[0] != digest
    return {
        "findings": [],
        "notes": [_former_note(path, found.former[path]) for path in kept],
        "removed": removed,
        "directories": _directories(managed, wanted.owner, None, "glance_var_lib_t") if keeps else [],
        "files": _service_files(wanted, found, texts, writable),
        "digest": digest,
        "restart": restart,
        "verify": is_service and (restart or verified[1] != found.started),
        "daemon_reload": found.has_unit,
        "pending": [],
        "expected": _expected(declaration, managed, keeps),
        "secrets": secrets(declaration),
    }


def plan_at_site(wanted: DesiredStores, found: Found, around: FoundSite, load: Load) -> dict[str, Any]:
    """Stores of a Kolla-style site; ``found.deployed`` is the override that an operator writes too."""
    now = settle(found.deployed, "")
    declaration = replace(wanted.declaration, other_config={**wanted.declaration.other_config, wanted.path: now.own})
    findings = lint(declaration)
    if findings:
        return refused(findings)
    texts = _rendered(replace(wanted, declaration=declaration), MANAGED_BLOCK)
    managed = managed_directories(declaration)
    site = plan_site(around.site, directories_of_stores(managed, [store["name"] for store in declaration.stores]), load)
    removed = _removed(declaration, around.merged or now.block)
    digest = texts.digest([entry["path"] for entry in managed])
    apply = [*found.record.split(), ""][0] != digest or bool(site.lines or site.pending)
    findings = [*_site_findings(wanted, around, now), *site.findings] or _credentials(wanted, removed) or _tools(wanted, around, apply, removed)
    if findings:
        return refused(findings)
    detects = wanted.owner == "auto"
    known = around.uid is not None and around.gid is not None
    owner = wanted.owner if not detects else str(around.uid) if known else wanted.target
    directories = _directories(site.directories, owner, str(around.gid) if detects and known else None, "container_file_t")
    return {
        "findings": [],
        "notes": [*([] if known or not detects else [_owner_note(wanted, around)]), *(site.notes if apply else [])],
        "removed": removed,
        "directories": directories if wanted.manage_directories else [],
        "files": _site_files(wanted, found, around, site, settle(found.deployed, texts.stores).text),
        "digest": digest,
        "restart": apply,
        "verify": apply,
        "daemon_reload": False,
        "pending": list(site.pending),
        "expected": _expected(declaration, site.directories, wanted.manage_directories),
        "secrets": secrets(declaration),
    }


def _removed(declaration: Declaration, deployed: str) -> list[str]:
    return sorted(set(backends(deployed)) - {store["name"] for store in declaration.stores})


def _credentials(wanted: DesiredStores, removed: Sequence[str]) -> list[str]:
    """What needs the credentials of an administrator, where there are none."""
    if wanted.has_credentials:
        return []
    if wanted.verify:
        names = ", ".join(store["name"] for store in wanted.declaration.stores)
        advice = "Set glance_stores_cloud or glance_stores_auth to an administrator's, or glance_stores_verify to false"
        return [str(cannot("verify", "stores", names, "there are no credentials for Glance", advice))]
    if wanted.safe_mode and removed:
        cause = "there are no credentials to find the images that only these stores hold"
        advice = "Set glance_stores_cloud or glance_stores_auth to an administrator's, or glance_stores_safe_mode to false to lose such images"
        return [str(cannot("remove", "stores", ", ".join(removed), cause, advice))]
    return []


def users_of(wanted: DesiredStores) -> list[str]:
    """The users whose numbers tell whether Glance can write to the directories of its stores."""
    owners = [str(entry["settings"].get("owner") or wanted.owner) for entry in managed_directories(wanted.declaration)]
    names = (PACKAGE_USER if name == PACKAGE else name for name in (wanted.service_user, *owners))
    return sorted({name for name in names if name and name != AUTO and not name.isdecimal() and owner_preset(name) is None})


def _strangers(wanted: DesiredStores, found: Found) -> list[str]:
    """Directories that belong to another user than Glance's, which would answer 410 to each upload."""
    uid = _number(wanted.service_user, found.users)
    # An ordinary user cannot give directories away, which is refused where it is tried.
    if not wanted.manage_directories or not uid or not found.is_root:
        return []
    findings = []
    for entry in managed_directories(wanted.declaration):
        owner, mode = str(entry["settings"].get("owner") or wanted.owner), str(entry["settings"].get("mode") or "0750")
        number = _number(owner, found.users)
        # A mode by which others than the owner may write is deliberate.
        if number in (None, uid) or not re.fullmatch("0*[0-7]?[0-7][0145][0145]", mode):
            continue
        service = f"'{wanted.service_user}' (UID {uid})"
        cause = f"directory '{entry['path']}' is to belong to '{owner}' (UID {number}), and Glance runs as {service}, who could not write there"
        advice = f"Let Glance run as that user, with glance_user_uid {number} where the role glance creates it, or correct the owner"
        findings.append(str(cannot("configure", "store", entry["name"], cause, advice)))
    return findings


def _number(user: str, users: Mapping[str, int | None]) -> int | None:
    if user.isdecimal():
        return int(user)
    preset = owner_preset(user)
    return preset[0] if preset else users.get(PACKAGE_USER if user == PACKAGE else user)


def _tools(wanted: DesiredStores, around: FoundSite, apply: bool, removed: Sequence[str]) -> list[str]:
    """What would be missing in the last steps, after the files of the site were changed."""
    names = ", ".join(store["name"] for store in wanted.declaration.stores)
    findings = []
    if apply and around.missing_program:
        cause = f"the user of this task has no program '{around.missing_program}' on the host with the files of the site"
        advice = "Install it or add its directory to PATH there, or set glance_stores_apply_command to the command that applies the files"
        findings.append(cannot("apply", "stores", names, cause, advice))
    if around.python_without_sdk and (wanted.verify or wanted.safe_mode and removed):
        cause = f"'{around.python_without_sdk}' is not a Python with openstacksdk on the host of Glance's container"
        advice = "Install openstacksdk there, or set glance_stores_python to an interpreter that has it"
        findings.append(cannot("verify", "stores", names, cause, advice))
    return list(map(str, findings))


def _site_findings(wanted: DesiredStores, around: FoundSite, now: Settled) -> list[str]:
    declaration = wanted.declaration
    findings = []
    if now.fault:
        findings.append(cannot("configure", "file", wanted.path, now.fault, "Correct it by hand"))
    if declaration.swift_accounts:
        names = ", ".join(str(account["reference"]) for account in declaration.swift_accounts)
        cause = "the site copies no file with accounts into the container"
        advice = "Say swift_store_auth_address, swift_store_user and swift_store_key, or the options of an application credential, in the store itself"
        findings.append(cannot("configure", "swift accounts", names, cause, advice))
    if around.hosts > 1:
        cause = f"the play has {around.hosts} hosts, and its files are written once"
        advice = "Run the play for one host that serves Glance, and name all of them in glance_stores_api_hosts"
        findings.append(cannot("configure", "site", around.site.config_dir, cause, advice))
    if declaration.ceph:
        cause = "the site's own tool copies ceph.conf and keyrings into the container, from the directory glance of its configuration"
        names = ", ".join(str(cluster.get("name")) for cluster in declaration.ceph)
        findings.append(cannot("deliver", "ceph clusters", names, cause, "Put them there, and leave glance_stores_ceph out"))
    return list(map(str, findings))


def _former_note(path: str, images: int | None) -> str:
    return (
        f"{images or 'An unknown number of'} image(s) are in '{path}', which no store names any more. Glance continues to read and delete them there, so the "
        "directory stays writable for it. To move them, evacuate the store to another one and back with the playbook evacuate_store.yml. When the directory is "
        "empty, the next run removes the directory from the unit."
    )


def _owner_note(wanted: DesiredStores, around: FoundSite) -> str:
    return (
        f"Cannot read the user of Glance in container '{around.site.container}' ({around.error or 'it has no user glance'}). "
        f"The directories of stores get the owner of the preset {wanted.target}."
    )


def _directories(entries: Sequence[Mapping[str, Any]], owner: str, group: str | None, setype: str) -> list[dict[str, Any]]:
    """The entries of glance_store_dirs."""
    return [
        {
            "path": entry["path"],
            "owner": entry["settings"].get("owner") or owner,
            "group": entry["settings"].get("group") or (None if "owner" in entry["settings"] else group),
            "mode": entry["settings"].get("mode"),
            "recurse": entry["settings"].get("recurse", False),
            "require_mount": entry["settings"].get("require_mount", False),
            "mount_point": entry["settings"].get("mount_point"),
            "min_free": entry["settings"].get("min_free"),
            "setype": entry["settings"].get("setype", setype),
            "follow": entry["settings"].get("follow", False),
            "other_stores": [other["path"] for other in entries if other["path"] != entry["path"]],
        }
        for entry in entries
    ]


def _expected(declaration: Declaration, directories: Sequence[Mapping[str, Any]], keeps: bool) -> list[dict[str, Any]]:
    """The stores as glance_store_check wants them; where the role keeps the directories, each file has to belong to the owner of its own."""
    return [
        {**store, "directories": [entry["path"] for entry in directories if entry["name"] == store["id"]], "owner_of_directory": keeps}
        for store in expected_stores(declaration)
    ]


def _service_files(wanted: DesiredStores, found: Found, texts: _Texts, writable: Sequence[str]) -> list[dict[str, Any]]:
    """In the order in which they are written: the file that names the others follows them, and what it named before is removed after it."""
    group = wanted.config_group or None
    common = {"owner": "root", "group": group} if found.is_root else {}
    ceph = {f"ceph/{file['name']}": file["text"] for file in texts.ceph}
    left = sorted(f"ceph/{name}" for name, text in found.ceph.items() if MANAGED in text and f"ceph/{name}" not in ceph)
    swift = {**common, "path": SWIFT_FILE, "mode": "0640", "content": texts.swift, "shown_options": SHOWN_SWIFT}
    return [
        {**common, "path": wanted.config_dir, "state": "directory", "mode": "0750", "replace": False},
        *([{**common, "path": "ceph", "state": "directory", "mode": "0750"}] if ceph else []),
        *({**common, "path": path, "mode": "0640", "content": text, "shown_options": SHOWN_CEPH} for path, text in ceph.items()),
        *([swift] if texts.swift else []),
        *(_unit_files(wanted, writable) if found.has_unit else []),
        {**common, "path": wanted.config_file, "mode": "0640", "content": texts.stores, "shown_options": sorted(SHOWN)},
        *([] if texts.swift else [{"path": SWIFT_FILE, "state": "absent"}]),
        *({"path": path, "state": "absent"} for path in left),
    ]


def _unit_files(wanted: DesiredStores, writable: Sequence[str]) -> list[dict[str, Any]]:
    lines = [MANAGED, "[Service]", *(f"ReadWritePaths={written_value('-' + path, 'systemd_path')}" for path in writable)]
    if any(within(path, home) for path in writable for home in HOMES):
        lines.append("ProtectHome=read-only")
    directory = wanted.drop_in.rpartition("/")[0]
    content = "".join(f"{line}\n" for line in lines)
    return [
        {"path": directory, "state": "directory", "mode": "0755"},
        {"path": wanted.drop_in, "mode": "0644", "content": content, "backup": False, "shown_options": SHOWN_UNIT},
    ]


def _site_files(wanted: DesiredStores, found: Found, around: FoundSite, site: SitePlan, override: str) -> list[dict[str, Any]]:
    group = {"group": wanted.config_group} if found.is_root and wanted.config_group else {}
    # Without its lines it stays as it is, and only its copies are pruned.
    globals_entry = {
        "path": around.site.globals_file,
        # The file's own mode.
        "mode": around.globals_mode or "0640",
        "content": site.globals_text,
        "replace": bool(site.lines),
        "shown_options": SHOWN_GLOBALS,
    }
    return [
        # A run that ends between the change of the variables and the command that applies them has to be repeated.
        *([{"path": wanted.record, "state": "absent"}] if site.lines or site.pending else []),
        {"path": wanted.config_dir, "state": "directory", "mode": "0750", "replace": False},
        *([globals_entry] if site.lines or around.globals_mode else []),
        {**group, "path": wanted.config_file, "mode": "0640", "content": override, "shown_options": sorted(SHOWN)},
    ]

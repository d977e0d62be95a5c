# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the files of an SR are: one directory for each device that a PBD names, and in it one for each SR."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from .errors import Failure

# What a device_config has to name; the first is what tells one device from another.
REQUIRED = {"nfs": ("server", "serverpath"), "ext": ("device",), "lvm": ("device",), "file": ("location",), "iso": ("location",)}
SUFFIXES = (".vhd", ".raw", ".iso")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def device(state: Path, kind: str, config: dict[str, str]) -> Path:
    if kind not in REQUIRED:
        raise Failure("SR_UNKNOWN_DRIVER", kind)
    for key in REQUIRED[kind]:
        if not config.get(key):
            raise Failure("SR_BACKEND_FAILURE_90", "", f"The request is missing the {key} parameter", "")
    # The prefix keeps a device of dots from being another directory.
    name = quote(":".join(config[key] for key in REQUIRED[kind]), safe="")
    return state / "devices" / kind / f"at-{name}"


def place(state: Path, kind: str, config: dict[str, str], sr_uuid: str) -> Path:
    # The uuid becomes the name of a directory, and a client may choose it.
    if not UUID.fullmatch(sr_uuid):
        raise Failure("SR_BACKEND_FAILURE", "", "", f"not a uuid: {sr_uuid}")
    return device(state, kind, config) / sr_uuid


def mount(state: Path, sr_uuid: str) -> Path:
    """Where an attached SR is seen."""
    return state / "sr-mount" / sr_uuid


def attach(state: Path, kind: str, config: dict[str, str], sr_uuid: str) -> None:
    target, link = place(state, kind, config, sr_uuid), mount(state, sr_uuid)
    if not target.is_dir():
        raise Failure("SR_BACKEND_FAILURE_40", "", f"The SR scan failed  [opterr=uuid={sr_uuid}]", "")
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def detach(state: Path, sr_uuid: str) -> None:
    mount(state, sr_uuid).unlink(missing_ok=True)


def find(state: Path, sr_uuid: str, location: str) -> Path | None:
    for suffix in SUFFIXES:
        path = mount(state, sr_uuid) / f"{location.removesuffix('.iso')}{suffix}"
        if path.is_file():
            return path
    return None


def used(state: Path, sr_uuid: str) -> int:
    return sum(path.stat().st_blocks * 512 for path in mount(state, sr_uuid).glob("*") if path.is_file())

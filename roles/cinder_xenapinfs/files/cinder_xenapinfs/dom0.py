# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugin imagestore in the control domain of the hosts, which downloads and uploads images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cinder.image import glance
from oslo_config import cfg
from oslo_log import log as logging

from .errors import PoolError, PoolFailure, PoolUnreachable
from .session import LONG, Session

LOG = logging.getLogger(__name__)
PLUGIN = "imagestore"
API = 1
# XAPI passes all arguments of a plugin as one command-line argument.
MAX_AUTHORITIES = 64 * 1024


def call(session: Session, function: str, given: dict[str, Any]) -> dict[str, Any]:
    answer = session.call("host.call_plugin", session.host, PLUGIN, function, {"params": json.dumps(given)}, timeout=LONG)
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PoolError(f"Cannot call {function} of the Dom0 plugin {PLUGIN}: its answer is not a JSON object. Check the version of the plugin on the host.")
    for warning in found.get("warnings") or ():
        LOG.warning("The Dom0 plugin %s says of %s: %s", PLUGIN, function, warning)
    return found


def available(session: Session) -> bool:
    """Whether the host has the plugin, with the API version of this driver."""
    try:
        return call(session, "version", {}).get("api") == API
    except PoolUnreachable:
        raise
    except PoolError as exc:
        LOG.info("The Dom0 plugin %s is not used: %s", PLUGIN, exc.sentence)
        return False


def servers(context: Any, suffix: str, key: str) -> list[dict[str, Any]]:
    """The addresses of the image in Glance, each once, and how their certificates are verified."""
    conf = cfg.CONF
    authorities = None
    if conf.glance_ca_certificates_file:
        authorities = Path(conf.glance_ca_certificates_file).read_text(encoding="ascii")
        if len(authorities) > MAX_AUTHORITIES:
            LOG.warning("glance_ca_certificates_file is too large for the Dom0 plugin, which uses the authorities of the host instead.")
            authorities = None
    headers = {"X-Auth-Token": context.auth_token} if context.auth_token else {}
    found: dict[str, dict[str, Any]] = {}
    for netloc, tls in glance.get_api_servers(context):
        url = f"{'https' if tls else 'http'}://{netloc.rstrip('/')}/v2/images/{suffix}"
        if url in found:
            break
        found[url] = {key: url, "headers": headers, "ca": authorities, "fingerprint": None, "verify": not conf.glance_api_insecure}
    return list(found.values())


def digest(meta: dict[str, Any]) -> dict[str, str] | None:
    algorithm, value = (meta.get(name) or (meta.get("properties") or {}).get(name) for name in ("os_hash_algo", "os_hash_value"))
    return {"algorithm": algorithm, "value": value} if algorithm and value else None


def kind(meta: dict[str, Any]) -> str | None:
    """The plugin's name for the format of the image, or None where it does not read the format."""
    known = {("vhd", "ovf"): "vhd tarball", ("vhd", "bare"): "vhd", ("raw", "bare"): "raw"}
    return known.get((meta.get("disk_format") or "", meta.get("container_format") or ""))


def download(session: Session, context: Any, meta: dict[str, Any], sr: str, vdi: str, size: int) -> int:
    """Create the VDI from the image, grown to ``size`` bytes, and return its size."""
    given = {
        "image": {"id": meta["id"], "size": meta.get("size"), "digest": digest(meta)},
        "format": kind(meta),
        "sources": servers(context, f"{meta['id']}/file", "url"),
        "sr": sr,
        "vdi": vdi,
        "virtual_size": size,
    }
    return int(run(session, "download", given, sr, vdi)["virtual_size"])


def upload(session: Session, context: Any, meta: dict[str, Any], sr: str, vdi: str) -> None:
    """Upload the VDI and its parents as a tarball of VHDs."""
    given = {"vdi": vdi, "sr": sr, "targets": servers(context, meta["id"], "image"), "properties": {}, "compression": 1}
    run(session, "upload", given, sr, vdi)


def run(session: Session, function: str, given: dict[str, Any], sr: str, vdi: str) -> dict[str, Any]:
    with session.task(f"cinder_xenapinfs {function}") as task:
        try:
            return call(session, function, given | {"task": task})
        except PoolError as exc:
            # The plugin may still run: it must end before the VDI or its SR can be removed.
            if not (isinstance(exc, PoolFailure) and exc.code.startswith("IMAGESTORE_")):
                session.keep_trying(f"cancel the {function} of VDI {vdi}", lambda: cancel(session, sr, vdi))
            raise


def cancel(session: Session, sr: str, vdi: str) -> None:
    try:
        call(session, "cancel", {"sr": sr, "vdi": vdi})
    except PoolFailure as exc:
        LOG.info("Nothing to cancel: %s", exc.sentence)

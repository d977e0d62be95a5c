# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugin imagestore in the hosts' control domain, which fetches images and sends them by itself."""

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
# All arguments of a plugin travel as one of a command line.
MAX_AUTHORITIES = 64 * 1024


def call(session: Session, function: str, given: dict[str, Any]) -> dict[str, Any]:
    answer = session.call("host.call_plugin", session.host, PLUGIN, function, {"params": json.dumps(given)}, timeout=LONG)
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise PoolError(f"The plugin {PLUGIN} answers {function} with no JSON object.")
    for warning in found.get("warnings") or ():
        LOG.warning("The Dom0 plugin %s says of %s: %s", PLUGIN, function, warning)
    return found


def available(session: Session) -> bool:
    """Whether the host has the plugin, in a version that we know."""
    try:
        return call(session, "version", {}).get("api") == API
    except PoolUnreachable:
        raise
    except PoolError as exc:
        LOG.info("The Dom0 plugin %s is not used: %s", PLUGIN, exc.sentence)
        return False


def servers(context: Any, suffix: str, key: str) -> list[dict[str, Any]]:
    """Where Glance offers the image, each address once, and how it is verified."""
    conf = cfg.CONF
    authorities = None
    if conf.glance_ca_certificates_file:
        authorities = Path(conf.glance_ca_certificates_file).read_text(encoding="ascii")
        if len(authorities) > MAX_AUTHORITIES:
            LOG.warning("glance_ca_certificates_file is too large for the Dom0 plugin, which takes the authorities of the host instead.")
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
    """What the plugin calls the format of the image, if it takes it."""
    known = {("vhd", "ovf"): "vhd tarball", ("vhd", "bare"): "vhd", ("raw", "bare"): "raw"}
    return known.get((meta.get("disk_format") or "", meta.get("container_format") or ""))


def download(session: Session, context: Any, meta: dict[str, Any], sr: str, vdi: str, size: int) -> int:
    """Makes the VDI from the image, grown to so many bytes; the size that it has."""
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
    """Sends the VDI, with all that it hangs on, as a tarball of VHDs."""
    given = {"vdi": vdi, "sr": sr, "targets": servers(context, meta["id"], "image"), "properties": {}, "compression": 1}
    run(session, "upload", given, sr, vdi)


def run(session: Session, function: str, given: dict[str, Any], sr: str, vdi: str) -> dict[str, Any]:
    with session.task(f"cinder_xenapinfs {function}") as task:
        try:
            return call(session, function, given | {"task": task})
        except PoolError as exc:
            # Should it go on without us, it has to end before anything can be removed.
            if not (isinstance(exc, PoolFailure) and exc.code.startswith("IMAGESTORE_")):
                session.patiently(f"cancel the {function} of VDI {vdi}", lambda: cancel(session, sr, vdi))
            raise


def cancel(session: Session, sr: str, vdi: str) -> None:
    try:
        call(session, "cancel", {"sr": sr, "vdi": vdi})
    except PoolFailure as exc:
        LOG.info("Nothing to cancel: %s", exc.sentence)

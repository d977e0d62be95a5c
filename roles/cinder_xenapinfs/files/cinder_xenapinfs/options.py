# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a backend: names and defaults of the historic driver, and options for TLS and for the transport of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cinder import exception
from cinder.volume import configuration
from oslo_config import cfg

OPTIONS = [
    cfg.StrOpt("xenapi_connection_url", help="Address of the pool, as https://xen1.example.org. The address of a member of the pool leads to its coordinator."),
    cfg.StrOpt("xenapi_connection_username", default="root", help="User name on the pool."),
    cfg.StrOpt("xenapi_connection_password", secret=True, help="Password on the pool."),
    cfg.StrOpt(
        "xenapi_sr_base_path",
        default="/var/run/sr-mount",
        help="Path at which the hosts of the pool mount SRs. Accepted for configurations of the historic driver, and not used.",
    ),
    cfg.StrOpt("xenapi_nfs_server", help="NFS server, as the hosts of the pool reach it."),
    cfg.StrOpt("xenapi_nfs_serverpath", help="Path of the export on the NFS server. Each volume is a directory in it."),
    cfg.BoolOpt("xenapi_verify", default=True, help="Whether the certificate of the pool is verified."),
    cfg.StrOpt(
        "xenapi_ca_path", help="File with the certificate authorities that sign the certificates of the pool. The authorities of the system by default."
    ),
    cfg.ListOpt(
        "xenapi_fingerprint",
        default=[],
        help="SHA-256 fingerprints of the certificates of the hosts. If set, they are verified instead of the certificate authorities.",
    ),
    cfg.StrOpt(
        "xenapi_image_transport",
        default="auto",
        choices=["auto", "dom0", "http"],
        help="How images in VHD and raw format are transferred: dom0 lets the plugin imagestore of the host download and upload them, "
        "http streams them through this service, auto uses the plugin where the host has it.",
    ),
    cfg.StrOpt(
        "xenapi_connection_type",
        default="xensm",
        choices=["xensm", "nfs"],
        help="How a compute service connects a volume: by the SR and the VDI (xensm), or by a VHD file on the share (nfs).",
    ),
]

REQUIRED = ("xenapi_connection_url", "xenapi_connection_password", "xenapi_nfs_server", "xenapi_nfs_serverpath")


@dataclass(frozen=True)
class Settings:
    """The options of one backend, checked."""

    url: str
    username: str
    password: str
    server: str
    serverpath: str
    verify: bool
    ca_path: str | None
    fingerprints: tuple[str, ...]
    transport: str
    connection_type: str

    @property
    def device_config(self) -> dict[str, str]:
        return {"server": self.server, "serverpath": self.serverpath}


def normalized(fingerprint: str) -> str:
    return fingerprint.replace(":", "").replace(" ", "").lower()


def read(conf: Any) -> Settings:
    """Read and check the options in the section of this backend."""
    for name in REQUIRED:
        if not conf.safe_get(name):
            raise exception.InvalidConfigurationValue(message=f"Cannot set up the backend: {name} is missing. Set it in the section of the backend.")
    url = conf.xenapi_connection_url
    parts = urlsplit(url if "//" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        message = f"Cannot set up the backend: xenapi_connection_url is '{url}'. Set it to https://<host>, with a port where needed."
        raise exception.InvalidConfigurationValue(message=message)
    fingerprints = tuple(normalized(each) for each in conf.xenapi_fingerprint)
    if any(len(each) != 64 or set(each) - set("0123456789abcdef") for each in fingerprints):
        raise exception.InvalidConfigurationValue(
            message="Cannot set up the backend: a value of xenapi_fingerprint is not a SHA-256 fingerprint. Set 64 hexadecimal digits."
        )
    return Settings(
        url=f"{parts.scheme}://{parts.netloc}",
        username=conf.xenapi_connection_username,
        password=conf.xenapi_connection_password,
        server=conf.xenapi_nfs_server,
        serverpath=conf.xenapi_nfs_serverpath,
        verify=conf.xenapi_verify,
        ca_path=conf.xenapi_ca_path,
        fingerprints=fingerprints,
        transport=conf.xenapi_image_transport,
        connection_type=conf.xenapi_connection_type,
    )


def register() -> None:
    cfg.CONF.register_opts(OPTIONS, group=configuration.SHARED_CONF_GROUP)

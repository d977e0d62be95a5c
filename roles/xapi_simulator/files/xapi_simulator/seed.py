# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pool has before any client comes: hosts, networks, storage drivers, a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import repository
from .context import Context
from .errors import NULL
from .handlers import sr as repositories

if TYPE_CHECKING:
    from .pool import Pool

# The last before the HTTP handlers take qcow2, which these do not.
VERSION = "25.26.0"
GIB = 1 << 30
SOFTWARE = {"product_brand": "XAPI simulator", "product_version": "8.4.0", "platform_version": "3.4.0", "xapi_build": VERSION, "xapi": "25.26"}


def fill(pool: Pool) -> None:
    """Once, into an empty database."""
    if not pool.db.objects["pool"]:
        coordinator = add_host(pool, "simulated-host-1")
        pool.db.create("pool", name_label="", master=coordinator, default_SR=NULL, suspend_image_SR=NULL, crash_dump_SR=NULL)
        add_drivers(pool)
        add_template(pool)
        add_storage(pool, coordinator)


def add_host(pool: Pool, name: str) -> str:
    db = pool.db
    host = db.create(
        "host",
        name_label=name,
        hostname=name,
        enabled=True,
        API_version_major=2,
        API_version_minor=21,
        API_version_vendor="XenSource",
        software_version=SOFTWARE,
        capabilities=["xen-3.0-x86_64", "hvm-3.0-x86_64"],
        cpu_info={"cpu_count": "8", "socket_count": "1", "vendor": "simulated"},
    )
    domain = db.create(
        "VM",
        name_label=f"Control domain on host: {name}",
        is_control_domain=True,
        power_state="Running",
        resident_on=host,
        domid=0,
        domain_type="pv",
        VCPUs_max=4,
        VCPUs_at_startup=4,
        memory_static_max=4 * GIB,
    )
    db.set("host", host, control_domain=domain)
    networks = list(db.find("network", bridge="xenbr0"))
    network = networks[0] if networks else db.create("network", name_label="Pool-wide network associated with eth0", bridge="xenbr0")
    db.create("PIF", device="eth0", network=network, host=host, MAC="02:00:00:00:00:01", MTU=1500, VLAN=-1, physical=True, management=True)
    return host


def add_drivers(pool: Pool) -> None:
    for kind in repository.REQUIRED:
        pool.db.create(
            "SM",
            name_label=kind,
            type=kind,
            vendor="simulated",
            version="1.0",
            required_api_version="1.0",
            capabilities=["VDI_CREATE", "VDI_DELETE", "VDI_RESIZE", "VDI_SNAPSHOT", "VDI_CLONE", "SR_SCAN"] if kind != "iso" else ["SR_SCAN"],
            supported_image_formats=["vhd", "raw"] if kind != "iso" else [],
        )


def add_template(pool: Pool) -> None:
    pool.db.create(
        "VM",
        name_label="Other install media",
        name_description="Template which allows VM installation from install media",
        is_a_template=True,
        is_default_template=True,
        domain_type="hvm",
        HVM_boot_policy="BIOS order",
        HVM_boot_params={"order": "cdn"},
        VCPUs_max=1,
        VCPUs_at_startup=1,
        memory_static_min=GIB // 4,
        memory_dynamic_min=GIB,
        memory_dynamic_max=GIB,
        memory_static_max=GIB,
        platform={"nx": "true", "acpi": "1", "apic": "true", "pae": "true", "viridian": "true"},
        other_config={"install-methods": "cdrom"},
        domid=-1,
    )


def add_storage(pool: Pool, host: str) -> None:
    """The local SR of the first host, which is the default of the pool."""
    context = Context(pool, host=host)
    config = {"device": "/dev/disk/by-id/simulated-part3"}
    sr = repositories.create(context, host, config, 0, "Local storage", "", "ext", "user", False, None)
    (ref,) = pool.db.objects["pool"]
    pool.db.set("pool", ref, default_SR=sr, suspend_image_SR=sr, crash_dump_SR=sr)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""XenAPINFSDriver: the interface that Cinder calls, which delegates to the modules of this package."""

from __future__ import annotations

import time
from typing import Any

from cinder import exception, interface
from cinder.common import constants
from cinder.volume import driver
from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import units

from . import location, options
from .backups import Backups
from .errors import PoolError
from .images import Images
from .location import Location
from .repository import MARK, Repositories
from .session import Pool
from .volumes import DiskInUse, Volumes

LOG = logging.getLogger(__name__)
# Seconds for which a measured capacity of the share is reported.
CAPACITY_AGE = 300.0

options.register()


@interface.volumedriver
class XenAPINFSDriver(driver.VolumeDriver):
    """Volumes are disks of a Xen pool on an NFS share, which only the storage manager of the pool accesses.

    Version history:
        1.0.0 - In Cinder 2013.1 to 2014.1.
        2.0.0 - Out of tree, for Cinder 27 to 29.
    """

    VERSION = "2.0.0"
    CI_WIKI_NAME = "xenstack_image_services"
    SUPPORTED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(options.OPTIONS)
        self.capacity: tuple[int, int] | None = None
        self.capacity_until = 0.0

    @staticmethod
    def get_driver_options() -> list[Any]:
        return options.OPTIONS

    def do_setup(self, context: Any) -> None:
        self.settings = options.read(self.configuration)
        owner = str(self.host)
        self.pool = Pool(self.settings, f"{MARK} {owner}")
        self.repositories = Repositories(self.settings, owner)
        self.volumes = Volumes(self.pool, self.repositories)
        self.images = Images(self.volumes, self.settings)
        self.backups = Backups(self.volumes, owner)

    def check_for_setup_error(self) -> None:
        """Check that the pool answers, accepts the credentials and sees the share; remove leftovers of an earlier process."""
        try:
            with self.pool.session() as session:
                self.repositories.on_share(session)
                self.repositories.sweep(session)
        except PoolError as exc:
            share = f"{self.settings.server}:{self.settings.serverpath}"
            sentence = f"Cannot set up the backend '{self.host}' on {self.settings.url} with the share {share}: {exc.sentence}"
            raise exception.VolumeBackendAPIException(data=f"{sentence} Check the address, the certificate, the credentials and the export.") from exc

    def _name(self) -> str:
        return self.configuration.safe_get("volume_backend_name") or self.__class__.__name__

    def get_volume_stats(self, refresh: bool = False) -> dict[str, Any]:
        if refresh or not self._stats:
            self._update_volume_stats()
        return self._stats

    def _update_volume_stats(self) -> None:
        state = "up"
        try:
            if self.repositories.left:
                with self.pool.session() as session:
                    self.repositories.sweep(session)
            if self.capacity is None or time.monotonic() > self.capacity_until:
                self.capacity = self.volumes.capacity()
                self.capacity_until = time.monotonic() + CAPACITY_AGE
        except PoolError as exc:
            LOG.error("Cannot read the capacity of the backend '%s': %s", self.host, exc.sentence)
            state = "down"
        total, free = ("unknown", "unknown") if self.capacity is None else (round(each / units.Gi, 2) for each in self.capacity)
        self._stats = {
            "volume_backend_name": self._name(),
            "vendor_name": "xenstack.image_services",
            "driver_version": self.VERSION,
            "storage_protocol": constants.NFS if self.settings.connection_type == "nfs" else "xensm",
            "total_capacity_gb": total,
            "free_capacity_gb": free,
            "reserved_percentage": self.configuration.safe_get("reserved_percentage") or 0,
            "max_over_subscription_ratio": self.configuration.safe_get("max_over_subscription_ratio"),
            "thin_provisioning_support": True,
            "thick_provisioning_support": False,
            "QoS_support": False,
            "multiattach": False,
            "online_extend_support": False,
            "sparse_copy_volume": True,
            "location_info": f"{self.__class__.__name__}:{self.settings.url}:{self.settings.server}:{self.settings.serverpath}",
            "backend_state": state,
            "filter_function": self.get_filter_function(),
            "goodness_function": self.get_goodness_function(),
        }

    def _location(self, thing: Any) -> Location:
        try:
            return location.parse(thing["provider_location"])
        except ValueError as exc:
            raise PoolError(f"Cannot find the disk of '{thing['name']}': its provider_location {exc}.") from exc

    @staticmethod
    def _in_use(volume: Any) -> bool:
        return volume["attach_status"] not in (None, "detached", "deleted", "error_attaching")

    # Life of a volume

    def create_volume(self, volume: Any) -> dict[str, Any]:
        created = self.volumes.create(volume["name"], volume["display_description"] or "", volume["size"])
        return {"provider_location": str(created)}

    def delete_volume(self, volume: Any) -> None:
        if not volume["provider_location"]:
            LOG.warning("Volume %s was never created on the share, so there is nothing to delete.", volume["id"])
            return
        try:
            self.volumes.delete(self._location(volume))
        except DiskInUse as exc:
            raise exception.VolumeIsBusy(volume_name=volume["name"]) from exc

    def extend_volume(self, volume: Any, new_size: int) -> None:
        self.volumes.extend(self._location(volume), int(new_size))

    def create_cloned_volume(self, volume: Any, src_vref: Any) -> dict[str, Any]:
        created = self.volumes.duplicate(self._location(src_vref), volume["name"], volume["size"], in_use=self._in_use(src_vref))
        return {"provider_location": str(created)}

    def create_snapshot(self, snapshot: Any) -> dict[str, Any]:
        source = snapshot["volume"]
        created = self.volumes.duplicate(self._location(source), snapshot["name"], snapshot["volume_size"], in_use=self._in_use(source))
        return {"provider_location": str(created)}

    def delete_snapshot(self, snapshot: Any) -> None:
        if not snapshot["provider_location"]:
            LOG.warning("Snapshot %s was never created on the share, so there is nothing to delete.", snapshot["id"])
            return
        try:
            self.volumes.delete(self._location(snapshot))
        except DiskInUse as exc:
            raise exception.SnapshotIsBusy(snapshot_name=snapshot["name"]) from exc

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> dict[str, Any]:
        created = self.volumes.duplicate(self._location(snapshot), volume["name"], volume["size"])
        return {"provider_location": str(created)}

    def retype(self, context: Any, volume: Any, new_type: Any, diff: dict[str, Any], host: dict[str, Any]) -> tuple[bool, dict[str, Any] | None]:
        """Accept a new type on the same backend without encryption: nothing on the share depends on the type."""
        return volume["host"] == host["host"] and not (diff or {}).get("encryption"), None

    # Images

    def clone_image(self, context: Any, volume: Any, image_location: Any, image_meta: dict[str, Any], image_service: Any) -> tuple[dict[str, Any] | None, bool]:
        # Cinder verifies a signature only while the image passes through this service.
        signed = cfg.CONF.verify_glance_signatures != "disabled" and "img_signature" in (image_meta.get("properties") or {})
        cached = bool(self.configuration.safe_get("image_volume_cache_enabled"))
        created = None if signed else self.images.clone(context, volume, image_meta, image_service, cached)
        return ({"provider_location": str(created)}, True) if created else (None, False)

    def copy_image_to_volume(self, context: Any, volume: Any, image_service: Any, image_id: str, disable_sparse: bool = False) -> None:
        self.images.fetch(context, volume, self._location(volume), image_service, image_id, disable_sparse)

    def copy_volume_to_image(self, context: Any, volume: Any, image_service: Any, image_meta: dict[str, Any]) -> None:
        self.images.upload(context, volume, self._location(volume), image_service, image_meta)

    # Disks that are on the share already

    def _existing(self, reference: dict[str, str]) -> Location:
        try:
            return location.parse(reference.get("source-name"))
        except ValueError as exc:
            reason = f"source-name {exc}"
            raise exception.ManageExistingInvalidReference(existing_ref=reference, reason=reason) from exc

    def manage_existing(self, volume: Any, existing_ref: dict[str, str]) -> dict[str, Any]:
        found = self._existing(existing_ref)
        self.volumes.extend(found, volume["size"])
        return {"provider_location": str(found)}

    def manage_existing_get_size(self, volume: Any, existing_ref: dict[str, str]) -> int:
        found = self._existing(existing_ref)
        try:
            return -(-self.volumes.size(found) // units.Gi)
        except PoolError as exc:
            raise exception.ManageExistingInvalidReference(existing_ref=existing_ref, reason=exc.sentence) from exc

    def unmanage(self, volume: Any) -> None:
        """The disk stays as it is."""

    def manage_existing_snapshot(self, snapshot: Any, existing_ref: dict[str, str]) -> dict[str, Any]:
        return {"provider_location": str(self._existing(existing_ref))}

    def manage_existing_snapshot_get_size(self, snapshot: Any, existing_ref: dict[str, str]) -> int:
        return self.manage_existing_get_size(snapshot, existing_ref)

    def unmanage_snapshot(self, snapshot: Any) -> None:
        """The disk stays as it is."""

    # Connections

    def initialize_connection(self, volume: Any, connector: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        where = self._location(volume)
        if self.backups.handles(volume):
            return self.backups.begin(volume, where)
        if self.settings.connection_type == "nfs":
            export = f"{self.settings.server}:{self.settings.serverpath}"
            return {"driver_volume_type": "nfs", "data": {"export": export, "name": f"{where}.vhd", "format": "vpc", "options": None}}
        described = {"name_label": volume["display_name"] or volume["name"], "name_description": volume["display_description"] or ""}
        connected = described | {"sr_uuid": where.sr, "vdi_uuid": where.vdi, "sr_type": "nfs"} | self.settings.device_config
        return {"driver_volume_type": "xensm", "data": connected | {"introduce_sr_keys": ["sr_type", "server", "serverpath"]}}

    def terminate_connection(self, volume: Any, connector: dict[str, Any] | None, **kwargs: Any) -> None:
        """Only cinder-backup needs an action here; other consumers detach the disk themselves."""
        if self.backups.handles(volume):
            self.backups.end(volume, self._location(volume))

    def ensure_export(self, context: Any, volume: Any) -> None:
        """The share is exported by its server."""

    def create_export(self, context: Any, volume: Any, connector: dict[str, Any]) -> None:
        """The share is exported by its server."""

    def remove_export(self, context: Any, volume: Any) -> None:
        """The share is exported by its server."""

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One declared image, from a module's options to its result: look, plan once, and apply unless only asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .._common.errors import cannot
from .._image.formats import guess, mismatch, sniff
from .._image.source import FileSource, HttpSource, Source
from .._plan.image import Plan, plan, predicted
from .._plan.image_content import algorithms_to_compare, has_data, same_content
from .._plan.image_desired import (
    Desired,
    Record,
    SourceFacts,
    check_properties,
    import_fingerprint,
    parse_checksum,
)
from .._plan.image_select import (
    UUID,
    Selection,
    foreign,
    name_filter,
    refuse_foreign,
    select,
)
from .connection import Cloud
from .filling import Filling
from .http import explaining
from .image_apply import ImageApplier, Outcome
from .present import present_image

# Option -> attribute of Glance's image schema.
ATTRIBUTE_OPTIONS = {"is_protected": "protected", "hidden": "os_hidden", "min_disk": "min_disk", "min_ram": "min_ram", "visibility": "visibility"}
SERVICE_SIDE_METHODS = ("web-download", "glance-download")


class ImageJob:
    """The work of the module glance_image."""

    def __init__(self, params: Mapping[str, Any], connect: Callable[[Mapping[str, Any]], Cloud], log: Callable[[str], None]) -> None:
        self._params = params
        self._connect = connect
        self._log = log
        self._label = str(params["name"] or params["id"])
        self._warnings: list[str] = []

    def run(self, check_mode: bool) -> dict[str, Any]:
        started = time.monotonic()
        source, facts = self._source()
        check_properties(self._label, self._params["properties"])
        cloud = self._connect(self._params)
        with explaining("read", "image", self._label):
            desired = self._desired(cloud, facts)
            selection = self._selection(cloud, desired)
            current = selection.current
            if current is not None and current["id"] == desired.name:
                # The name was an id, so the task says nothing of the name.
                desired = replace(desired, name=None)
            desired, same = self._compared(desired, current, source)
            made = plan(desired, selection, same, self._members(cloud, desired, current, same), self._own_status(cloud, desired, current))
            filling = self._filling(cloud, desired, made, source)
        if check_mode or not made.changed:
            image = predicted(made, current)
            outcome = Outcome(image)
        else:
            outcome = ImageApplier(cloud.glance, self._label, desired.replaced, filling).apply(made, current)
        return self._result(made, outcome, time.monotonic() - started)

    # Declared

    def _source(self) -> tuple[Source | None, SourceFacts | None]:
        """Open and look at what the task names; a bad file ends the task before the cloud is asked anything."""
        params = self._params
        checksum = parse_checksum(params["checksum"]) if params["checksum"] else None
        if params["state"] == "absent":
            return None, None
        method = params["import_method"]
        if method in SERVICE_SIDE_METHODS:
            label = params["uri"] or f"{params['remote_region']}/{params['remote_image_id']}"
            return None, SourceFacts("import", label, fingerprint=import_fingerprint(method, label), checksum=checksum)
        if params["filename"]:
            source: Source = FileSource(params["filename"])
        elif params["uri"]:
            source = HttpSource(params["uri"])
        else:
            return None, None
        found = sniff(source.head(), source.tail())
        self._refuse_format(params["disk_format"] or guess(found), params["container_format"] or "bare", found, source.label)
        self._refuse_checksum(source, checksum)
        kind = "file" if params["filename"] else "http"
        return source, SourceFacts(kind, source.label, source.size, fingerprint=source.fingerprint, detected_format=guess(found), checksum=checksum)

    def _refuse_format(self, disk_format: str, container_format: str, found: str | None, label: str) -> None:
        cause = mismatch(disk_format, container_format, found)
        if cause is not None:
            advice = f"Declare the format that '{label}' has, or convert it first"
            raise cannot("upload", "image", self._label, cause, advice, code="format_mismatch", details={"found": found})

    def _refuse_checksum(self, source: Source, checksum: tuple[str, str] | None) -> None:
        if checksum is None or not isinstance(source, FileSource):
            return
        algorithm, declared = checksum
        found = source.digests([algorithm])[algorithm]
        if found != declared:
            cause = f"the {algorithm} digest of '{source.label}' is {found}, and checksum declares {declared}"
            raise cannot("upload", "image", self._label, cause, "Get the file again, or correct checksum", code="checksum_mismatch")

    def _desired(self, cloud: Cloud, facts: SourceFacts | None) -> Desired:
        params = self._params
        attributes = {attribute: params[option] for option, attribute in ATTRIBUTE_OPTIONS.items() if params[option] is not None}
        if params["is_public"] is not None:
            attributes["visibility"] = "public" if params["is_public"] else "private"
        if params["owner"] is not None:
            attributes["owner"] = cloud.identity.project_id(params["owner"], params["owner_domain"])
        members = params["members"]
        return Desired(
            label=self._label,
            name=params["name"],
            state=params["state"],
            image_id=params["id"],
            attributes=attributes,
            properties=self._properties(cloud),
            properties_mode=params["properties_mode"],
            tags=None if params["tags"] is None else tuple(params["tags"]),
            members=None if members is None else frozenset(cloud.identity.project_id(member, params["owner_domain"]) for member in members),
            member_status=params["member_status"],
            disk_format=params["disk_format"],
            container_format=params["container_format"],
            stores=None if params["stores"] is None else tuple(params["stores"]),
            replaced=params["replaced"],
            source=facts,
        )

    def _properties(self, cloud: Cloud) -> dict[str, Any] | None:
        """Declared properties, with kernel and ramdisk under the names that hypervisors read."""
        properties = self._params["properties"]
        for option in ("kernel", "ramdisk"):
            if self._params[option]:
                properties = {**(properties or {}), f"{option}_id": self._image_id(cloud, self._params[option])}
        return properties

    def _image_id(self, cloud: Cloud, name_or_id: str) -> str:
        if UUID.fullmatch(name_or_id):
            return name_or_id
        found = sorted(image["id"] for image in cloud.glance.images([("name", name_filter(name_or_id))]))
        if len(found) != 1:
            cause = f"images of this name: {', '.join(found)}" if found else "there is no image of this name"
            raise cannot("find", "image", name_or_id, cause, "Give the id", code="duplicate" if found else "not_found")
        return str(found[0])

    # Present

    def _selection(self, cloud: Cloud, desired: Desired) -> Selection:
        glance = cloud.glance
        if desired.image_id is not None:
            return Selection(glance.image(desired.image_id))
        name = str(desired.name)
        records = [record for hidden in ("false", "true") for record in glance.images([("name", name_filter(name)), ("os_hidden", hidden)])]
        owner_id = desired.attributes.get("owner")
        selection = select(name, records, glance.project_id, owner_id)
        if selection.current is not None:
            return selection
        if UUID.fullmatch(name):
            return Selection(glance.image(name), selection.incoming)
        other = foreign(name, records, glance.project_id, owner_id)
        if other is not None and desired.state != "absent":
            raise refuse_foreign("keep", name, other)
        return selection

    def _compared(self, desired: Desired, current: Record | None, source: Source | None) -> tuple[Desired, bool | None]:
        """Whether the present content is the declared one; the source is read only where cheaper facts leave it open."""
        facts = desired.source
        if facts is None or current is None:
            return desired, None
        if not has_data(current):
            if source is not None and desired.disk_format is None and current.get("disk_format"):
                found = sniff(source.head(), source.tail())
                self._refuse_format(current["disk_format"], str(current.get("container_format") or "bare"), found, source.label)
            return desired, None
        same = same_content(current, facts)
        if same is None and source is not None:
            digests = source.digests(algorithms_to_compare(current))
            facts = replace(facts, digests=digests)
            same = same_content(current, facts)
        return replace(desired, source=facts), bool(same)

    def _members(self, cloud: Cloud, desired: Desired, current: Record | None, same: bool | None) -> dict[str, str]:
        """Members matter where they are declared, and where new content has to keep them."""
        if current is None or desired.state == "absent" or (desired.members is None and same is not False):
            return {}
        if current.get("visibility") != "shared":
            return {}
        return cloud.glance.members(current["id"])

    def _own_status(self, cloud: Cloud, desired: Desired, current: Record | None) -> str | None:
        if desired.member_status is None or current is None or cloud.glance.project_id is None:
            return None
        return cloud.glance.member(current["id"], cloud.glance.project_id)

    # The way of the content

    def _filling(self, cloud: Cloud, desired: Desired, made: Plan, source: Source | None) -> Filling:
        params = self._params
        stores = self._stores(cloud, desired, made) if made.upload else None
        method = self._import_method(stores, source) if made.upload else None
        if method is not None:
            self._check_import(cloud, method["name"])
            if made.replaces is not None and not params["wait"]:
                raise cannot(
                    "replace", "image", self._label, "wait is false, and the old image stays until the new one is verified", "Set wait: true", code="no_wait"
                )
        progress = ProgressLog(self._log, self._label)
        return Filling(cloud.glance, desired.source, source, method, stores, float(params["timeout"]), params["wait"], progress)

    def _stores(self, cloud: Cloud, desired: Desired, made: Plan) -> tuple[str, ...] | None:
        """Declared stores must exist and take data; undeclared, new content goes where the old one is."""
        before = tuple(store for store in str((made.replaces or {}).get("stores", "")).split(",") if store)
        wanted = desired.stores if desired.stores is not None else before
        if not wanted:
            return None
        offered = cloud.glance.stores()
        writable = {store["id"] for store in offered or () if str(store.get("read-only", "false")).lower() != "true"}
        unknown = [store for store in wanted if store not in writable]
        if unknown and desired.stores is None:
            return None
        if unknown:
            has = f"the service offers {', '.join(sorted(writable))}" if offered is not None else "the service does not offer several stores"
            raise cannot("upload", "image", self._label, f"store '{unknown[0]}' takes no data here: {has}", "Correct stores", code="unknown_store")
        return tuple(dict.fromkeys(wanted))

    def _import_method(self, stores: tuple[str, ...] | None, source: Source | None) -> dict[str, Any] | None:
        params = self._params
        if params["import_method"] == "web-download":
            return {"name": "web-download", "uri": params["uri"]}
        if params["import_method"] == "glance-download":
            method = {"name": "glance-download", "glance_region": params["remote_region"], "glance_image_id": params["remote_image_id"]}
            service = params["remote_service_interface"]
            return {**method, "glance_service_interface": service} if service else method
        several = stores is not None and len(stores) > 1
        return {"name": "glance-direct"} if source is not None and (several or params["use_import"] or params["import_method"]) else None

    def _check_import(self, cloud: Cloud, method: str) -> None:
        offered = cloud.glance.import_methods()
        if method not in offered:
            has = ", ".join(offered) if offered else "none"
            advice = "Have it added to enabled_import_methods, or leave import_method out and name one store"
            raise cannot("import", "image", self._label, f"the service has switched on import methods {has}, not '{method}'", advice, code="import_method")

    # Result

    def _result(self, made: Plan, outcome: Outcome, elapsed: float) -> dict[str, Any]:
        placed = [store for store in str((outcome.image or {}).get("stores", "")).split(",") if store]
        missing = [store for store in self._params["stores"] or () if store not in placed]
        if missing and not made.upload and self._params["state"] != "absent" and has_data(outcome.image):
            self._warnings.append(f"Image '{self._label}' is not in {', '.join(missing)}: stores is applied when content is uploaded.")
        return {
            "changed": made.changed,
            "image": present_image(outcome.image) if outcome.image is not None else None,
            "diff": {"before": dict(made.before), "after": dict(made.after)},
            "stores": [dict(store) for store in outcome.stores],
            "replaced_image_id": made.replaces["id"] if made.replaces is not None else None,
            "bytes_transferred": outcome.bytes_transferred,
            "elapsed": round(elapsed, 3),
            "warnings": [*self._warnings, *outcome.warnings],
        }


class ProgressLog:
    """A line in the system log at every tenth of a transfer of known length, every GiB of others."""

    def __init__(self, log: Callable[[str], None], label: str) -> None:
        self._log = log
        self._label = label
        self._next = 0.0

    def __call__(self, sent: int, size: int | None) -> None:
        step = size / 10 if size else float(1 << 30)
        if sent < self._next:
            # A transfer that starts anew counts anew.
            self._next = min(self._next, (sent // step + 1) * step)
            return
        self._next = (sent // step + 1) * step
        self._log(f"image '{self._label}': {sent} of {size if size is not None else 'unknown'} bytes sent")

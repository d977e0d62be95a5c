# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One declared image, from a module's options to its result: look, plan once, and apply unless only asked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._content.body import Progress
from .._content.disk_image_source import DiskImageSource
from .._content.source import Source
from .._core.errors import cannot
from .._glance.connection import Cloud
from .._glance.http import glance_errors
from .._glance.properties import Record, check_properties
from .._glance.relation import Relation, declared, no_filter, relation_of
from .._glance.results import present_image, present_related
from .._glance.store_usage import stores_of
from .apply import ImageApplier, Outcome
from .content import algorithms_to_compare, has_data, recorded_digest, same_content
from .content_upload import ContentUpload
from .desired import DesiredImage, SourceFacts
from .lookup import ImageLookup
from .options import refuse_content_of_reserved
from .placement_apply import Placer
from .placement_plan import LOCK, offer, refuse_image, refuse_service, refuse_store
from .plan import ImagePlan, left_to_glance, mislabelled, plan, predicted
from .selection import UUID, Selection, created_for_others, in_the_way, of_other_projects, only_one, select
from .source import file_name, look_at, open_source, refuse_format, refuse_unknown

# Option -> attribute of Glance's image schema.
ATTRIBUTE_OPTIONS = {"is_protected": "protected", "hidden": "os_hidden", "min_disk": "min_disk", "min_ram": "min_ram", "visibility": "visibility"}


class ImageJob:
    """The work of the module glance_image, and of glance_images for each item: open, prepare, finish."""

    def __init__(self, params: Mapping[str, Any], progress: Progress | None = None, made: tuple[DiskImageSource, SourceFacts] | None = None) -> None:
        """``made`` is content that no option names, because it is made while it is sent."""
        self._params = params
        self._made = made
        self._progress = progress
        self.label = str(params["name"] or params["id"])
        self._current: Record | None = None
        self._started = time.monotonic()

    def open(self) -> None:
        """Look at what the task names; bad input ends the task here, before the cloud is asked anything."""
        refuse_content_of_reserved(self.label, self._params)
        self._source, self._facts = self._made or open_source(self.label, self._params)
        check_properties(self.label, self._params["properties"])
        self._relation = declared(self.label, self._params)

    def prepare(self, cloud: Cloud, finder: ImageLookup) -> ImagePlan:
        """Compare with what is there, and plan; nothing is changed."""
        self._cloud = cloud
        with glance_errors("read", "image", self.label):
            desired = self._desired(cloud, finder, self._facts)
            selection = self._selection(cloud, finder, desired)
            current = selection.current
            if current is not None and current["id"] == desired.name:
                # The name was an id, so the task says nothing of the name.
                desired = replace(desired, name=None)
            desired, same = self._compared(desired, current)
            relation = self._present_relation(cloud, desired, current, same)
            made = plan(desired, selection, same, self._members(cloud, desired, current, same), self._own_status(cloud, desired, current), relation)
            self._refuse_unknown(desired, current, made)
            if not self._params["wait"] and current is not None and current.get(LOCK):
                made = left_to_glance(made)
            self._filling = self._fill_by(cloud, desired, made)
            self._check_placement(cloud, desired, current, made)
        self._desired_image, self._current, self.plan = desired, current, made
        return made

    def finish(self, check_mode: bool) -> dict[str, Any]:
        """Carry out the plan, unless it is empty or only asked for; the module's result."""
        if check_mode or not self.plan.changed:
            outcome = Outcome(predicted(self.plan, self._current))
            if outcome.image is not None:
                outcome.image = {**outcome.image, **(self._relation or {})}
        else:
            glance, params = self._cloud.glance, self._params
            placer = Placer(glance, float(params["timeout"]), params["wait"])
            outcome = ImageApplier(glance, self._desired_image, self._filling, placer).apply(self.plan, self._current)
        return self._result(self.plan, outcome, time.monotonic() - self._started)

    def touches(self) -> list[str]:
        """Ids of the images that the plan is about."""
        return [str(self._current["id"])] if self._current is not None else []

    # Declared

    def _desired(self, cloud: Cloud, finder: ImageLookup, facts: SourceFacts | None) -> DesiredImage:
        params = self._params
        attributes = {attribute: params[option] for option, attribute in ATTRIBUTE_OPTIONS.items() if params[option] is not None}
        if params["is_public"] is not None:
            attributes["visibility"] = "public" if params["is_public"] else "private"
        if params["owner"] is not None:
            attributes["owner"] = cloud.identity.project_id(params["owner"], params["owner_domain"])
        members = params["members"]
        return DesiredImage(
            label=self.label,
            name=params["name"],
            state=params["state"],
            image_id=params["id"],
            attributes=attributes,
            properties=self._properties(finder),
            properties_mode=params["properties_mode"],
            tags=None if params["tags"] is None else tuple(params["tags"]),
            members=None if members is None else frozenset(cloud.identity.project_id(member, params["owner_domain"]) for member in members),
            member_status=params["member_status"],
            disk_format=params["disk_format"],
            container_format=params["container_format"],
            stores=None if params["stores"] is None else tuple(params["stores"]),
            stores_mode=params["stores_mode"],
            on_replace=params["on_replace"],
            source=facts,
            relation=self._relation,
        )

    def _properties(self, finder: ImageLookup) -> dict[str, Any] | None:
        """Declared properties, with kernel and ramdisk under the names that hypervisors read."""
        properties = self._params["properties"]
        for option in ("kernel", "ramdisk"):
            if self._params[option]:
                properties = {**(properties or {}), f"{option}_id": self._image_id(finder, self._params[option])}
        return properties

    def _image_id(self, finder: ImageLookup, name_or_id: str) -> str:
        if UUID.fullmatch(name_or_id):
            return name_or_id
        found = sorted(image["id"] for image in finder.named(name_or_id) if not image.get("os_hidden"))
        if len(found) != 1:
            cause = f"images of this name: {', '.join(found)}" if found else "there is no image of this name"
            raise cannot("find", "image", name_or_id, cause, "Give the id", code="duplicate" if found else "not_found")
        return str(found[0])

    # Present

    def _selection(self, cloud: Cloud, finder: ImageLookup, desired: DesiredImage) -> Selection:
        glance = cloud.glance
        if desired.image_id is not None:
            return Selection(finder.image(desired.image_id))
        name = str(desired.name)
        records = finder.named(name, everyone=glance.administrator)
        owner_id = desired.attributes.get("owner")
        selection = select(name, records, glance.project_id, owner_id)
        if selection.current is not None:
            return selection
        if UUID.fullmatch(name):
            return Selection(finder.image(name), selection.incoming)
        absent, creates = desired.state == "absent", desired.source is not None or desired.state == "reserved"
        others = of_other_projects(name, records, glance.project_id, owner_id)
        given_away = created_for_others(others, glance.project_id) if absent and glance.administrator else []
        if given_away:
            return Selection(only_one(name, given_away), selection.incoming)
        obstacles = in_the_way(others, absent, creates, glance.administrator)
        if obstacles:
            raise self._refuse_obstacles(cloud, obstacles)
        return selection

    def _refuse_obstacles(self, cloud: Cloud, obstacles: Sequence[Record]) -> Exception:
        """What to write for each of the images that the task may have meant."""
        first = obstacles[0]
        mine, owner = cloud.identity.name_or_id(str(cloud.glance.project_id)), cloud.identity.name_or_id(str(first.get("owner")))
        more = f", and {len(obstacles) - 1} more have one" if len(obstacles) > 1 else ""
        found = f"a {first.get('visibility')} image of this name ({first['id']})"
        cause = f"project '{owner}' has {found}{more}, and project '{mine}', which the task runs as, has none"
        advice = f"Give owner: {owner} or the id for that image, or owner: {mine} for an image of the own project"
        verb = "delete" if self._params["state"] == "absent" else "keep"
        return cannot(verb, "image", self.label, cause, advice, code="foreign_image", details={"ids": [image["id"] for image in obstacles]})

    def _compared(self, desired: DesiredImage, current: Record | None) -> tuple[DesiredImage, bool | None]:
        """Whether the present content is the declared one; the source is read only where cheaper facts leave it open."""
        facts = desired.source
        if facts is None:
            return desired, None
        if self._source is not None and not facts.seen and not self._known_to_be_there(desired, current):
            self._source, facts = look_at(self.label, self._source, facts, self._params)
            desired = replace(desired, source=facts)
        if current is None:
            return desired, None
        source = self._source
        if not has_data(current):
            if source is not None and desired.disk_format is None and current.get("disk_format"):
                refuse_format(self.label, source, current["disk_format"], current.get("container_format"))
            return desired, None
        same = same_content(current, facts)
        if same is None and isinstance(source, DiskImageSource):
            source.read()
            facts = replace(facts, fingerprint=source.fingerprint)
            same = same_content(current, facts)
        elif same is None and source is not None:
            # What is on record is the digest of the bytes as they lie there, what Glance keeps that of what they hold.
            compared = source.origin if recorded_digest(current) is not None else source
            digests = compared.digests(algorithms_to_compare(current))
            facts = replace(facts, digests=digests)
            same = same_content(current, facts)
        return replace(desired, source=facts), bool(same)

    def _known_to_be_there(self, desired: DesiredImage, current: Record | None) -> bool:
        """Whether the checksum alone tells that nothing of the source will be needed, not even a request for it."""
        if current is None or desired.source is None or not has_data(current):
            return False
        return bool(same_content(current, desired.source)) and not mislabelled(desired, current)

    def _refuse_unknown(self, desired: DesiredImage, current: Record | None, made: ImagePlan) -> None:
        """Content that does not show what it is needs a format that is declared, now or when the image was made."""
        facts = desired.source
        if not made.upload or self._source is None or facts is None or desired.disk_format is not None or facts.detected_format is not None:
            return
        refuse_unknown(self.label, self._source, (current or {}).get("disk_format"), file_name(self._params))

    def _members(self, cloud: Cloud, desired: DesiredImage, current: Record | None, same: bool | None) -> dict[str, str]:
        """Members matter where they are declared, and where new content has to keep them."""
        if current is None or desired.state == "absent" or (desired.members is None and same is not False):
            return {}
        if current.get("visibility") != "shared":
            return {}
        return cloud.glance.members(current["id"])

    def _present_relation(self, cloud: Cloud, desired: DesiredImage, current: Record | None, same: bool | None) -> Relation:
        """The instance matters where one is declared, and where new content has to keep it."""
        if desired.state == "absent":
            return {}
        if desired.relation is not None and not cloud.glance.instance_aware():
            raise no_filter(f"relate image '{self.label}'")
        replaced = same is False or (same is not None and current is not None and bool(mislabelled(desired, current)))
        if current is None or (desired.relation is None and not replaced):
            return {}
        return relation_of(cloud.glance.image(current["id"], related=True) or {})

    def _own_status(self, cloud: Cloud, desired: DesiredImage, current: Record | None) -> str | None:
        if desired.member_status is None or current is None or cloud.glance.project_id is None:
            return None
        return cloud.glance.member(current["id"], cloud.glance.project_id)

    # The way of the content

    def _fill_by(self, cloud: Cloud, desired: DesiredImage, made: ImagePlan) -> ContentUpload:
        params, source = self._params, self._source
        stores = self._stores(cloud, desired, made) if made.upload else None
        method = self._import_method(stores, source) if made.upload else None
        if method is not None:
            self._check_import(cloud, method["name"])
            if made.replaces is not None and not params["wait"]:
                raise cannot(
                    "replace", "image", self.label, "wait is false, and the old image stays until the new one is verified", "Set wait: true", code="no_wait"
                )
        return ContentUpload(
            cloud.glance, desired.source, source, method, stores, float(params["timeout"]), params["wait"], self._progress, desired.disk_format
        )

    def _stores(self, cloud: Cloud, desired: DesiredImage, made: ImagePlan) -> tuple[str, ...] | None:
        """Declared stores must exist and take data; undeclared, new content goes where the old one is."""
        wanted = desired.stores if desired.stores is not None else tuple(stores_of(made.replaces or {}))
        if not wanted:
            return None
        offered = offer(cloud.glance.stores())
        unknown = [store for store in wanted if offered is None or store not in offered.writable]
        if unknown and desired.stores is None:
            return None
        if unknown:
            raise refuse_store("upload", "image", self.label, unknown[0], offered)
        return tuple(dict.fromkeys(wanted))

    def _check_placement(self, cloud: Cloud, desired: DesiredImage, current: Record | None, made: ImagePlan) -> None:
        """Ask the service only where an image has to move."""
        placing = made.placement
        if not placing or current is None:
            return
        methods = cloud.glance.import_methods() if placing.copy else []
        offered = refuse_service("place", "image", self.label, offer(cloud.glance.stores()), methods, placing.copy, bool(placing.copy))
        refuse_image(self.label, current, placing, desired.stores or (), offered)

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
            raise cannot("import", "image", self.label, f"the service has switched on import methods {has}, not '{method}'", advice, code="import_method")

    # Result

    def _result(self, made: ImagePlan, outcome: Outcome, elapsed: float) -> dict[str, Any]:
        return {
            "changed": made.changed,
            "image": self._shown(outcome.image) if outcome.image is not None else None,
            "diff": {"before": dict(made.before), "after": dict(made.after)},
            "stores": [dict(store) for store in outcome.stores],
            "replaced_image_id": made.replaces["id"] if made.replaces is not None else None,
            "bytes_transferred": outcome.bytes_transferred,
            "elapsed": round(elapsed, 3),
            "warnings": list(outcome.warnings),
        }

    def _shown(self, image: Record) -> dict[str, Any]:
        return present_image(image) if self._relation is None else present_related(image)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""One declared image, from a module's options to its result: look, plan once, and apply unless only asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from .._content.body import Progress
from .._content.disk_image_source import DiskImageSource
from .._content.source import Source
from .._core.errors import cannot
from .._core.progress import ProgressLog, ProgressSink
from .._core.runner import Job, Params
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
from .lookup import ImageLookup, LiveImageLookup
from .options import refuse_content_of_reserved
from .placement_apply import Placer
from .placement_plan import LOCK, named_stores, offer, refuse_image, refuse_service, refuse_store
from .plan import ImagePlan, left_to_glance, mislabelled, plan, predicted
from .selection import UUID, Selection, created_for_others, in_the_way, of_other_projects, only_one, select
from .source import file_name, look_at, open_source, refuse_format, refuse_unknown

# Option -> attribute of Glance's image schema.
ATTRIBUTE_OPTIONS = {"is_protected": "protected", "hidden": "os_hidden", "min_disk": "min_disk", "min_ram": "min_ram", "visibility": "visibility"}


class ImageContent(NamedTuple):
    """What the options name, looked at before the cloud is asked anything."""

    source: Source | None
    facts: SourceFacts | None
    relation: Relation | None


class Comparison(NamedTuple):
    """The declared content beside that of the image: the source with all that was found out about it; ``same`` is None where there is nothing to compare."""

    desired: DesiredImage
    source: Source | None
    same: bool | None


class Seen(NamedTuple):
    """All that the plan is computed from."""

    cloud: Cloud
    desired: DesiredImage
    selection: Selection
    source: Source | None
    same: bool | None
    members: Mapping[str, str]
    own_status: str | None
    relation: Relation

    @property
    def current(self) -> Record | None:
        return self.selection.current


class CheckedPlan(NamedTuple):
    """A plan that the service was asked about, and how the content gets into the image."""

    image: ImagePlan
    upload: ContentUpload

    @property
    def changed(self) -> bool:
        return self.image.changed


class ImageJob(Job[Seen, CheckedPlan, Outcome]):
    """The work of the module glance_image, and of glance_images for each item."""

    def __init__(
        self,
        params: Params,
        progress: Progress | None = None,
        encoded: tuple[DiskImageSource, SourceFacts] | None = None,
        connect: Callable[[Params], Cloud] = Cloud,
    ) -> None:
        """``encoded`` is content that no option names, because it is encoded while it is sent."""
        super().__init__(params)
        self._encoded = encoded
        self._progress = progress
        self._connect = connect
        self.label = str(params["name"] or params["id"])
        self._started = time.monotonic()

    @classmethod
    def of(cls, module: AnsibleModule) -> ImageJob:
        params = module.params
        return cls(params, ProgressLog(ProgressSink(module.log), str(params["name"] or params["id"])))

    def look(self) -> Seen:
        content = self.open()
        cloud = self._connect(self.params)
        return self.compare(content, cloud, LiveImageLookup(cloud.glance))

    def open(self) -> ImageContent:
        """Look at what the task names; bad input ends the task here."""
        params = self.params
        refuse_content_of_reserved(self.label, params)
        source, facts = self._encoded or open_source(self.label, params)
        check_properties(self.label, params["properties"])
        return ImageContent(source, facts, declared(self.label, params))

    def compare(self, content: ImageContent, cloud: Cloud, finder: ImageLookup) -> Seen:
        """Find the image, and compare its content with the declared one."""
        with glance_errors("read", "image", self.label):
            desired = self._desired(cloud, finder, content)
            selection = self._selection(cloud, finder, desired)
            current = selection.current
            if current is not None and current["id"] == desired.name:
                # The name was an id, so the task says nothing of the name.
                desired = replace(desired, name=None)
            compared = self._compare(desired, content.source, current)
            desired, same = compared.desired, compared.same
            relation = self._present_relation(cloud, desired, current, same)
            members, own_status = self._members(cloud, desired, current, same), self._own_status(cloud, desired, current)
            return Seen(cloud, desired, selection, compared.source, same, members, own_status, relation)

    def plan(self, seen: Seen) -> CheckedPlan:
        """Decide, then ask the service what the decision needs of it."""
        cloud, desired, current = seen.cloud, seen.desired, seen.current
        with glance_errors("read", "image", self.label):
            planned = plan(desired, seen.selection, seen.same, seen.members, seen.own_status, seen.relation)
            self._refuse_unknown(seen, planned)
            if not self.params["wait"] and current is not None and current.get(LOCK):
                planned = left_to_glance(planned)
            upload = self._upload(seen, planned)
            self._check_placement(cloud, desired, current, planned)
        return CheckedPlan(planned, upload)

    def apply(self, seen: Seen, plan: CheckedPlan) -> Outcome:
        glance = seen.cloud.glance
        placer = Placer(glance, float(self.params["timeout"]), self.params["wait"])
        return ImageApplier(glance, seen.desired, plan.upload, placer).apply(plan.image, seen.current)

    def result(self, seen: Seen, plan: CheckedPlan, done: Outcome | None) -> dict[str, Any]:
        planned, outcome = plan.image, done or self._predicted(seen, plan.image)
        return {
            "changed": planned.changed,
            "image": self._shown(seen, outcome.image) if outcome.image is not None else None,
            "diff": {"before": dict(planned.before), "after": dict(planned.after)},
            "stores": [dict(store) for store in outcome.stores],
            "replaced_image_id": planned.replaces["id"] if planned.replaces is not None else None,
            "bytes_transferred": outcome.bytes_transferred,
            "elapsed": round(time.monotonic() - self._started, 3),
            "warnings": list(outcome.warnings),
        }

    # Declared

    def _desired(self, cloud: Cloud, finder: ImageLookup, content: ImageContent) -> DesiredImage:
        params = self.params
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
            # Kernel and ramdisk alone say nothing about the other properties.
            properties_mode="merge" if params["properties"] is None else params["properties_mode"],
            tags=None if params["tags"] is None else tuple(params["tags"]),
            members=None if members is None else frozenset(cloud.identity.project_id(member, params["owner_domain"]) for member in members),
            member_status=params["member_status"],
            disk_format=params["disk_format"],
            container_format=params["container_format"],
            stores=named_stores(params["stores"], lambda: offer(cloud.glance.stores())),
            stores_mode=params["stores_mode"],
            on_replace=params["on_replace"],
            source=content.facts,
            relation=content.relation,
        )

    def _properties(self, finder: ImageLookup) -> dict[str, Any] | None:
        """Declared properties, with kernel and ramdisk under the names that hypervisors read."""
        properties = self.params["properties"]
        for option in ("kernel", "ramdisk"):
            if self.params[option]:
                properties = {**(properties or {}), f"{option}_id": self._image_id(finder, self.params[option])}
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
        verb = "delete" if self.params["state"] == "absent" else "keep"
        return cannot(verb, "image", self.label, cause, advice, code="other_projects_image", details={"ids": [image["id"] for image in obstacles]})

    def _compare(self, desired: DesiredImage, source: Source | None, current: Record | None) -> Comparison:
        """The source is read only where cheaper facts leave it open whether the content is the declared one."""
        facts = desired.source
        if facts is None:
            return Comparison(desired, source, None)
        if source is not None and not facts.seen and not self._known_to_be_there(desired, current):
            source, facts = look_at(self.label, source, facts, self.params)
            desired = replace(desired, source=facts)
        if current is None:
            return Comparison(desired, source, None)
        if not has_data(current):
            if source is not None and desired.disk_format is None and current.get("disk_format"):
                refuse_format(self.label, source, current["disk_format"], current.get("container_format"))
            return Comparison(desired, source, None)
        same = same_content(current, facts)
        if same is None and source is not None:
            facts = self._read_for_comparison(source, facts, current)
            same = same_content(current, facts)
        return Comparison(replace(desired, source=facts), source, bool(same))

    @staticmethod
    def _read_for_comparison(source: Source, facts: SourceFacts, current: Record) -> SourceFacts:
        """The facts with the digest by which the image's content is known."""
        if isinstance(source, DiskImageSource):
            source.read()
            return replace(facts, fingerprint=source.fingerprint)
        # What is on record is the digest of the bytes before decompression, what Glance keeps that of the bytes after it.
        compared = source.origin if recorded_digest(current) is not None else source
        return replace(facts, digests=compared.digests(algorithms_to_compare(current)))

    def _known_to_be_there(self, desired: DesiredImage, current: Record | None) -> bool:
        """Whether the checksum alone tells that nothing of the source will be needed, not even a request for it."""
        if current is None or desired.source is None or not has_data(current):
            return False
        return bool(same_content(current, desired.source)) and not mislabelled(desired, current)

    def _refuse_unknown(self, seen: Seen, planned: ImagePlan) -> None:
        """Content that does not show its format needs one that is declared, now or when the image was created."""
        facts = seen.desired.source
        if not planned.upload or seen.source is None or facts is None or seen.desired.disk_format is not None or facts.detected_format is not None:
            return
        refuse_unknown(self.label, seen.source, (seen.current or {}).get("disk_format"), file_name(self.params))

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

    # The transport of the content

    def _upload(self, seen: Seen, planned: ImagePlan) -> ContentUpload:
        params, cloud, desired, source = self.params, seen.cloud, seen.desired, seen.source
        stores = self._stores(cloud, desired, planned) if planned.upload else None
        method = self._import_method(stores, source) if planned.upload else None
        if method is not None:
            self._check_import(cloud, method["name"])
            if planned.replaces is not None and not params["wait"]:
                raise cannot(
                    "replace", "image", self.label, "wait is false, and the old image stays until the new one is verified", "Set wait: true", code="no_wait"
                )
        return ContentUpload(
            cloud.glance, desired.source, source, method, stores, float(params["timeout"]), params["wait"], self._progress, desired.disk_format
        )

    def _stores(self, cloud: Cloud, desired: DesiredImage, planned: ImagePlan) -> tuple[str, ...] | None:
        """Declared stores must exist and take data; undeclared, new content is stored where the old one is."""
        wanted = desired.stores if desired.stores is not None else tuple(stores_of(planned.replaces or {}))
        if not wanted:
            return None
        offered = offer(cloud.glance.stores())
        unknown = [store for store in wanted if offered is None or store not in offered.writable]
        if unknown and desired.stores is None:
            return None
        if unknown:
            raise refuse_store("upload", "image", self.label, unknown[0], offered)
        return tuple(dict.fromkeys(wanted))

    def _check_placement(self, cloud: Cloud, desired: DesiredImage, current: Record | None, planned: ImagePlan) -> None:
        """Ask the service only where an image has to move."""
        placing = planned.placement
        if not placing or current is None:
            return
        methods = cloud.glance.import_methods() if placing.copy else []
        offered = refuse_service("place", "image", self.label, offer(cloud.glance.stores()), methods, placing.copy, bool(placing.copy))
        refuse_image(self.label, current, placing, desired.stores or (), offered)

    def _import_method(self, stores: tuple[str, ...] | None, source: Source | None) -> dict[str, Any] | None:
        params = self.params
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

    @staticmethod
    def _predicted(seen: Seen, planned: ImagePlan) -> Outcome:
        image = predicted(planned, seen.current)
        return Outcome(None if image is None else {**image, **(seen.desired.relation or {})})

    @staticmethod
    def _shown(seen: Seen, image: Record) -> dict[str, Any]:
        return present_image(image) if seen.desired.relation is None else present_related(image)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Images that a catalogue no longer wants: rotated out, or undeclared in its scope. What is in use or protected stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from .._glance.connection import Cloud
from .._glance.http import glance_errors
from .._glance.properties import Record
from .catalogue_options import parse_prune_max
from .catalogue_plan import Scope, past_rotation, refuse_mass_pruning, undeclared
from .consumers import Consumers
from .plan import ImagePlan


@dataclass(frozen=True)
class PruneCandidate:
    """An image to be deleted; ``item`` is the place of the item whose rotation it left, None where no item declares it."""

    image: Record
    item: int | None


class Pruned(NamedTuple):
    """What a run deletes, and what it keeps because it is protected or in use."""

    removed: tuple[PruneCandidate, ...] = ()
    kept: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()


class ImagePruning:
    """Planned from the listing before the first change, looked at again before anything is deleted."""

    def __init__(self, cloud: Cloud, params: Mapping[str, Any]) -> None:
        self._cloud = cloud
        self._params = params
        self._consumers = Consumers(cloud)
        self.candidates: list[PruneCandidate] = []
        self._in_scope = 0
        self._used: dict[str, list[str]] = {}

    def plan(self, items: Sequence[Mapping[str, Any]], plans: Mapping[int, ImagePlan], records: Sequence[Record]) -> None:
        """``plans`` holds the plan of every item that could be planned, by its place."""
        for number, planned in plans.items():
            item = items[number]
            if item["keep"] is not None and item["state"] != "absent" and item["name"] is not None:
                retiring = planned.replaces if item["on_replace"] != "delete" else None
                past = past_rotation(item["name"], self._owner(item), item["keep"], records, retiring)
                self.candidates += [PruneCandidate(image, number) for image in past]
        if self._params["prune"]:
            scope = self._scope()
            names = {str(item["name"]) for item in items} | {str(planned.before.get("name")) for planned in plans.values()}
            ids = {str(item["id"] or item["name"]) for item in items}
            taken = {str(one.image["id"]) for one in self.candidates}
            self.candidates += [PruneCandidate(image, None) for image in undeclared(records, scope, ids | taken, names)]
            self._in_scope = sum(image in scope for image in records)
        # Who may not ask who uses them learns it before the first change.
        self._used = self._consumers.of(self._free(self.candidates))

    def refuse_too_many(self) -> None:
        """Before the first change: more undeclared images than ``prune_max`` allows, those aside that stay because they are protected or in use."""
        images = [one.image for one in self.candidates if one.item is None and not one.image.get("protected") and str(one.image["id"]) not in self._used]
        refuse_mass_pruning(images, self._in_scope, parse_prune_max(self._params["prune_max"]))

    def _owner(self, item: Mapping[str, Any]) -> str | None:
        if item["owner"] is None:
            return self._cloud.glance.project_id
        return self._cloud.identity.project_id(item["owner"], item["owner_domain"])

    def _scope(self) -> Scope:
        scope = self._params["prune_scope"]
        return Scope(str(self._owner({"owner": scope["owner"], "owner_domain": scope["owner_domain"]})), scope["tag"])

    @staticmethod
    def _free(candidates: Iterable[PruneCandidate]) -> list[str]:
        return [str(one.image["id"]) for one in candidates if not one.image.get("protected")]

    def decide(self, candidates: Sequence[PruneCandidate]) -> Pruned:
        """Look once more which of them nothing protects or uses."""
        used = self._consumers.of(self._free(candidates))
        removed, kept = [], []
        for one in candidates:
            image = one.image
            users = ["protected"] if image.get("protected") else used.get(str(image["id"]), [])
            if users:
                kept.append({"id": image["id"], "name": image.get("name"), "used_by": users})
            else:
                removed.append(one)
        return Pruned(tuple(removed), tuple(kept), tuple(self._consumers.warnings))

    def remove(self, candidates: Sequence[PruneCandidate]) -> None:
        for one in candidates:
            with glance_errors("delete", "image", str(one.image.get("name") or one.image["id"])):
                self._cloud.glance.delete(one.image["id"])

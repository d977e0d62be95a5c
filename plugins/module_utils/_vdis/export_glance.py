# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Disks of a pool as images in Glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from .._content.body import Progress
from .._content.disk_image_source import DiskImageSource
from .._glance.connection import Cloud
from .._images.apply import Outcome
from .._images.desired import ENCODED, SourceFacts
from .._images.job import CheckedPlan, ImageJob, Seen
from .._images.options import create_image_argspec
from .export_plan import GLANCE_FORMATS, Exported, ExportPlan


class ImageSeen(NamedTuple):
    job: ImageJob
    image: Seen


class ImageTargetPlan(NamedTuple):
    image: CheckedPlan

    @property
    def changed(self) -> bool:
        return self.image.changed

    @property
    def moves(self) -> bool:
        return self.image.image.upload


class ImageTarget:
    """An image, kept as glance_image keeps it: hidden until it is verified, and what it replaces stays until then."""

    always = False

    def __init__(self, image: Mapping[str, Any], cloud: Mapping[str, Any], timeout: int, progress: Progress) -> None:
        self._params = {**dict.fromkeys(create_image_argspec().options), "state": "present", **image, "wait": True, "timeout": timeout}
        self._cloud = cloud
        self._progress = progress

    def look(self, disk: Exported, how: ExportPlan, source: DiskImageSource) -> ImageSeen:
        formats = GLANCE_FORMATS[how.format]
        params = {**self._params, "disk_format": formats[0], "container_format": formats[1]}
        # What a running machine writes to is another disk each time.
        known = uuid4().hex if how.snapshot else source.fingerprint
        job = ImageJob(params, self._progress, (source, SourceFacts(ENCODED, source.label, fingerprint=known)), lambda _params: Cloud(self._cloud))
        return ImageSeen(job, job.look())

    def plan(self, seen: ImageSeen) -> ImageTargetPlan:
        return ImageTargetPlan(seen.job.plan(seen.image))

    def apply(self, seen: ImageSeen, plan: ImageTargetPlan) -> Outcome:
        return seen.job.apply(seen.image, plan.image)

    def result(self, seen: ImageSeen, plan: ImageTargetPlan, done: Outcome | None) -> dict[str, Any]:
        result = seen.job.result(seen.image, plan.image, done)
        del result["elapsed"]
        return result

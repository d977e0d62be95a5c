# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module glance_image_download."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from .._content.body import Progress
from .._content.file_plan import FilePlan, Kept, plan_file
from .._content.file_sink import FileSink, Written, look_at
from .._content.source import FileSource
from .._core.atomic_file import Attributes, FileAttributes
from .._core.errors import cannot
from .._core.progress import ProgressLog, ProgressSink
from .._core.runner import Job, Params
from .._core.signals import signals_as_errors
from .._glance.advice import ADVICE
from .._glance.api import Record
from .._glance.connection import Cloud
from .._glance.results import present_image
from .._glance.store_usage import stores_of
from .content import service_digest
from .download import ImageData
from .lookup import find_readable

# Of a file's name, in bytes.
MAX_NAME_SIZE = 255
# Algorithm and value.
Digest = tuple[str, str]


class Seen(NamedTuple):
    """The image, Glance's digest of it, its data, and the file as it is found; ``same`` says whether the file was read and holds the image."""

    image: Record
    digest: Digest | None
    data: ImageData
    sink: FileSink
    kept: Kept
    same: bool | None


class DownloadJob(Job[Seen, FilePlan, dict[str, Any]]):
    """An image's data in a file: what is there is compared, and what comes is verified by Glance's digest before it takes the file's place."""

    def __init__(self, params: Params, attributes: Attributes, progress: Progress | None, connect: Callable[[Params], Cloud] = Cloud) -> None:
        super().__init__(params)
        self._started = time.monotonic()
        self._attributes = attributes
        self._progress = progress
        self._connect = connect

    @classmethod
    def of(cls, module: AnsibleModule) -> DownloadJob:
        return cls(module.params, FileAttributes(module), ProgressLog(ProgressSink(module.log), str(module.params["name"])))

    def look(self) -> Seen:
        name = self.params["name"]
        self.opened.enter_context(signals_as_errors("download", "image", name))
        glance = self._connect(self.params).glance
        image = find_readable(glance, name, "name and cloud", self.params["on_duplicate"])
        path = place_of(self.params["dest"], image)
        kept, digest = look_at(path), service_digest(image)
        data = ImageData(glance, image, preferred(self.params["stores"] or (), image), float(self.params["timeout"]))
        return Seen(image, digest, data, FileSink(path, self._attributes, self._progress), kept, _same(path, kept, image, digest))

    def plan(self, seen: Seen) -> FilePlan:
        return plan_file(seen.sink.path, _mark(seen.image), _mark(seen.image), seen.kept, seen.same)

    def must_apply(self, plan: FilePlan) -> bool:
        # Ansible finds out about owner, group and mode when it sets them.
        return True

    def apply(self, seen: Seen, plan: FilePlan) -> dict[str, Any]:
        written = None
        if plan.moves:
            written = seen.sink.write(seen.data, _mark(seen.image), [seen.digest[0]] if seen.digest else [], partial(_check, seen.image, seen.digest))
        return seen.sink.settled(plan, seen.kept, written)

    def result(self, seen: Seen, plan: FilePlan, done: dict[str, Any] | None) -> dict[str, Any]:
        unverified = plan.moves and seen.digest is None
        return {
            **(seen.sink.settled(plan, seen.kept, None) if done is None else done),
            "image": present_image(seen.image),
            "checksum": ":".join(seen.digest) if seen.digest else None,
            "elapsed": round(time.monotonic() - self._started, 3),
            "warnings": [f"Glance has no digest of image '{self.params['name']}', so that only its size was compared."] if unverified else [],
        }


def place_of(dest: str, image: Record) -> str:
    """The path of the file: in a directory it is called as the image, whose name may be anything."""
    if not (os.path.isdir(dest) or dest.endswith(os.sep)):
        return dest
    name = str(image.get("name") or "")
    if name in ("", ".", "..") or os.sep in name or not name.isprintable() or len(name.encode()) > MAX_NAME_SIZE:
        cause = "it is a directory, in which no file can be called as the image"
        raise cannot("write", "file", dest, cause, "Give the path of a file as dest", code="bad_dest")
    return os.path.join(dest, name)


def preferred(stores: Sequence[str], image: Record) -> Sequence[str]:
    """The first of the stores that the image is in. Glance has an order of its own for several, and is to refuse those that it does not have."""
    held = stores_of(image)
    return next(([store] for store in stores if store in held), stores)


def _mark(image: Record) -> str:
    """The data of an image never changes."""
    return f"glance:{image['id']}"


def _same(path: str, kept: Kept, image: Record, digest: Digest | None) -> bool | None:
    """Whether a file that is not known by its mark holds the image; it is read only where its size is the image's."""
    if not kept.size or kept.mark == _mark(image) or digest is None or kept.size != image.get("size"):
        return None
    algorithm, value = digest
    return FileSource(path).digests([algorithm])[algorithm] == value


def _check(image: Record, digest: Digest | None, written: Written) -> None:
    """Refuse other data than Glance says the image has."""
    name, size = str(image.get("name") or image["id"]), image.get("size")
    if size is not None and written.size != size:
        cause = f"{written.size} bytes came, and Glance says that it has {size}"
        raise cannot("download", "image", name, cause, ADVICE["digest_mismatch"], code="size_mismatch")
    if digest is not None and written.digests[digest[0]] != digest[1]:
        cause = f"the {digest[0]} digest of what came is {written.digests[digest[0]]}, and that of the image is {digest[1]}"
        raise cannot("download", "image", name, cause, ADVICE["digest_mismatch"], code="digest_mismatch")

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Content that a host of the pool pulls from Glance itself, by the plugin imagestore in its Dom0."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from .._content.image_disk import TARBALL, ImageDisk
from .._core.errors import ImageServicesError, cannot
from .._core.signals import defer_signals
from .._disk.pages import PageSum, whole_pages
from .._disk.vhd.format import MAX_XEN_SIZE
from .._plugins.calls import as_params, ask_puller, refuse_long, start, without
from .._plugins.plan import FORMATS, PULLER, HostFacts
from .._xapi.failures import XapiFailure
from .._xapi.session import Pool
from .._xapi.tasks import UNFINISHED, Task, TaskFailed, drop, follow
from .import_plan import PULLS, SIZE_STEP, TASK, Content, refuse_small, rounded
from .import_source import ImageReference
from .removal import destroy, destroy_incomplete
from .transport import Filled, verify

# Seconds that a plugin may take to give up: it looks for the word every second, and then cleans up.
STOP_TIMEOUT = 30.0
SHORTER = "Have the cloud's settings name a file of the one authority that has signed Glance's certificate, or use transport auto or http"


@dataclass
class Dom0Transport:
    """``sources`` are handed to the host, with the ``secrets`` in them; ``size`` is what is declared for the VDI."""

    pool: Pool
    name: str
    sr: str
    host: HostFacts
    sources: Sequence[Mapping[str, Any]]
    secrets: Sequence[str]
    verify: bool
    size: int | None
    # The call that runs, empty where none does.
    _call: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self._session = self.pool.session_ref

    def check(self, origin: ImageReference, image: ImageDisk) -> None:
        """Refuse what no host could be asked for, before anything is changed."""
        if self.size is not None and rounded(self.size) > MAX_XEN_SIZE:
            cause = f"a size of {self.size} bytes is declared, and a VHD of Xen holds {MAX_XEN_SIZE} at most"
            raise cannot("import", "image", self.name, cause, "Declare a smaller size", code="too_large")
        refuse_long(PULLER, self._request("0" * 36, "OpaqueRef:" + "0" * 36, origin, image), SHORTER)

    def fill(self, given: Mapping[str, Any], origin: ImageReference, image: ImageDisk) -> Filled:
        self._refuse_small(image)
        leaf = str(uuid4())
        # The host makes a VDI that has no name yet: this one says meanwhile whose it is.
        notes = {**given["other_config"], PULLS: leaf}
        place = {**given, "virtual_size": SIZE_STEP, "other_config": notes}
        stand_in = self.pool.run("VDI.create", place, what=f"making of VDI {self.name}", undo="VDI.destroy")
        try:
            done = self._pull(leaf, stand_in, origin, image)
            ref = self._adopt(leaf, given)
            destroy(self.pool, stand_in)
            size = self._size(ref)
            content = _content(origin, done)
            if self.verify:
                verify(self.pool, self.name, ref, size, self._sum(image))
        except BaseException:
            self._clean_up(leaf, stand_in)
            raise
        return Filled(ref, content, int(done.get("bytes_received") or 0), self.verify, tuple(map(str, done.get("warnings") or ())))

    # The host's part

    def _pull(self, leaf: str, stand_in: str, origin: ImageReference, image: ImageDisk) -> dict[str, Any]:
        """What the plugin says once the VDI is there."""
        with Task(self.pool, f"import of {self.name}") as watched:
            try:
                with defer_signals():
                    self._call = start(self.pool, self.host.ref, PULLER, "download", self._request(leaf, watched.ref, origin, image))
                # By its task the next run sees that this one is still at work.
                self.pool.call("VDI.add_to_other_config", stand_in, TASK, self.pool.call("task.get_uuid", self._call))
                said = follow(self.pool, self._call, f"import of {self.name} by host {self.host.name}", share=lambda: self._share(watched.ref, image))
                done = json.loads(said)
                if done["vdi"] != leaf:
                    raise ValueError(done["vdi"])
            except TaskFailed as exc:
                self._end_call()
                raise without((*self.secrets, self._session), exc) from None
            except (ValueError, LookupError, TypeError) as exc:
                cause = f"the plugin {PULLER} of host {self.host.name} answers what is not agreed on"
                raise cannot("import", "image", self.name, cause, "Install the plugin's version that belongs to this collection", code="plugin_answer") from exc
            self._end_call()
            return dict(done)

    def _request(self, leaf: str, task: str, origin: ImageReference, image: ImageDisk) -> dict[str, str]:
        expected = next(iter(origin.expected.items()), None)
        return as_params(
            image={
                "id": origin.content.source.partition(":")[2],
                "size": origin.source.size,
                "digest": None if expected is None else {"algorithm": expected[0], "value": expected[1]},
            },
            format=FORMATS[image.format],
            sources=list(self.sources),
            sr=self.sr,
            vdi=leaf,
            # The plugin grows the disk itself: the host's own tool, which XAPI has do it, rounds some sizes up too far.
            virtual_size=None if self.size is None else rounded(self.size),
            task=task,
        )

    def _share(self, task: str, image: ImageDisk) -> float:
        share = float(self.pool.call("task.get_progress", task))
        if image.progress is not None and image.size:
            image.progress(int(share * image.size), image.size)
        return share

    def _end_call(self) -> None:
        drop(self.pool, self._call)
        self._call = ""

    def _end(self, leaf: str) -> bool:
        """Ask the plugin to end where it still runs; whether it has ended."""
        if not self._call:
            return True
        ended = False
        # A second time, because the session may have ended with the first.
        for _attempt in range(2):
            with suppress(XapiFailure, ImageServicesError, ValueError):
                if self.pool.call("task.get_status", self._call) in UNFINISHED:
                    ask_puller(self.pool, self.host.ref, "cancel", sr=self.sr, vdi=leaf)
                break
        try:
            follow(self.pool, self._call, "end of the import", STOP_TIMEOUT)
            ended = True
        except XapiFailure:
            ended = True
        except ImageServicesError:
            pass
        if ended:
            self._end_call()
        return ended

    def _clean_up(self, leaf: str, stand_in: str) -> None:
        """Of a plugin that does not end, the stand-in and the task are left, by which the next run finds what comes of it."""
        if not self._end(leaf):
            return
        with suppress(XapiFailure, ImageServicesError):
            destroy(self.pool, self.pool.call("VDI.get_by_uuid", leaf))
        destroy_incomplete(self.pool, stand_in)

    # The VDI that came of it

    def _adopt(self, leaf: str, given: Mapping[str, Any]) -> str:
        """Give it the notes and the name of one that is not complete, and the description of its stand-in."""
        ref = str(self.pool.call("VDI.get_by_uuid", leaf))
        self.pool.call("VDI.set_other_config", ref, given["other_config"])
        self.pool.call("VDI.set_name_label", ref, given["name_label"])
        if given["name_description"]:
            self.pool.call("VDI.set_name_description", ref, given["name_description"])
        return ref

    def _size(self, ref: str) -> int:
        size = int(self.pool.call("VDI.get_virtual_size", ref))
        if self.size is not None and rounded(self.size) < size:
            raise refuse_small(self.name, self.size, size, "image")
        return size

    def _refuse_small(self, image: ImageDisk) -> None:
        """Early where the beginning of the data tells its size."""
        if self.size is not None and image.format != TARBALL:
            with image:
                if self.size < image.disk.virtual_size:
                    raise refuse_small(self.name, self.size, image.disk.virtual_size, "image")

    def _sum(self, image: ImageDisk) -> str:
        """Of the image as the module itself reads it, to compare with what the pool gives back."""
        total = PageSum()
        with image:
            for page in whole_pages(image.disk, image.scattered, image.spool_dir):
                total.add(*page)
        return str(total)


def _content(origin: ImageReference, done: Mapping[str, Any]) -> Content:
    found = done.get("digest") or {}
    digests = {str(found["algorithm"]): str(found["value"])} if found else {}
    origin.check(digests)
    return origin.content if origin.content.digests else replace(origin.content, digests=digests)

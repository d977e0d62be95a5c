# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Whether the module sends the content or a host pulls it, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._content.image_disk import ImageDisk
from .._core.errors import ImageServicesError, cannot
from .._plugins.calls import hosts_that_see, with_plugins
from .._plugins.plan import PULLER, HostFacts, Unfit, choose_host, unfit_data, unfit_hosts, unfit_image, unfit_sharable, unfit_source, unfit_sr
from .._xapi.failures import XapiFailure, sentence
from .._xapi.session import Pool
from .import_plan import choose_upload_format
from .import_source import ImageReference
from .transport import Filled, Transport
from .transport_dom0 import Dom0Transport
from .transport_http import HttpTransport

NEEDED = ("cancel", "download")
BAD_IMAGE = "IMAGESTORE_BAD_IMAGE"
USE_AUTO = "Use transport auto, by which the module sends what hosts do not read, or give another image"


@dataclass(frozen=True)
class HostFirst:
    """A host pulls; what its plugin refuses to read is sent by the module, which reads more, unless ``fall_back`` is None."""

    dom0: Dom0Transport
    fall_back: Callable[[str], str] | None

    def fill(self, given: Mapping[str, Any], origin: ImageReference, image: ImageDisk) -> Filled:
        dom0 = self.dom0
        try:
            return dom0.fill(given, origin, image)
        except XapiFailure as exc:
            if exc.code != BAD_IMAGE:
                raise
            if self.fall_back is None:
                raise exc.explained("import", "image", dom0.name, USE_AUTO) from exc
            reason = sentence(exc)[0]
        return HttpTransport(dom0.pool, dom0.name, self.fall_back(reason), dom0.verify, dom0.size).fill(given, origin, image)


class TransportSelector:
    """The transport that a task wants, and the one that is chosen."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._wanted = params["transport"]
        self._unfit: Unfit | None = None
        # What the module returns: of the transport that was chosen.
        self.transport: str | None = None
        self.reason: str | None = None
        self.upload_format: str | None = None

    def look(self, origin: ImageReference | None) -> None:
        """At what is known before the pool is asked."""
        if self._wanted == "http" or origin is None:
            return
        self._note_obstacle(unfit_source(self._params) or unfit_image(origin.disk_format, origin.container_format, next(iter(origin.expected), None)))

    def choose(self, pool: Pool, sr: Mapping[str, Any], origin: ImageReference, image: ImageDisk, size: int | None, sharable: bool) -> Transport:
        """The transport of an import that is necessary; nothing in the pool is changed here."""
        name, verify = str(self._params["name"]), bool(self._params["verify"])
        if self._wanted != "http" and self._unfit is None:
            self._note_obstacle(unfit_sharable(sharable))
        if self._wanted != "http":
            dom0 = self._dom0(pool, sr, origin, image, size)
            if dom0 is not None:
                upload_format = choose_upload_format(self._params["upload_format"], pool.version)
                return HostFirst(dom0, (lambda reason: self._fall_back(reason, upload_format)) if self._wanted == "auto" else None)
        self.transport, self.reason = "http", None if self._unfit is None else self._unfit.cause
        self.upload_format = choose_upload_format(self._params["upload_format"], pool.version)
        return HttpTransport(pool, name, self.upload_format, verify, size)

    def _fall_back(self, reason: str, upload_format: str) -> str:
        """What the plugin has refused is sent by the module, in this upload format."""
        self.transport, self.reason, self.upload_format = "http", reason, upload_format
        return upload_format

    def _dom0(self, pool: Pool, sr: Mapping[str, Any], origin: ImageReference, image: ImageDisk, size: int | None) -> Dom0Transport | None:
        if self._unfit is None:
            self._note_obstacle(unfit_data("a fixed VHD" if image.fixed else image.format, image.compression) or unfit_sr(sr["name_label"], sr["type"]))
        if self._unfit is not None or origin.direct is None:
            return None
        hosts = with_plugins(pool, hosts_that_see(pool, sr), [PULLER])
        self._note_obstacle(unfit_hosts(hosts, NEEDED))
        if self._unfit is not None:
            return None
        host = choose_host(hosts)
        try:
            sources = origin.direct.sources()
            name, verify = str(self._params["name"]), bool(self._params["verify"])
            dom0 = Dom0Transport(pool, name, sr["uuid"], host, sources, origin.direct.secrets, verify, size)
            dom0.check(origin, image)
        except ImageServicesError as exc:
            if self._wanted == "dom0":
                raise
            self._unfit = Unfit(str(exc))
            return None
        self.transport = "dom0"
        if self._wanted == "auto":
            self.reason = _praise(host, sr)
        return dom0

    def _note_obstacle(self, unfit: Unfit | None) -> None:
        """With transport dom0, an obstacle is an error; with auto it is the reason for http."""
        if unfit is None:
            return
        if self._wanted == "dom0":
            raise cannot("import", "image", str(self._params["name"]), f"{unfit.cause}, and transport is dom0", unfit.advice, code=unfit.code)
        self._unfit = unfit


def _praise(host: HostFacts, sr: Mapping[str, Any]) -> str:
    return f"every host that sees SR '{sr['name_label']}' has the plugin {PULLER} {host.plugin(PULLER).version}"

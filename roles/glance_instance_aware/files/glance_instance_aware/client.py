# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of instance-aware images: the calls of Nova's wrapper around the image service, with the instance added.

```python
from keystoneauth1.adapter import Adapter
from glance_instance_aware.client import ImageService

images = ImageService(Adapter(session, service_type="image"), nova_installation_uuid="3f0c…")
image = images.create({"name": "nightly", "disk_format": "vhd", "container_format": "bare"}, data=stream, instance_id=123)
backups = images.detail(instance_id=[123, 124], image_type="backup")
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

PATCH_TYPE = "application/openstack-images-v2.1-json-patch"
PIECE = 1024 * 1024
# Attributes that Glance defines; all others are properties.
BASE = frozenset(
    "checksum container_format created_at direct_url disk_format file id locations min_disk min_ram name nova_installation_uuid instance_id os_hash_algo "
    "os_hash_value os_hidden owner protected schema self size status stores tags updated_at virtual_size visibility".split()
)
# The attributes among them that a caller may set.
SETTABLE = frozenset("container_format disk_format locations min_disk min_ram name os_hidden owner protected tags visibility".split())

Image = dict[str, Any]


class NotInstanceAware(Exception):
    """This Glance does not have the filter."""


class ImageService:
    """Images of one installation of Nova. Failed requests raise the exceptions of keystoneauth."""

    def __init__(self, adapter: Any, nova_installation_uuid: str) -> None:
        self.adapter = adapter
        self.installation = nova_installation_uuid
        self._known: str | None = None
        self._root: str | None = None

    @property
    def root(self) -> str:
        """The prefix of paths: endpoints of the image service may include the version or not."""
        if self._root is None:
            self._root = "" if re.search(r"/v2(\.[0-9]+)?/?$", self.adapter.get_endpoint() or "") else "/v2"
        return self._root

    def version(self) -> str:
        """The version of the filter. A Glance without the filter would store the instance as properties of the image."""
        if self._known is None:
            answer = self.adapter.get(f"{self.root}/info/instance-aware", raise_exc=False)
            if answer.status_code == 404:
                raise NotInstanceAware("Cannot relate images to instances: this Glance has no filter for that. Add instance_aware to its pipeline.")
            if answer.status_code != 200:
                answer.raise_for_status()
            self._known = str(answer.json()["version"])
        return self._known

    def headers(self, instance_id: Any) -> dict[str, str]:
        if instance_id is None:
            return {}
        self.version()
        return {"X-Nova-Installation-UUID": self.installation, "X-Instance-ID": str(instance_id)}

    def path(self, image_id: str, rest: str = "") -> str:
        return f"{self.root}/images/{quote(image_id, safe='')}{rest}"

    def index(self, instance_id: Any = None, **filters: Any) -> list[Image]:
        """Ids and names."""
        return [{"id": image["id"], "name": image.get("name")} for image in self.pages(instance_id, filters)]

    def detail(self, instance_id: Any = None, **filters: Any) -> list[Image]:
        """All attributes of the images of all pages; `instance_id` is one id or several, and filters are those of Glance."""
        return list(self.pages(instance_id, filters))

    def pages(self, instance_id: Any, filters: Mapping[str, Any]) -> Iterator[Image]:
        query = {name: value for name, value in filters.items() if value is not None}
        if instance_id is not None:
            self.version()
            several = isinstance(instance_id, Iterable) and not isinstance(instance_id, str)
            ids = [str(each) for each in instance_id] if several else [str(instance_id)]
            if not ids:
                return
            query.update(nova_installation_uuid=self.installation, instance_id=ids[0] if not several else "in:" + ",".join(ids), include_relation="true")
        path: str | None = f"{self.root}/images" + (f"?{urlencode(query, doseq=True)}" if query else "")
        while path is not None:
            document = self.adapter.get(path).json()
            yield from document["images"]
            following = document.get("next")
            path = self.root + following[len("/v2") :] if following else None

    def show(self, image_id: str) -> Image:
        """The image, with its relation where the caller may see it."""
        return dict(self.adapter.get(self.path(image_id, "?include_relation=true")).json())

    def create(self, image_meta: Mapping[str, Any], data: Any = None, instance_id: Any = None) -> Image:
        """Create an image, and upload its data if given. The image is deleted if the upload fails."""
        image = self.adapter.post(f"{self.root}/images", json=dict(image_meta), headers=self.headers(instance_id)).json()
        if data is not None:
            try:
                self.upload(image["id"], data)
            except BaseException:
                self.adapter.delete(self.path(image["id"]), raise_exc=False)
                raise
        return self.show(image["id"])

    def update(self, image_id: str, image_meta: Mapping[str, Any], data: Any = None, purge_props: bool = False, instance_id: Any = None) -> Image:
        """Set the given attributes; `purge_props` removes all other properties."""
        changes = [{"op": "add", "path": f"/{pointer(name)}", "value": value} for name, value in image_meta.items() if name in SETTABLE or name not in BASE]
        if purge_props:
            there = self.adapter.get(self.path(image_id)).json()
            gone = sorted(name for name in there if name not in BASE and name not in image_meta and not name.startswith("os_glance_"))
            changes += [{"op": "remove", "path": f"/{pointer(name)}"} for name in gone]
        headers = {"Content-Type": PATCH_TYPE, **self.headers(instance_id)}
        if changes or instance_id is not None:
            self.adapter.patch(self.path(image_id), json=changes, headers=headers)
        if data is not None:
            self.upload(image_id, data)
        return self.show(image_id)

    def upload(self, image_id: str, data: Any) -> None:
        """Upload bytes, a file, or an iterable of chunks."""
        self.adapter.put(self.path(image_id, "/file"), data=data, headers={"Content-Type": "application/octet-stream"})

    def delete(self, image_id: str) -> None:
        self.adapter.delete(self.path(image_id))

    def download(self, image_id: str, data: BinaryIO | None = None) -> Iterator[bytes] | None:
        """Download into a file, or return an iterator of chunks."""
        answer = self.adapter.get(self.path(image_id, "/file"), stream=True)
        pieces = chunks(answer)
        if data is None:
            return pieces
        for piece in pieces:
            data.write(piece)
        return None


def chunks(answer: Any) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(PIECE)
    finally:
        answer.close()


def pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")

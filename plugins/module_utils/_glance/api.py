# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Glance's v2 API, one method a call. Source: the Image service API reference, checked against Glance 33."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from .http import GlanceError, HttpClient
from .properties import property_path
from .relation import INCLUDED, Relation, headers_of, removal
from .store_usage import stores_of

if TYPE_CHECKING:
    import requests

PAGE_SIZE = 1000
PATCH_TYPE = "application/openstack-images-v2.1-json-patch"
Record = dict[str, Any]
Answer = TypeVar("Answer")


class Glance:
    """The image service as one project sees it."""

    def __init__(self, http: HttpClient, project_id: str | None, administrator: bool = False) -> None:
        self.http = http
        self.project_id = project_id
        # Whether Glance's default policy shows it the images of all projects.
        self.administrator = administrator
        self._answers: dict[str, Any] = {}
        self._asking = threading.Lock()

    # Images

    def images(self, filters: Sequence[tuple[str, Any]] = ()) -> Iterator[Record]:
        """Every image that passes Glance's filters, page by page; a filter may occur twice, as ``tag`` does."""
        path: str | None = "/v2/images"
        params: list[tuple[str, Any]] | None = [*filters, ("limit", PAGE_SIZE)]
        while path:
            page = self.http.get(path, params).json()
            yield from page["images"]
            path, params = page.get("next"), None

    def images_and_hidden(self, filters: Sequence[tuple[str, Any]] = ()) -> Iterator[Record]:
        """As `images`, with the hidden ones, which Glance never mixes with the others: they take a listing of their own."""
        for hidden in ("false", "true"):
            yield from self.images([*filters, ("os_hidden", hidden)])

    def image(self, image_id: str, related: bool = False) -> Record | None:
        """The image, or None where there is none that the project may see; ``related`` asks for the instance that it belongs to as well."""
        try:
            return dict(self.http.get(f"/v2/images/{image_id}", [INCLUDED] if related else None).json())
        except GlanceError as exc:
            if exc.status == 404:
                return None
            raise

    def create(self, body: Mapping[str, Any], relation: Relation | None = None) -> Record:
        """Register an image; ``body`` holds its id, so that after an answer lost on the way the image can be looked up."""
        lost_answer = False

        def once() -> Record:
            nonlocal lost_answer
            try:
                return dict(self.http.request("POST", "/v2/images", json=dict(body), headers=headers_of(relation)).json())
            except GlanceError as exc:
                registered = self.image(body["id"]) if exc.status == 409 and (lost_answer or body["id"] in str(exc)) else None
                if registered is not None and lost_answer:
                    return registered
                lost_answer = lost_answer or exc.retryable
                if exc.status == 409 and registered is None and body["id"] in str(exc):
                    cause = f"its id {body['id']} was used before, by an image that is deleted now or that this project may not see"
                    raise GlanceError(cause, status=409, kind="used_id", request_id=exc.request_id) from exc
                raise

        return dict(self.http.repeat(once))

    def patch(self, image_id: str, operations: Sequence[Mapping[str, Any]], relation: Relation | None = None) -> Record:
        """Apply a JSON patch, and relate the image to an instance, or to none where ``relation`` is empty; all or nothing."""
        lost_answer = False
        headers = {"Content-Type": PATCH_TYPE, **headers_of(relation)}
        if relation is not None and not relation:
            operations = [*operations, removal()]

        def once() -> Record:
            nonlocal lost_answer
            # What the first request has removed cannot be removed again; every other operation can be repeated.
            remaining = self._without_done_removals(image_id, operations) if lost_answer else operations
            try:
                return dict(self.http.request("PATCH", f"/v2/images/{image_id}", json=list(remaining), headers=headers).json())
            except GlanceError as exc:
                lost_answer = lost_answer or exc.retryable
                raise

        return dict(self.http.repeat(once))

    def _without_done_removals(self, image_id: str, operations: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        image = self.image(image_id, related=removal() in operations) or {}
        paths = {property_path(key) for key in image}
        return [operation for operation in operations if operation["op"] != "remove" or operation["path"] in paths]

    def delete(self, image_id: str) -> None:
        """Delete; an image that is gone already is what was asked for."""

        def once() -> None:
            try:
                self.http.request("DELETE", f"/v2/images/{image_id}")
            except GlanceError as exc:
                if exc.status != 404:
                    raise

        self.http.repeat(once)

    def deactivate(self, image_id: str) -> None:
        self.http.repeat(lambda: self.http.request("POST", f"/v2/images/{image_id}/actions/deactivate"))

    def reactivate(self, image_id: str) -> None:
        self.http.repeat(lambda: self.http.request("POST", f"/v2/images/{image_id}/actions/reactivate"))

    # Data

    def upload(self, image_id: str, body: Any, size: int | None, store: str | None = None, timeout: float | None = None) -> None:
        """Send the data; ``timeout`` is for silence of the far end. Never repeated here: what happened to a broken upload has to be looked at first."""
        headers = _data_headers(size)
        if store is not None:
            headers["X-Image-Meta-Store"] = store
        self.http.request("PUT", f"/v2/images/{image_id}/file", data=_data(body, size), headers=headers, timeout=timeout)

    def download(self, image_id: str, headers: Mapping[str, str], stores: Sequence[str] = (), timeout: float | None = None) -> requests.Response:
        """An answer whose body is the data, or the range of it that the headers ask for; the caller closes it.

        Glance 33 takes it from one of the stores that are named, if the image is in one; older ones do not read that.
        """
        params = [("prefer", ",".join(stores))] if stores else None
        return self.http.request("GET", f"/v2/images/{image_id}/file", params=params, headers=headers, timeout=timeout, stream=True)

    def stage(self, image_id: str, body: Any, size: int | None, timeout: float | None = None) -> None:
        """Send the data to the staging area, for an import to follow."""
        self.http.request("PUT", f"/v2/images/{image_id}/stage", data=_data(body, size), headers=_data_headers(size), timeout=timeout)

    def import_image(self, image_id: str, method: Mapping[str, Any], stores: Sequence[str] | None, all_or_none: bool = True) -> None:
        """Start an import; it continues in Glance after the answer. ``all_or_none`` takes the data out of every store again where one of them fails."""
        body: Record = {"method": dict(method)}
        if stores is not None:
            body.update(stores=list(stores), all_stores_must_succeed=all_or_none)
        self.http.request("POST", f"/v2/images/{image_id}/import", json=body)

    def delete_from_store(self, store: str, image_id: str) -> None:
        """Take an image out of one of its stores; Glance refuses that for the last one."""

        def once() -> None:
            try:
                self.http.request("DELETE", f"/v2/stores/{store}/{image_id}")
            except GlanceError as exc:
                # What an earlier request has done, whose answer was lost, was asked for; 403 is for the one copy that is left then.
                if exc.status not in (403, 404) or store in stores_of(self.image(image_id) or {}):
                    raise

        self.http.repeat(once)

    def tasks(self, image_id: str) -> list[Record]:
        """Import tasks of an image, the oldest first; an older Glance or a stricter policy shows none."""
        try:
            tasks = self.http.get(f"/v2/images/{image_id}/tasks").json()["tasks"]
        except GlanceError as exc:
            if exc.status in (403, 404):
                return []
            raise
        return sorted(tasks, key=lambda task: task["created_at"])

    # Members

    def members(self, image_id: str) -> dict[str, str]:
        """Status of each member project by its id."""
        answer = self.http.get(f"/v2/images/{image_id}/members").json()
        return {member["member_id"]: member["status"] for member in answer["members"]}

    def add_member(self, image_id: str, project_id: str) -> None:
        def once() -> None:
            try:
                self.http.request("POST", f"/v2/images/{image_id}/members", json={"member": project_id})
            except GlanceError as exc:
                if exc.status != 409:
                    raise

        self.http.repeat(once)

    def remove_member(self, image_id: str, project_id: str) -> None:
        def once() -> None:
            try:
                self.http.request("DELETE", f"/v2/images/{image_id}/members/{project_id}")
            except GlanceError as exc:
                if exc.status != 404:
                    raise

        self.http.repeat(once)

    def member(self, image_id: str, project_id: str) -> str | None:
        """Status of one membership, as far as the caller may see it."""
        try:
            return str(self.http.get(f"/v2/images/{image_id}/members/{project_id}").json()["status"])
        except GlanceError as exc:
            if exc.status == 404:
                return None
            raise

    def set_member_status(self, image_id: str, project_id: str, status: str) -> None:
        self.http.repeat(lambda: self.http.request("PUT", f"/v2/images/{image_id}/members/{project_id}", json={"status": status}))

    # The service: what it offers is asked once in a session, however many images ask.

    def _once(self, what: str, ask: Callable[[], Answer]) -> Answer:
        with self._asking:
            if self._answers.get(what) is None:
                self._answers[what] = ask()
            answer: Answer = self._answers[what]
            return answer

    def hash_algorithm(self) -> str | None:
        """The algorithm of `os_hash_value` for new images, read off the newest one; None where there is none."""
        return self._once("hash_algorithm", self._hash_algorithm)

    def _hash_algorithm(self) -> str | None:
        page = self.http.get("/v2/images", {"limit": 1, "status": "active", "sort_key": "created_at", "sort_dir": "desc"}).json()
        return next((image.get("os_hash_algo") for image in page["images"]), None)

    def stores(self) -> list[Record] | None:
        """Stores that the service offers; None where it does not know several stores."""
        return self._once("stores", self.stores_now)

    def stores_now(self) -> list[Record] | None:
        """The same, asked again: a service that has been restarted may offer others."""
        try:
            return list(self.http.get("/v2/info/stores").json()["stores"])
        except GlanceError as exc:
            if exc.status == 404:
                return None
            raise

    def instance_aware(self) -> bool:
        """Whether the service relates images to instances."""
        return self._once("instance_aware", self._instance_aware)

    def _instance_aware(self) -> bool:
        try:
            self.http.get("/v2/info/instance-aware")
        except GlanceError as exc:
            if exc.status == 404:
                return False
            raise
        return True

    def import_methods(self) -> list[str]:
        """Import methods that are switched on."""
        return self._once("import_methods", self._import_methods)

    def _import_methods(self) -> list[str]:
        try:
            return list(self.http.get("/v2/info/import").json()["import-methods"]["value"])
        except GlanceError as exc:
            if exc.status == 404:
                return []
            raise


class _SmallChunks:
    """A body of unknown length in pieces that become chunks of HTTP: uWSGI refuses larger ones than a little less than 1 MiB (`chunked-input-limit`)."""

    SIZE = 64 * 1024

    def __init__(self, body: Any) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        for block in self._body:
            for start in range(0, len(block), self.SIZE):
                yield block[start : start + self.SIZE]


def _data(body: Any, size: int | None) -> Any:
    return body if size is not None or isinstance(body, bytes) else _SmallChunks(body)


def _data_headers(size: int | None) -> dict[str, str]:
    """Glance refuses a body of another length than the size header says (31.0.0 and newer)."""
    headers = {"Content-Type": "application/octet-stream"}
    if size is not None:
        headers["X-OpenStack-Image-Size"] = str(size)
    return headers

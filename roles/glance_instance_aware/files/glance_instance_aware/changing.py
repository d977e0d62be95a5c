# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that create, change and delete images, and the relations that they set."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import webob.exc

from glance_instance_aware import body, relation_request
from glance_instance_aware.call import Answer, Application, Environ, StartResponse, call, get_image, image_of
from glance_instance_aware.caller import Caller, caller_of
from glance_instance_aware.database import DatabaseUnavailable
from glance_instance_aware.installations import installation_of
from glance_instance_aware.relation_request import NAMES, NOVA, Document, RelationChange, RequestedRelation
from glance_instance_aware.settings import Settings
from glance_instance_aware.table import Relation, Store

LOG = logging.getLogger(__name__)

NOT_YOURS = "You are not permitted to relate this image to an instance: the image's own project is, an administrator, or a service."
NOTHING = RelationChange()


class Refused(Exception):
    """The request is refused with the response that this holds."""

    def __init__(self, answer: webob.exc.HTTPException) -> None:
        super().__init__(str(answer))
        self.answer = answer


class Changing:
    def __init__(self, application: Application, settings: Settings, store: Store) -> None:
        self.application = application
        self.settings = settings
        self.store = store

    def create(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = relation_request.of_headers(environ)
        content = body.read(environ, self.settings.max_body)
        document = relation_request.load(content) if content else None
        requested = relation_request.of_create(document, headers)
        mapped = installation_of(environ, self.settings.installations)
        change = relation_request.decide(requested, mapped)
        explicit = document.get("id") if isinstance(document, Document) else None
        if not change:
            if isinstance(explicit, str) and is_id(explicit):
                start_response = self.after_success(start_response, "201", self.store.forget, explicit)
            return self.application(environ, start_response)
        installation, instance = relation_request.complete(change, NOTHING, mapped)
        self.refuse_large(content)
        if not isinstance(document, Document) or ("id" in document and not is_id(explicit)):
            # Glance refuses such a body.
            return self.application(stripped(environ, None), start_response)
        caller = caller_of(environ, self.settings.service_roles)
        owner = document.get("owner", caller.project)
        if not caller.may_change(owner):
            raise Refused(webob.exc.HTTPForbidden(explanation=NOT_YOURS))
        image_id = explicit or str(uuid.uuid4())
        asked = stripped(environ, relation_request.create_body(document, self.hidden_properties(requested, mapped), image_id))
        relation = related(image_id, installation, instance, owner, instance_owner(document, caller))
        reserved = self.store.reserve(relation)
        answer = call(self.application, asked)
        self.created(answer, relation, reserved)
        return answer.give(start_response)

    def created(self, answer: Answer, relation: Relation, reserved: bool) -> None:
        """Complete the row after Glance's response, and never fail: the next listing activates a row that stays pending."""
        try:
            if answer.code == 201:
                self.store.settle(relation)
            elif reserved and 400 <= answer.code < 500:
                self.store.release(relation)
        except DatabaseUnavailable:
            LOG.warning("The relation of image %s stays pending until the next listing that contains it.", relation.image_id)

    def update(self, environ: Environ, start_response: StartResponse, image_id: str) -> Iterable[bytes]:
        headers = relation_request.of_headers(environ)
        draft = relation_request.PATCH_TYPES.get(media_type(environ), 0)
        content = body.read(environ, self.settings.max_body) if draft else b""
        document = relation_request.load(content) if content else None
        requested = relation_request.of_patch(document, headers, draft)
        mapped = installation_of(environ, self.settings.installations)
        change = relation_request.decide(requested, mapped)
        if not change:
            if isinstance(requested.owner, str) and is_id(image_id):
                start_response = self.after_success(start_response, "200", self.store.transfer, image_id, requested.owner)
            return self.application(environ, start_response)
        self.refuse_large(content)
        asked = stripped(environ, relation_request.patch_body(document, draft, self.hidden_properties(requested, mapped)))
        if not is_id(image_id):
            return self.application(asked, start_response)
        # Without the relation, the PATCH may change nothing, and Glance accepts that from every project that sees the image: check the owner here.
        seen = get_image(self.application, environ, image_id)
        image = image_of(seen)
        if image is None:
            return seen.give(start_response)
        if not caller_of(environ, self.settings.service_roles).may_change(image.get("owner")):
            raise Refused(webob.exc.HTTPForbidden(explanation=NOT_YOURS))
        existing = self.existing(image)
        halves = RelationChange(existing.installation, existing.instance) if existing else NOTHING
        pair = None if change.drop else relation_request.complete(change, halves, mapped)
        answer = call(self.application, asked)
        if answer.code == 200 and pair is None:
            self.store.forget(image["id"])
        elif answer.code == 200 and pair is not None:
            # The project of the instance stays; the same request may have changed the owner of the image.
            project = existing.project if existing and existing.owner is not None else None
            self.store.settle(related(image["id"], *pair, (image_of(answer) or image).get("owner"), project))
        return answer.give(start_response)

    def existing(self, image: Mapping[str, Any]) -> Relation | None:
        """The relation of an image, without a pending row that was written for another owner."""
        row = self.store.of_image(image["id"])
        return None if row is None or (row.pending and not row.belongs(image)) else row

    def delete(self, environ: Environ, start_response: StartResponse, image_id: str) -> Iterable[bytes]:
        if is_id(image_id):
            start_response = self.after_success(start_response, "204", self.store.forget, image_id)
        return self.application(environ, start_response)

    def after_success(self, start_response: StartResponse, code: str, work: Callable[..., None], image_id: str, *arguments: str) -> StartResponse:
        """Do the work when Glance responds with this code. The next repair fixes a failure; a deleted image is not listed meanwhile."""

        def started(status: str, *rest: Any) -> Any:
            if status.startswith(code):
                try:
                    work(image_id, *arguments)
                except DatabaseUnavailable:
                    LOG.warning("A relation of image %s, if there is one, stays unchanged until the next repair.", image_id)
            return start_response(status, *rest)

        return started

    def hidden_properties(self, requested: RequestedRelation, mapped: str | None) -> Collection[str]:
        """The properties that are removed from the request to Glance."""
        return NAMES if self.settings.keep_nova_property or not requested.names_nova or mapped is None else (*NAMES, NOVA)

    def refuse_large(self, content: bytes | None) -> None:
        if content is None:
            reason = f"The body of a request that relates an image is larger than {self.settings.max_body} bytes."
            raise Refused(webob.exc.HTTPRequestEntityTooLarge(explanation=reason))


def stripped(environ: Environ, content: bytes | None) -> Environ:
    """The request without the headers of the filter, and with ``content`` as its body where given."""
    asked = {key: value for key, value in environ.items() if key not in relation_request.HEADERS}
    if content is not None:
        body.put(asked, content)
    return asked


def media_type(environ: Environ) -> str:
    return str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()


def is_id(value: Any) -> bool:
    """Whether Glance accepts the value as an id of an image: a UUID with its dashes."""
    return isinstance(value, str) and len(value) == 36 and relation_request.uuid_of(value) is not None


def instance_owner(document: Mapping[str, Any], caller: Caller) -> str | None:
    """The project of the instance, where a service sets it for an image of another project."""
    given = document.get("instance_owner") if caller.changes_all else None
    return given if isinstance(given, str) and 0 < len(given) <= 255 else None


def related(image_id: str, installation: str, instance: str, owner: Any, project: str | None) -> Relation:
    owner = owner if isinstance(owner, str) and len(owner) <= 255 else ""
    return Relation(image_id, installation, instance, project or owner, owner if project not in (None, owner) else None)

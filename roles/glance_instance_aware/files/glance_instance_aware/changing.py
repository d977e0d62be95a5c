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
from glance_instance_aware.call import Answer, Application, Environ, StartResponse, call, image_of, look
from glance_instance_aware.caller import Caller, caller_of
from glance_instance_aware.database import Away
from glance_instance_aware.installations import installation_of
from glance_instance_aware.relation_request import NAMES, NOVA, Document, RelationChange, RequestedRelation
from glance_instance_aware.settings import Settings
from glance_instance_aware.table import Relation, Store

LOG = logging.getLogger(__name__)

NOT_YOURS = "You are not permitted to relate this image to an instance: the image's own project is, an administrator, or a service."
NOTHING = RelationChange()


class Refused(Exception):
    """A request that has its answer already."""

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
        said = relation_request.of_create(document, headers)
        mapped = installation_of(environ, self.settings.installations)
        wanted = relation_request.decide(said, mapped)
        explicit = document.get("id") if isinstance(document, Document) else None
        if not wanted:
            if isinstance(explicit, str) and is_id(explicit):
                start_response = self.once_done(start_response, "201", self.store.forget, explicit)
            return self.application(environ, start_response)
        installation, instance = relation_request.whole(wanted, NOTHING, mapped)
        self.refuse_large(content)
        if not isinstance(document, Document) or ("id" in document and not is_id(explicit)):
            # Glance refuses such a body.
            return self.application(stripped(environ, None), start_response)
        caller = caller_of(environ, self.settings.service_roles)
        owner = document.get("owner", caller.project)
        if not caller.may_change(owner):
            raise Refused(webob.exc.HTTPForbidden(explanation=NOT_YOURS))
        image_id = explicit or str(uuid.uuid4())
        asked = stripped(environ, relation_request.create_body(document, self.ours(said, mapped), image_id))
        relation = related(image_id, installation, instance, owner, instance_owner(document, caller))
        reserved = self.store.reserve(relation)
        answer = call(self.application, asked)
        self.created(answer, relation, reserved)
        return answer.give(start_response)

    def created(self, answer: Answer, relation: Relation, reserved: bool) -> None:
        """Whatever becomes of the row, the answer is Glance's: a row that stays pending is made active by who looks next."""
        try:
            if answer.code == 201:
                self.store.settle(relation)
            elif reserved and 400 <= answer.code < 500:
                self.store.release(relation)
        except Away:
            LOG.warning("The relation of image %s stays pending until somebody looks for it.", relation.image_id)

    def update(self, environ: Environ, start_response: StartResponse, image_id: str) -> Iterable[bytes]:
        headers = relation_request.of_headers(environ)
        draft = relation_request.PATCH_TYPES.get(media_type(environ), 0)
        content = body.read(environ, self.settings.max_body) if draft else b""
        document = relation_request.load(content) if content else None
        said = relation_request.of_patch(document, headers, draft)
        mapped = installation_of(environ, self.settings.installations)
        wanted = relation_request.decide(said, mapped)
        if not wanted:
            if isinstance(said.owner, str) and is_id(image_id):
                start_response = self.once_done(start_response, "200", self.store.transfer, image_id, said.owner)
            return self.application(environ, start_response)
        self.refuse_large(content)
        asked = stripped(environ, relation_request.patch_body(document, draft, self.ours(said, mapped)))
        if not is_id(image_id):
            return self.application(asked, start_response)
        # Glance lets everybody who sees an image send it a PATCH that changes nothing, which is what may be left of this one.
        seen = look(self.application, environ, image_id)
        image = image_of(seen)
        if image is None:
            return seen.give(start_response)
        if not caller_of(environ, self.settings.service_roles).may_change(image.get("owner")):
            raise Refused(webob.exc.HTTPForbidden(explanation=NOT_YOURS))
        existing = self.existing(image)
        halves = RelationChange(existing.installation, existing.instance) if existing else NOTHING
        pair = None if wanted.drop else relation_request.whole(wanted, halves, mapped)
        answer = call(self.application, asked)
        if answer.code == 200 and pair is None:
            self.store.forget(image["id"])
        elif answer.code == 200 and pair is not None:
            # Whose instance it is stays; the owner may be another one by this very request.
            project = existing.project if existing and existing.owner is not None else None
            self.store.settle(related(image["id"], *pair, (image_of(answer) or image).get("owner"), project))
        return answer.give(start_response)

    def existing(self, image: Mapping[str, Any]) -> Relation | None:
        """The relation of an image; a row that somebody else has left there in passing is none."""
        row = self.store.of_image(image["id"])
        return None if row is None or (row.pending and not row.belongs(image)) else row

    def delete(self, environ: Environ, start_response: StartResponse, image_id: str) -> Iterable[bytes]:
        if is_id(image_id):
            start_response = self.once_done(start_response, "204", self.store.forget, image_id)
        return self.application(environ, start_response)

    def once_done(self, start_response: StartResponse, code: str, work: Callable[..., None], image_id: str, *arguments: str) -> StartResponse:
        """Does it when Glance answers so. What fails here is mended by the next repair: an image that is gone is not shown meanwhile."""

        def started(status: str, *rest: Any) -> Any:
            if status.startswith(code):
                try:
                    work(image_id, *arguments)
                except Away:
                    LOG.warning("The relation that image %s may have stays as it was until the next repair.", image_id)
            return start_response(status, *rest)

        return started

    def ours(self, said: RequestedRelation, mapped: str | None) -> Collection[str]:
        """The properties that Glance does not get."""
        return NAMES if self.settings.keep_nova_property or not said.names_nova or mapped is None else (*NAMES, NOVA)

    def refuse_large(self, content: bytes | None) -> None:
        if content is None:
            reason = f"A request that relates an image has a body of at most {self.settings.max_body} bytes."
            raise Refused(webob.exc.HTTPRequestEntityTooLarge(explanation=reason))


def stripped(environ: Environ, content: bytes | None) -> Environ:
    """The request without our headers, and with that body where there is one."""
    asked = {key: value for key, value in environ.items() if key not in relation_request.HEADERS}
    if content is not None:
        body.put(asked, content)
    return asked


def media_type(environ: Environ) -> str:
    return str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()


def is_id(value: Any) -> bool:
    """Whether Glance takes it as an id of an image: a UUID with its dashes."""
    return isinstance(value, str) and len(value) == 36 and relation_request.uuid_of(value) is not None


def instance_owner(document: Mapping[str, Any], caller: Caller) -> str | None:
    """Whose instance an image of Nova is of, where the project of the image is another one."""
    given = document.get("instance_owner") if caller.changes_all else None
    return given if isinstance(given, str) and 0 < len(given) <= 255 else None


def related(image_id: str, installation: str, instance: str, owner: Any, project: str | None) -> Relation:
    owner = owner if isinstance(owner, str) and len(owner) <= 255 else ""
    return Relation(image_id, installation, instance, project or owner, owner if project not in (None, owner) else None)

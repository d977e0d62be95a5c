# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listings by instance, and images with their relations."""

from __future__ import annotations

from typing import Any

from glance_instance_aware import rewrite
from glance_instance_aware.call import Answer, Application, Environ, call, get_image, image_of
from glance_instance_aware.caller import Caller, caller_of
from glance_instance_aware.database import DatabaseUnavailable
from glance_instance_aware.relation_request import INSTALLATION, INSTANCE, Malformed
from glance_instance_aware.rewrite import Listing
from glance_instance_aware.settings import Settings
from glance_instance_aware.table import Relation, Store

# The maximum of pending rows that one listing checks.
MAX_PENDING = 20


class Reading:
    def __init__(self, application: Application, settings: Settings, store: Store) -> None:
        self.application = application
        self.settings = settings
        self.store = store

    def index(self, environ: Environ, listing: Listing) -> Answer:
        caller = caller_of(environ, self.settings.service_roles)
        if rewrite.form_body(environ):
            raise Malformed("Cannot list images by relation: the body holds a form. Put the filters into the query.")
        found = self.related(environ, listing, caller) if listing.related else None
        asked = dict(environ)
        asked["QUERY_STRING"] = rewrite.for_glance(listing, found)
        answer = call(self.application, asked)
        document = answer.document() if answer.code == 200 else None
        if not isinstance(document, dict):
            return answer
        rewrite.links(document, listing)
        if listing.include:
            self.include(document.get("images") or [], caller)
        return answer.with_document(document)

    def show(self, environ: Environ, listing: Listing) -> Answer:
        caller = caller_of(environ, self.settings.service_roles)
        asked = dict(environ)
        asked["QUERY_STRING"] = rewrite.for_glance(listing, None)
        answer = call(self.application, asked)
        document = image_of(answer) if listing.include else None
        if document is None:
            return answer
        self.include([document], caller)
        return answer.with_document(document)

    def related(self, environ: Environ, listing: Listing, caller: Caller) -> list[str]:
        assert listing.installation is not None
        limit = self.settings.max_images
        if not caller.sees_all and not caller.project:
            return []
        rows = self.store.of_instances(listing.installation, listing.instances, caller.project_filter, limit)
        if len(rows) > limit:
            raise Malformed(f"More than {limit} images are related to these instances. Ask for fewer of them at once.")
        pending = [row for row in rows if row.pending]
        there = self.confirm(environ, pending[:MAX_PENDING]) if pending else set()
        return [row.image_id for row in rows if not row.pending or row.image_id in there]

    def confirm(self, environ: Environ, rows: list[Relation]) -> set[str]:
        """Activate the rows whose image exists with the expected owner, left pending by an interrupted request, and return their image ids."""
        seen = []
        for row in rows:
            image = image_of(get_image(self.application, environ, row.image_id))
            if image is not None and row.belongs(image):
                seen.append(row)
        self.activate(seen)
        return {row.image_id for row in seen}

    def activate(self, rows: list[Relation]) -> None:
        if rows:
            try:
                self.store.activate(rows)
            except DatabaseUnavailable:
                # The next listing activates them; a pending relation is valid meanwhile.
                return

    def include(self, images: list[dict[str, Any]], caller: Caller) -> None:
        """Add the relations that the caller may see. Properties with these names in Glance, set without the filter, are removed."""
        rows = self.store.of_images((image["id"] for image in images), caller.project_filter)
        late = []
        for image in images:
            for name in (INSTALLATION, INSTANCE):
                image.pop(name, None)
            row = rows.get(image["id"])
            if row is None or not caller.sees(row.project):
                continue
            if row.pending:
                if not row.belongs(image):
                    continue
                late.append(row)
            image.update({INSTALLATION: row.installation, INSTANCE: row.instance})
        self.activate(late)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listings by instance, and images with their relations."""

from __future__ import annotations

from typing import Any

from glance_instance_aware import rewrite
from glance_instance_aware.call import Answer, Application, Environ, call, image_of, look
from glance_instance_aware.caller import Caller, caller_of
from glance_instance_aware.database import Away
from glance_instance_aware.relation_request import INSTALLATION, INSTANCE, Malformed
from glance_instance_aware.rewrite import Listing
from glance_instance_aware.settings import Settings
from glance_instance_aware.table import Relation, Store

# How many pending rows one listing looks at.
LOOKS = 20


class Reading:
    def __init__(self, application: Application, settings: Settings, store: Store) -> None:
        self.application = application
        self.settings = settings
        self.store = store

    def index(self, environ: Environ, listing: Listing) -> Answer:
        caller = caller_of(environ, self.settings.service_roles)
        if rewrite.form_body(environ):
            raise Malformed("A listing by relation takes its filters from the query, not from a form.")
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
        most = self.settings.max_images
        if not caller.sees_all and not caller.project:
            return []
        rows = self.store.of_instances(listing.installation, listing.instances, caller.asks_for, most)
        if len(rows) > most:
            raise Malformed(f"More than {most} images are related to these instances. Ask for fewer of them at once.")
        pending = [row for row in rows if row.pending]
        there = self.confirm(environ, pending[:LOOKS]) if pending else set()
        return [row.image_id for row in rows if not row.pending or row.image_id in there]

    def confirm(self, environ: Environ, rows: list[Relation]) -> set[str]:
        """Those whose image is there and belongs to whom it should: what was cut short has been done."""
        seen = []
        for row in rows:
            image = image_of(look(self.application, environ, row.image_id))
            if image is not None and row.belongs(image):
                seen.append(row)
        self.activate(seen)
        return {row.image_id for row in seen}

    def activate(self, rows: list[Relation]) -> None:
        if rows:
            try:
                self.store.activate(rows)
            except Away:
                # The next one who looks does it; the relation holds all the same.
                return

    def include(self, images: list[dict[str, Any]], caller: Caller) -> None:
        """Adds relations that the caller may see. A property of that name that Glance has from other times is none."""
        rows = self.store.of_images((image["id"] for image in images), caller.asks_for)
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

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter in Glance's pipeline. It handles requests for images, and passes all others unchanged.

Configure it in the paste file, right after ``context``::

    [filter:instance_aware]
    paste.filter_factory = glance_instance_aware.filter:factory
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

import webob.exc

from glance_instance_aware import __version__, rewrite
from glance_instance_aware.call import Answer, Application, Environ, StartResponse
from glance_instance_aware.caller import MisplacedFilter, caller_of
from glance_instance_aware.changing import Changing, Refused
from glance_instance_aware.database import DatabaseUnavailable
from glance_instance_aware.reading import Reading
from glance_instance_aware.relation_request import Malformed
from glance_instance_aware.settings import Settings, read
from glance_instance_aware.table import Store

LOG = logging.getLogger(__name__)

# The paths in every form that Glance's routes accept: repeated slashes equal one, a trailing slash does not match.
IMAGES = re.compile(r"/+v2/+images(?:/+([^/]+?))?$")
INFO = re.compile(r"/+v2/+info/+instance-aware$")
BELOW_IMAGES = re.compile(r"/+v2/+images(?:/|$)")
DATA = re.compile(r"/+v2/+images/+[^/]+/+(?:file|stage)$")

DATABASE_UNAVAILABLE = "The database of relations of images to instances is unavailable. Try again later."


class InstanceAware:
    def __init__(self, application: Application, settings: Settings, store: Store | None = None) -> None:
        self.application = application
        self.settings = settings
        self.store = store or Store(settings.connection, settings.chunk)
        self.reading = Reading(application, settings, self.store)
        self.changing = Changing(application, settings, self.store)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        match = IMAGES.match(path)
        try:
            if self.settings.require_database and BELOW_IMAGES.match(path) and not DATA.match(path):
                self.store.probe()
            if match is not None:
                return self.images(environ, start_response, match.group(1))
            if INFO.match(path) and environ["REQUEST_METHOD"] == "GET":
                return self.info(environ).give(start_response)
        except Malformed as exc:
            return webob.exc.HTTPBadRequest(explanation=str(exc))(environ, start_response)
        except DatabaseUnavailable:
            return webob.exc.HTTPServiceUnavailable(explanation=DATABASE_UNAVAILABLE)(environ, start_response)
        except MisplacedFilter as exc:
            LOG.error("%s", exc)
            return webob.exc.HTTPInternalServerError(explanation=str(exc))(environ, start_response)
        except Refused as exc:
            return exc.answer(environ, start_response)
        return self.application(environ, start_response)

    def images(self, environ: Environ, start_response: StartResponse, image_id: str | None) -> Iterable[bytes]:
        method = method_of(environ)
        if method == "GET":
            query = environ.get("QUERY_STRING", "")
            listing = rewrite.parse_index(query, self.settings.max_instance_ids) if image_id is None else rewrite.parse_show(query)
            if listing is not None:
                answer = self.reading.index(environ, listing) if image_id is None else self.reading.show(environ, listing)
                return answer.give(start_response)
        elif method == "POST" and image_id is None:
            return self.changing.create(environ, start_response)
        elif method == "PATCH" and image_id is not None:
            return self.changing.update(environ, start_response, image_id)
        elif method == "DELETE" and image_id is not None:
            return self.changing.delete(environ, start_response, image_id)
        return self.application(environ, start_response)

    def info(self, environ: Environ) -> Answer:
        """Tells clients that the filter is in use; a Glance without it responds with 404."""
        caller_of(environ, self.settings.service_roles)
        document = {"version": __version__, "max_instance_ids": self.settings.max_instance_ids}
        return Answer("200 OK", [("Content-Type", "application/json")], b"").with_document(document)


def method_of(environ: Environ) -> str:
    """The method, which the query parameter _method overrides in Glance's router."""
    query = environ.get("QUERY_STRING", "")
    if "_method" in query:
        try:
            named = dict(rewrite.pairs_of(query)).get("_method")
        except ValueError:
            named = None
        if named:
            return named.upper()
    return str(environ["REQUEST_METHOD"])


def factory(_global_conf: dict[str, Any], **_local_conf: Any) -> Callable[[Application], InstanceAware]:
    """The factory for paste. Glance reads its configuration before it loads the pipeline."""
    from oslo_config import cfg

    settings = read(cfg.CONF)

    def make(application: Application) -> InstanceAware:
        return InstanceAware(application, settings)

    return make

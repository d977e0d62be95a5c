# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter over an application that answers as Glance does, without Glance: what reaches it is recorded, and any of it can be made to fail."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa
from glance_instance_aware import schema
from glance_instance_aware.database import engine_of
from glance_instance_aware.filter import InstanceAware
from glance_instance_aware.settings import Settings
from glance_instance_aware.table import TABLE
from sqlalchemy import event, exc

A, B = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
PATCH = "application/openstack-images-v2.1-json-patch"
OLD_PATCH = "application/openstack-images-v2.0-json-patch"


@dataclass(frozen=True)
class Caller:
    project: str | None = "alpha"
    roles: tuple[str, ...] = ("member", "reader")
    is_admin: bool = False
    read_only: bool = False
    headers: tuple[tuple[str, str], ...] = ()


ALPHA, BETA = Caller("alpha"), Caller("beta")
ADMIN = Caller("operators", ("admin",), is_admin=True)
SERVICE = Caller("services", ("Service",))
# A user whose request a service has sent on, with its own token.
FORWARDED = Caller("beta", headers=(("HTTP_X_SERVICE_IDENTITY_STATUS", "Confirmed"), ("HTTP_X_SERVICE_ROLES", "reader,service")))


@dataclass
class Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def code(self) -> int:
        return int(self.status[:3])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def ids(self) -> list[str]:
        return [image["id"] for image in self.json["images"]]


@dataclass
class Asked:
    method: str
    path: str
    query: str
    body: bytes
    environ: dict[str, Any]


@dataclass
class Glance:
    """Images in memory."""

    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    # Answers all changes so, having done nothing.
    refusal: str = ""
    # Is called before a request is answered, with what has been asked.
    before: Callable[[Asked], None] = lambda _asked: None
    after: Callable[[Asked], None] = lambda _asked: None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        size = environ.get("CONTENT_LENGTH")
        body = environ["wsgi.input"].read(int(size)) if size else environ["wsgi.input"].read() if environ.get("wsgi.input_terminated") else b""
        asked = Asked(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""), body, environ)
        self.asked.append(asked)
        self.before(asked)
        status, document = self.answer(asked, environ["webob.adhoc_attrs"]["context"])
        self.after(asked)
        said = b"" if document is None else json.dumps(document, ensure_ascii=False).encode()
        start_response(status, [("Content-Length", str(len(said))), ("Content-Type", "application/json"), ("OpenStack-image-store-ids", "one,two")])
        return [said]

    def sees(self, context: Any, image: dict[str, Any]) -> bool:
        return context.is_admin or image["owner"] == context.project_id or image.get("visibility") == "public" or context.project_id in image["members"]

    def answer(self, asked: Asked, context: Any) -> tuple[str, Any]:
        parts = asked.path.strip("/").split("/")
        if asked.method != "GET" and self.refusal:
            return self.refusal, {"refused": True}
        if parts[:2] != ["v2", "images"] or len(parts) > 3:
            return "404 Not Found", None
        if len(parts) == 2:
            return self.create(asked, context) if asked.method == "POST" else self.index(asked, context)
        image = self.images.get(parts[2])
        if image is None or not self.sees(context, image):
            return "404 Not Found", {"no": parts[2]}
        if asked.method == "DELETE":
            del self.images[parts[2]]
            return "204 No Content", None
        if asked.method == "PATCH":
            return self.update(asked, context, image)
        return "200 OK", self.view(image)

    def view(self, image: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in image.items() if name != "members"}

    def create(self, asked: Asked, context: Any) -> tuple[str, Any]:
        try:
            image = json.loads(asked.body)
        except ValueError:
            return "400 Bad Request", {"malformed": True}
        image = {"id": str(uuid.uuid4()), "owner": context.project_id, "name": "Größe", "members": [], **image}
        if image["id"] in self.images:
            return "409 Conflict", {"there": image["id"]}
        self.images[image["id"]] = image
        return "201 Created", self.view(image)

    def update(self, asked: Asked, context: Any, image: dict[str, Any]) -> tuple[str, Any]:
        changes = json.loads(asked.body)
        if changes and not context.is_admin and context.project_id != image["owner"]:
            return "403 Forbidden", None
        for change in changes:
            image[change["path"].strip("/")] = change["value"]
        return "200 OK", self.view(image)

    def index(self, asked: Asked, context: Any) -> tuple[str, Any]:
        query = dict(parse_qsl(asked.query, keep_blank_values=True))
        wanted = query.get("id", "").removeprefix("in:").split(",") if "id" in query else None
        found = [image for identifier, image in sorted(self.images.items()) if self.sees(context, image) and (wanted is None or identifier in wanted)]
        marker = query.pop("marker", "")
        found = [image for image in found if image["id"] > marker][: int(query.get("limit", "25"))]
        document = {"images": [self.view(image) for image in found], "first": "/v2/images" + (f"?{urlencode(query)}" if query else "")}
        if found and len(found) == int(query.get("limit", "25")):
            document["next"] = "/v2/images?" + urlencode({**query, "marker": found[-1]["id"]})
        return "200 OK", document


def environ_of(caller: Caller | None, method: str, path: str, body: bytes | None = None, content_type: str = "", **more: Any) -> dict[str, Any]:
    path, _mark, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "glance",
        "SERVER_PORT": "80",
    }
    environ.update({"wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body or b""), "REMOTE_ADDR": "192.0.2.7"})
    if body is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
        environ["CONTENT_TYPE"] = content_type or (PATCH if method == "PATCH" else "application/json")
    if caller is not None:
        context = SimpleNamespace(project_id=caller.project, roles=list(caller.roles), is_admin=caller.is_admin, read_only=caller.read_only)
        environ["webob.adhoc_attrs"] = {"context": context}
        environ.update({"HTTP_X_PROJECT_ID": caller.project or "", **dict(caller.headers)})
    return {**environ, **more}


def ask(app: Any, environ: dict[str, Any]) -> Answer:
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        started[:] = [status, headers]

    result = app(environ, start_response)
    body = b"".join(result)
    if hasattr(result, "close"):
        result.close()
    return Answer(*started, body)


class Aware:
    """The filter over that Glance, with a table in a file."""

    def __init__(self, connection: str, glance: Glance | None = None, **settings: Any) -> None:
        self.glance = glance or Glance()
        self.settings = Settings(connection, **settings)
        self.filter = InstanceAware(self.glance, self.settings)
        self.connections: list[Any] = []

    @property
    def engine(self) -> sa.engine.Engine:
        new = self.filter.store.current_engine is None
        engine = self.filter.store.engine
        if new:
            event.listen(engine, "connect", lambda connection, _record: self.connections.append(connection))
        return engine

    def ask(self, caller: Caller | None, method: str, path: str, body: Any = None, content_type: str = "", **more: Any) -> Answer:
        given = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return ask(self.filter, environ_of(caller, method, path, given, content_type, **more))

    def create(self, caller: Caller = ALPHA, instance: Any = "123", installation: Any = A, **body: Any) -> str:
        answer = self.ask(caller, "POST", "/v2/images", {**body, "nova_installation_uuid": installation, "instance_id": instance})
        assert answer.code == 201, answer.text
        return answer.json["id"]

    def plain(self, caller: Caller = ALPHA, **body: Any) -> str:
        return self.ask(caller, "POST", "/v2/images", body).json["id"]

    def related(self, caller: Caller = ALPHA, instance: str = "123", installation: str = A, rest: str = "") -> list[str]:
        answer = self.ask(caller, "GET", f"/v2/images?nova_installation_uuid={installation}&instance_id={instance}{rest}")
        assert answer.code == 200, answer.text
        return answer.ids

    def rows(self) -> dict[str, tuple[str, str, str, str]]:
        columns = (TABLE.c.image_id, TABLE.c.nova_installation_uuid, TABLE.c.instance_id, TABLE.c.project_id, TABLE.c.state)
        with self.engine.connect() as connection:
            return {row[0]: tuple(row[1:]) for row in connection.execute(sa.select(*columns))}

    def close(self) -> None:
        if self.filter.store.current_engine is not None:
            self.filter.store.current_engine.dispose()

    def die(self) -> None:
        """The process has ended: its connections close as they are, and another process begins."""
        for connection in self.connections:
            connection.close()
        self.connections.clear()
        self.filter.store.current_engine = None


def make_table(directory: Path) -> str:
    connection = f"sqlite:///{directory}/aware.sqlite"
    with engine_of(connection) as engine:
        schema.upgrade(engine)
    return connection


class Crash(BaseException):
    """The process ends here."""


def away() -> exc.OperationalError:
    return exc.OperationalError("SELECT secret", {}, Exception("server closed the connection to glance:password@db"))


@dataclass
class Faults:
    """Fails at the n-th point at which a process talks to its database: before a statement, or before a transaction ends."""

    make: Callable[[], BaseException]
    at: int = 0
    points: int = 0

    def point(self, *_arguments: Any, **_named: Any) -> None:
        self.points += 1
        if self.points == self.at:
            raise self.make()

    @contextmanager
    def on(self, engine: sa.engine.Engine) -> Iterator[Faults]:
        kinds = ("before_cursor_execute", "commit")
        for kind in kinds:
            event.listen(engine, kind, self.point)
        try:
            yield self
        finally:
            for kind in kinds:
                event.remove(engine, kind, self.point)

    @property
    def fired(self) -> bool:
        return self.points >= self.at

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Glance in this process, from its own paste file, twice over the same database and store: with the filter (`aware`) and without it (`plain`)."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import glance
import glance.async_
import glance_store
import sqlalchemy
import webob
from glance.common import config, wsgi_app
from glance.db.sqlalchemy import api as glance_database
from oslo_config import cfg
from oslo_utils import timeutils

# What the environment of Glance holds beside its packages.
PASTE = Path(sys.prefix, "etc", "glance", "glance-api-paste.ini")
PACKAGE = Path(__file__).parents[4] / "roles" / "glance_instance_aware" / "files"
TABLE = "instance_aware_images"
# Glance's tables that a request may change, in an order in which they can be emptied.
EMPTIED = ("cached_images", "node_reference", "task_info", "tasks", "image_locations", "image_members", "image_properties", "image_tags", "images", TABLE)
START = datetime.datetime(2026, 1, 1)


@dataclass(frozen=True)
class Caller:
    """Who asks: a token of the tests' own says all that Keystone would."""

    project: str
    roles: str = "member,reader"
    user: str = ""
    service: str = ""

    @property
    def headers(self) -> dict[str, str]:
        made = {"X-Auth-Token": f"{self.user or 'user-of-' + self.project}:{self.project}:{self.roles}"}
        if self.service:
            made["X-Service-Token"] = f"nova:service:{self.service}"
        return made


ADMIN = Caller("operators", "admin,member,reader")
SERVICE = Caller("services", "service,member,reader", user="nova")


class Identity:
    """In the place of keystonemiddleware: `user:project:role,role`, for tokens of users and of services; what a client says about itself goes."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        for name in [name for name in environ if name.startswith(("HTTP_X_USER", "HTTP_X_PROJECT", "HTTP_X_ROLE", "HTTP_X_IDENTITY", "HTTP_X_SERVICE"))]:
            if name != "HTTP_X_SERVICE_TOKEN":
                del environ[name]
        self.confirm(environ, "HTTP_X_AUTH_TOKEN", "HTTP_X_")
        self.confirm(environ, "HTTP_X_SERVICE_TOKEN", "HTTP_X_SERVICE_")
        return self.app(environ, start_response)

    @staticmethod
    def confirm(environ: dict[str, Any], token: str, prefix: str) -> None:
        if token not in environ:
            return
        parts = environ[token].split(":")
        if len(parts) != 3:
            environ[prefix + "IDENTITY_STATUS"] = "Invalid"
            return
        user, project, roles = parts
        environ[prefix + "IDENTITY_STATUS"] = "Confirmed"
        for what, name in (("USER", user), ("PROJECT", project)):
            environ.update({f"{prefix}{what}_ID": name, f"{prefix}{what}_NAME": name})
            environ.update({f"{prefix}{what}_DOMAIN_ID": "default", f"{prefix}{what}_DOMAIN_NAME": "Default"})
        environ[prefix + "ROLES"] = roles


def identity(_global_settings: dict[str, str], **_settings: str) -> Callable[[Any], Identity]:
    return Identity


class Probe:
    """Below the filter, for tests of what reaches Glance: each request is told to who listens, and may end the process on its way there or back."""

    listeners: list[Callable[[dict[str, Any]], None]] = []

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        for listener in self.listeners:
            listener(environ)
        if not os.environ.get("IMAGE_SERVICES_FAULTS"):
            return self.app(environ, start_response)
        # The looks of the filter itself have the headers of their request too.
        fault = environ.get("HTTP_X_TEST_FAULT") if environ["REQUEST_METHOD"] != "GET" else None
        if fault == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = webob.Request(environ).get_response(self.app)
        if fault == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        answer.headers["X-Test-Process"] = str(os.getpid())
        return answer(environ, start_response)


def probe(_global_settings: dict[str, str], **_settings: str) -> Callable[[Any], Probe]:
    return Probe


def write_configuration(directory: Path, connection: str, /, **aware: Any) -> Path:
    """Glance's files below the directory; `aware` is the section of the filter. Returns the one that is given to programs."""
    paste = PASTE.read_text()
    head = "cors http_proxy_to_wsgi versionnegotiation osprofiler"
    pipelines = {"plain": f"{head} identity context rootapp", "aware": f"{head} identity context instance_aware probe rootapp"}
    composite = "\n".join(f"{flavor} = {pipeline}" for flavor, pipeline in pipelines.items())
    assert "[composite:api]\npaste.composite_factory = glance.api:pipeline_factory\n" in paste
    paste = paste.replace("paste.composite_factory = glance.api:pipeline_factory\n", f"paste.composite_factory = glance.api:pipeline_factory\n{composite}\n")
    for flavor in pipelines:
        paste += f"\n[composite:glance-api-{flavor}]\npaste.composite_factory = glance.api:root_app_factory\n/: api\n/healthcheck: healthcheck\n"
    for name, factory in {"identity": "glance_app:identity", "probe": "glance_app:probe", "instance_aware": "glance_instance_aware.filter:factory"}.items():
        paste += f"\n[filter:{name}]\npaste.filter_factory = {factory}\n"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "paste.ini").write_text(paste)
    for name in ("images", "staging", "tasks"):
        (directory / name).mkdir(exist_ok=True)
    sections: dict[str, dict[str, Any]] = {
        "DEFAULT": {
            "enabled_backends": "images:file",
            "enabled_import_methods": "[glance-direct,web-download,copy-image]",
            "log_file": directory / "glance.log",
            "use_stderr": "false",
            "worker_self_reference_url": "http://127.0.0.1:9292",
        },
        "database": {"connection": connection, "sqlite_synchronous": "false", "max_retries": "0"},
        "glance_store": {"default_backend": "images"},
        "images": {"filesystem_store_datadir": directory / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": directory / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": directory / "tasks"},
        "paste_deploy": {"config_file": directory / "paste.ini", "flavor": "aware"},
        "glance_instance_aware": aware,
    }
    lines: list[str] = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        for name, value in options.items():
            lines += [f"{name} = {one}" for one in (value if isinstance(value, list) else [value])]
    path = directory / "glance-api.conf"
    path.write_text("\n".join(lines) + "\n")
    return path


def command(words: list[str]) -> str:
    """What an operator runs; returns what it printed."""
    environment = {**os.environ, "PYTHONPATH": f"{PACKAGE}:{Path(__file__).parent}", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def filter_command(configuration: Path, *words: str) -> dict[str, Any]:
    """A command of the filter; returns the line that it says."""
    said = command([sys.executable, "-m", "glance_instance_aware", "--config-file", str(configuration), *words])
    return json.loads(said.strip().splitlines()[-1])


def filter_of(app: Any) -> Any:
    """The filter in a pipeline that has it."""
    (app,) = (one for (_domain, path), one in app.applications if path == "")
    while not hasattr(app, "store"):
        app = getattr(app, "application", None) or app.app
    return app


@dataclass
class GlanceUnderTest:
    """Glance over one database."""

    directory: Path
    kind: str
    connection: str
    # The section of the filter, as it was read last.
    settings: dict[str, Any] | None = None
    plain: Any = None
    aware: Any = None
    # The time as Glance has it: a second later with each request, so that the order of times is that of the requests.
    now: datetime.datetime = START
    numbers: int = 0
    # Where the table of the filter is, if not beside Glance's.
    elsewhere: str = ""
    engine: sqlalchemy.Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = sqlalchemy.create_engine(self.connection, poolclass=sqlalchemy.NullPool)

    @property
    def is_current(self) -> bool:
        """Whether the settings of this process, which has one Glance at a time, are those of this one."""
        return cfg.CONF.config_file == [str(self.configuration)] or cfg.CONF.default_config_files == [str(self.configuration)]

    @property
    def configuration(self) -> Path:
        return self.directory / "glance-api.conf"

    def load(self, **aware: Any) -> None:
        """Reads the configuration as the WSGI application does, with this section of the filter's own, and builds both pipelines."""
        write_configuration(self.directory, self.connection, **aware)
        self.leave()
        cfg.CONF.reset()
        config.set_config_defaults()
        cfg.CONF([], project="glance", prog="glance-api", default_config_files=[str(self.configuration)], default_config_dirs=[])
        glance.async_.set_threadpool_model("native")
        glance_store.register_store_opts(cfg.CONF, reserved_stores=wsgi_app.RESERVED_STORES)
        glance_store.create_multi_stores(cfg.CONF, reserved_stores=wsgi_app.RESERVED_STORES)
        glance_store.verify_store()

    def use(self, **aware: Any) -> None:
        """Makes this the Glance of this process, with this section of the filter's."""
        if self.settings != aware or not self.is_current:
            self.load(**aware)
            self.build()
            self.settings = aware

    def leave(self) -> None:
        """Closes the connections of this Glance and of its filter, and those of whichever Glance this process had."""
        if self.aware is not None:
            filter_of(self.aware).store.engine.dispose()
        if glance_database._main_context_manager is not None:
            glance_database.get_engine().dispose()
            glance_database.clear_db_env()

    def build(self) -> None:
        self.plain, self.aware = (self.pipeline(flavor) for flavor in ("plain", "aware"))

    @staticmethod
    def pipeline(flavor: str) -> Any:
        cfg.CONF.set_override("flavor", flavor, group="paste_deploy")
        return config.load_paste_app("glance-api")

    def migrate(self) -> None:
        command([str(Path(sys.executable).with_name("glance-manage")), "--config-file", str(self.configuration), "db_sync"])

    def call(self, app: Any, method: str, path: str, caller: Caller, *, body: Any = None, headers: dict[str, str] | None = None) -> webob.Response:
        """One request; `body` may be bytes, chunks of them, or what becomes JSON."""
        request = webob.Request.blank(path, method=method)
        # Glance takes the id of a request from its caller: it is the same with the filter and without.
        request.headers.update({"X-Openstack-Request-ID": "req-of-a-test", **caller.headers})
        if isinstance(body, bytes):
            request.body = body
        elif isinstance(body, Chunks):
            request.environ["wsgi.input"] = body
            request.headers["Transfer-Encoding"] = "chunked"
            request.environ["wsgi.input_terminated"] = True
        elif body is not None:
            request.body = json.dumps(body).encode()
            request.headers["Content-Type"] = "application/json"
        request.headers.update(headers or {})
        self.now += datetime.timedelta(seconds=1)
        timeutils.set_time_override(self.now)
        try:
            return request.get_response(app)
        finally:
            timeutils.clear_time_override()

    def next_id(self) -> str:
        """The id of an image to be, the same in every run."""
        self.numbers += 1
        return str(uuid.UUID(int=0x5EED_0000_0000_4000_8000_0000_0000_0000 + self.numbers))

    def empty(self) -> None:
        """As after the migrations, for the next test."""
        self.now = START
        self.numbers = 0
        with self.engine.begin() as connection:
            there = set(sqlalchemy.inspect(connection).get_table_names())
            for table in EMPTIED:
                if table in there:
                    connection.execute(sqlalchemy.text(f"DELETE FROM {table}"))
        if self.elsewhere:
            self.rows(f"DELETE FROM {TABLE}")
        for place in ("images", "staging"):
            for path in (self.directory / place).iterdir():
                path.unlink()

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """What a statement on the filter's table, or beside it, finds."""
        engine = sqlalchemy.create_engine(self.elsewhere, poolclass=sqlalchemy.NullPool) if self.elsewhere else self.engine
        with engine.begin() as connection:
            done = connection.execute(sqlalchemy.text(statement), values)
            return [tuple(row) for row in done] if done.returns_rows else []

    def relations(self) -> dict[str, tuple[str, str, str, str]]:
        """What the filter's table holds."""
        rows = self.rows(f"SELECT image_id, nova_installation_uuid, instance_id, project_id, state FROM {TABLE}")
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Glance's own tables, without the numbers that databases give."""
        tables = {}
        with self.engine.connect() as connection:
            for table in EMPTIED[:-1]:
                rows = connection.execute(sqlalchemy.text(f"SELECT * FROM {table}")).mappings().all()
                kept = [{name: value for name, value in row.items() if name != "id" or table == "images"} for row in rows]
                tables[table] = sorted(kept, key=repr)
        return tables


class Chunks:
    """A body that is made as it is read."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.parts = iter(parts)
        self.rest = b""

    def read(self, size: int = -1) -> bytes:
        while not self.rest or size < 0:
            part = next(self.parts, None)
            if part is None:
                break
            self.rest += part
        size = len(self.rest) if size < 0 else size
        said, self.rest = self.rest[:size], self.rest[size:]
        return said


@contextlib.contextmanager
def glance_of(directory: Path, kind: str, database: str, /, **aware: Any) -> Iterator[GlanceUnderTest]:
    """A Glance whose tables are there, and the filter's."""
    made = GlanceUnderTest(directory, kind, database, elsewhere=aware.get("connection", ""))
    write_configuration(directory, database, **aware)
    made.migrate()
    filter_command(made.configuration, "upgrade")
    made.use(**aware)
    try:
        yield made
    finally:
        made.leave()
        cfg.CONF.clear()

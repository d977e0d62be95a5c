# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The section [glance_instance_aware] of glance-api.conf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oslo_config import cfg
from sqlalchemy.engine import make_url

from glance_instance_aware.installations import Rule, parse

SECTION = "glance_instance_aware"

OPTIONS = [
    cfg.StrOpt("connection", secret=True, help="SQLAlchemy URL of the database with the table. By default, the one in [database]."),
    cfg.MultiStrOpt(
        "installations",
        default=[],
        help="Which installation of Nova the property instance_uuid of a caller's images belongs to, as kind:name=UUID. Separate several by commas or "
        "give the option several times; the first match applies. Kinds: service_user (of the service token), user, project, domain (of the project, or of the "
        "user), each by id or name; address:CIDR (of the client); and * alone, which matches every caller. Names are those of any domain, so ids are safer.",
    ),
    cfg.BoolOpt("keep_nova_property", default=True, help="Whether the property instance_uuid stays in Glance too, where Nova looks for it to rotate backups."),
    cfg.ListOpt(
        "service_roles",
        default=["service"],
        help="Roles that may set relations of images of any project, and see all relations when they are the caller's own.",
    ),
    cfg.BoolOpt(
        "require_database", default=False, help="Whether all requests for images, except for their data, fail with 503 while the database is unavailable."
    ),
    cfg.IntOpt("max_instance_ids", default=10000, min=1, help="The maximum of instance ids in one listing."),
    cfg.IntOpt("max_images", default=10000, min=1, help="The maximum of images that the instances of one listing may be related to."),
    cfg.IntOpt(
        "max_body", default=16 * 1024 * 1024, min=1, help="The maximum size of a body in bytes that is searched for a relation. Larger bodies pass unchanged."
    ),
    cfg.IntOpt("chunk", default=500, min=1, max=10000, help="The maximum of ids in one query of the database."),
]


@dataclass(frozen=True)
class Settings:
    """The options, checked."""

    connection: str
    installations: tuple[Rule, ...] = ()
    keep_nova_property: bool = True
    service_roles: frozenset[str] = frozenset({"service"})
    require_database: bool = False
    max_instance_ids: int = 10000
    max_images: int = 10000
    max_body: int = 16 * 1024 * 1024
    chunk: int = 500


def list_options() -> list[tuple[str, list[Any]]]:
    return [(SECTION, OPTIONS)]


def glance_connection(conf: Any) -> str | None:
    """The connection in [database]. Glance registers its options before it loads filters; a command registers them here, from oslo.db."""
    try:
        section = conf.database
        section.connection  # noqa: B018 - the section may be there without it
    except (cfg.NoSuchGroupError, cfg.NoSuchOptError):
        from oslo_db import options

        conf.register_opts(options.database_opts, group="database")
        section = conf.database
    if not section.connection or not section.connection_parameters:
        return section.connection
    return make_url(section.connection).update_query_string(section.connection_parameters, append=True).render_as_string(hide_password=False)


def read(conf: Any) -> Settings:
    """Read and check the options; raises ValueError where one cannot be used."""
    conf.register_opts(OPTIONS, group=SECTION)
    section = conf[SECTION]
    connection = section.connection or glance_connection(conf)
    if not connection:
        raise ValueError(f"Cannot use instance-aware images: there is no database. Set connection in [database] or in [{SECTION}].")
    return Settings(
        connection=connection,
        installations=parse(section.installations),
        keep_nova_property=section.keep_nova_property,
        service_roles=frozenset(role.strip().lower() for role in section.service_roles if role.strip()),
        require_database=section.require_database,
        max_instance_ids=section.max_instance_ids,
        max_images=section.max_images,
        max_body=section.max_body,
        chunk=section.chunk,
    )

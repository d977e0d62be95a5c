# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases in fields and as URLs: what SQLAlchemy's own reading of the URL gives back, and what is refused without a part of the password."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.database_url import DRIVERS, database
from hypothesis import given
from hypothesis import strategies as st

# The expression by which SQLAlchemy 2 reads a URL (sqlalchemy/engine/url.py); user and password are unquoted then.
SQLALCHEMY = re.compile(
    r"""
            (?P<name>[\w\+]+)://
            (?:
                (?P<username>[^:/]*)
                (?::(?P<password>[^@]*))?
            @)?
            (?:
                (?:\[(?P<ipv6host>[^/\?]+)\] |
                (?P<ipv4host>[^/:\?]+))?
                (?::(?P<port>[^/\?]*))?
            )?
            (?:/(?P<database>[^\?]*))?
            (?:\?(?P<query>.*))?
            """,
    re.X,
)
PASSWORDS = [
    "plain",
    "p@ss",
    "a/b",
    "#tag",
    "100%",
    "%41",
    "a:b",
    "q?x=1",
    "a&b",
    "[::1]",
    "ü ñ",
    " edge ",
    "'\"`",
    "$(x) $$ {{ x }}",
    "\\",
    "+",
    "a@b/c#d%e",
    "%",
    "://",
]
FIELDS: dict[str, Any] = {"host": "db.example.org", "user": "glance", "password": "p", "name": "glance"}


def read(url: str) -> dict[str, str | None]:
    found = SQLALCHEMY.match(url)
    assert found is not None
    assert found.end() == len(url)
    return {**found.groupdict(), "username": unquote(found["username"] or ""), "password": unquote(found["password"] or "")}


@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
@pytest.mark.parametrize("password", PASSWORDS)
def test_every_password_is_read_back(kind: str, password: str) -> None:
    found = database({**FIELDS, "type": kind, "user": password[::-1], "password": password}, "glance_database", True)
    seen = read(found.url)
    assert (seen["username"], seen["password"], seen["ipv4host"], seen["database"]) == (password[::-1], password, "db.example.org", "glance")
    parts = urlsplit(found.url)
    assert (unquote(parts.username or ""), unquote(parts.password or ""), parts.hostname, parts.path) == (password[::-1], password, "db.example.org", "/glance")
    assert found.findings == ()
    assert password in found.secrets
    assert f"{seen['name']}://{found.url.rpartition('@')[2]}" == found.name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_password_is_read_back(password: str) -> None:
    assert read(database({**FIELDS, "password": password}, "glance_database", True).url)["password"] == password


@pytest.mark.parametrize(
    ("fields", "url", "packages"),
    [
        ({}, "mysql+pymysql://glance:p@db.example.org/glance?charset=utf8mb4", ("pymysql",)),
        ({"port": 3307}, "mysql+pymysql://glance:p@db.example.org:3307/glance?charset=utf8mb4", ("pymysql",)),
        ({"type": "postgresql"}, "postgresql+psycopg://glance:p@db.example.org/glance", ("psycopg", "psycopg-binary")),
        ({"password": None}, "mysql+pymysql://glance@db.example.org/glance?charset=utf8mb4", ("pymysql",)),
        ({"host": "2001:db8::1", "port": 1}, "mysql+pymysql://glance:p@[2001:db8::1]:1/glance?charset=utf8mb4", ("pymysql",)),
        ({"ca_cert": "/etc/ssl/a&b.pem"}, "mysql+pymysql://glance:p@db.example.org/glance?charset=utf8mb4&ssl_ca=/etc/ssl/a%26b.pem", ("pymysql",)),
        (
            {"type": "postgresql", "ca_cert": "/etc/ssl/ca.pem"},
            "postgresql+psycopg://glance:p@db.example.org/glance?sslmode=verify-full&sslrootcert=/etc/ssl/ca.pem",
            ("psycopg", "psycopg-binary"),
        ),
    ],
)
def test_fields_become_a_url(fields: dict[str, Any], url: str, packages: tuple[str, ...]) -> None:
    found = database({**FIELDS, **fields}, "glance_database", True)
    assert (found.url, found.packages, found.findings) == (url, packages, ())


def test_authorities_are_a_parameter_of_the_driver() -> None:
    url = database({**FIELDS, "ca_cert": "/etc/ssl/a b&c+d.pem"}, "glance_database", True).url
    assert parse_qs(urlsplit(url).query) == {"charset": ["utf8mb4"], "ssl_ca": ["/etc/ssl/a b&c+d.pem"]}


@pytest.mark.parametrize(
    ("url", "backend", "name", "packages"),
    [
        ("sqlite:////var/lib/glance/a@b.sqlite?timeout=60", "sqlite", "sqlite:////var/lib/glance/a@b.sqlite?timeout=60", ()),
        ("sqlite://", "sqlite", "sqlite://", ()),
        ("mysql+pymysql://u:p@h/d?charset=utf8mb4", "mysql", "mysql+pymysql://h/d?charset=utf8mb4", ("pymysql",)),
        ("mariadb+pymysql://u:p@h/d", "mysql", "mariadb+pymysql://h/d", ("pymysql",)),
        ("mysql+pymysql://u:p/q#r%@h/d", "mysql", "mysql+pymysql://h/d", ("pymysql",)),
        ("mysql+pymysql://u:p@[::1]:3306/d", "mysql", "mysql+pymysql://[::1]:3306/d", ("pymysql",)),
        ("postgresql+psycopg://u:p@h/d", "postgresql", "postgresql+psycopg://h/d", ("psycopg", "psycopg-binary")),
        ("postgresql+psycopg2://u:p@h/d", "postgresql", "postgresql+psycopg2://h/d", ("psycopg2-binary",)),
        ("postgresql://u:p@h/d", "postgresql", "postgresql://h/d", ("psycopg", "psycopg-binary", "psycopg2-binary")),
        ("postgresql+psycopg://u@/d?host=/run/postgresql", "postgresql", "postgresql+psycopg:///d?host=/run/postgresql", ("psycopg", "psycopg-binary")),
    ],
)
def test_a_url_stays_as_it_is(url: str, backend: str, name: str, packages: tuple[str, ...]) -> None:
    found = database(url, "glance_database_url", True)
    assert (found.url, found.backend, found.name, found.packages, found.findings) == (url, backend, name, packages, ())


SECRET = "s3cret"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (f"mysql+pymysql://u:{SECRET}@x@h/d", "its user or password holds a character that has to be quoted. Give both in fields"),
        (f"mysql+pymysql://u:{SECRET}@x/y@h/d", "its user or password holds a character that has to be quoted. Give both in fields"),
        (f"mysql+pymysql://u:x@{SECRET}:y@h/d", "its port is no number, or its password holds a character that has to be quoted"),
        (f"mysql+pymysql://u:p@h:{SECRET}/d", "its port is no number"),
        (f"mysql://u:{SECRET}@h/d", "the role installs no driver for 'mysql'. Write mysql+pymysql."),
        (f"mysql+mysqldb://u:{SECRET}@h/d", "the role installs no driver for 'mysql+mysqldb'. Write mysql+pymysql."),
        (f"postgres://u:{SECRET}@h/d", "the role installs no driver for 'postgres'. Write postgresql+psycopg."),
        (f"postgresql+asyncpg://u:{SECRET}@h/d", "the role installs no driver for 'postgresql+asyncpg'. Write postgresql+psycopg."),
        (f"oracle://u:{SECRET}@h/d", "the role installs no driver for 'oracle'. Choose from mariadb+pymysql, mysql+pymysql, "),
        (f"u:{SECRET}@h/d", "it is no URL of SQLAlchemy. Write it as"),
        ("", "it is no URL of SQLAlchemy"),
        ({**FIELDS, "host": f"u:{SECRET}@h"}, "its host is empty or holds a character that no host has. Correct host."),
        ({**FIELDS, "host": ""}, "its host is empty"),
        ({**FIELDS, "name": f"{SECRET}?x"}, "its name is empty or holds a character that no name has. Correct name."),
        ({"password": SECRET}, "its host is empty"),
    ],
)
def test_what_is_refused_without_a_part_of_the_password(given: str | dict[str, Any], words: str) -> None:
    found = database(given, "glance_database_url", True)
    assert found.findings[0].startswith("Cannot use database 'glance_database_url': ")
    assert words in found.findings[0]
    assert SECRET not in repr(found)
    assert found.url == ""


@pytest.mark.parametrize("scheme", ["mysql+mysqldb", "oracle+oracledb", *DRIVERS])
def test_another_driver_may_come_from_elsewhere(scheme: str) -> None:
    assert database(f"{scheme}://u:p@h/d", "glance_database_url", False).findings == ()

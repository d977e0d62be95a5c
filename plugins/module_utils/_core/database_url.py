# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The database of a service, as a URL of SQLAlchemy or in fields: what the service is told, what it needs, and what is a secret of it. No I/O.

No message repeats a part of what was given but the name of the driver: a password that is not quoted may be in any other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from .errors import cannot

# As SQLAlchemy reads a URL.
_URL = re.compile(
    r"(?P<scheme>[\w+]+)://(?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?(?:(?:\[(?P<ipv6>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>[^/?]*))?)?"
    r"(?:/(?P<name>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
# What a driver is installed from. Where a URL of PostgreSQL names none, SQLAlchemy 2.0 takes psycopg2, and 2.1 psycopg.
DRIVERS: Mapping[str, tuple[str, ...]] = {
    "sqlite": (),
    "sqlite+pysqlite": (),
    "mysql+pymysql": ("pymysql",),
    "mariadb+pymysql": ("pymysql",),
    "postgresql": ("psycopg", "psycopg-binary", "psycopg2-binary"),
    "postgresql+psycopg": ("psycopg", "psycopg-binary"),
    "postgresql+psycopg2": ("psycopg2-binary",),
}
_INSTEAD = {"mysql": "mysql+pymysql", "mariadb": "mysql+pymysql", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
# Type of a database in fields -> scheme, and what its driver calls the encoding and the file of authorities.
_TYPES: Mapping[str, tuple[str, str, str]] = {
    "mysql": ("mysql+pymysql", "charset=utf8mb4", "ssl_ca={}"),
    "postgresql": ("postgresql+psycopg", "", "sslmode=verify-full&sslrootcert={}"),
}
_NAME = re.compile(r"[\w.$-]+")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?")


@dataclass(frozen=True)
class Database:
    """``name`` is the URL without user and password; ``secrets`` are the password as it is written and as it reads."""

    url: str = ""
    backend: str = ""
    name: str = ""
    packages: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


def database(given: str | Mapping[str, Any], label: str, drivers: bool) -> Database:
    """``label`` is the variable that holds it. With ``drivers``, only the drivers that a role installs are accepted."""
    if isinstance(given, Mapping):
        return _of_fields(given, label)
    found = _URL.fullmatch(given)
    if found is None:
        return _refused(label, "it is no URL of SQLAlchemy", "Write it as mysql+pymysql://user:password@host/name")
    scheme, password = found["scheme"], found["password"] or ""
    backend = scheme.partition("+")[0]
    if drivers and scheme not in DRIVERS:
        close = _INSTEAD.get(backend)
        instead = f"Write {close}" if close else f"Choose from {', '.join(sorted(DRIVERS))}"
        return _refused(label, f"the role installs no driver for '{scheme}'", instead)
    if backend != "sqlite" and "@" in (found["host"] or "") + (found["name"] or ""):
        return _refused(label, "its user or password holds a character that has to be quoted", "Give both in fields, where they are quoted")
    if found["port"] and not found["port"].isdecimal():
        return _refused(label, "its port is no number, or its password holds a character that has to be quoted", "Correct it, or give it in fields")
    return Database(
        url=given,
        backend="mysql" if backend == "mariadb" else backend,
        name=re.sub("//[^@]*@", "//", given, count=1) if found["user"] is not None else given,
        packages=DRIVERS.get(scheme, ()),
        secrets=tuple(dict.fromkeys(filter(None, (password, unquote(password))))),
    )


def _of_fields(given: Mapping[str, Any], label: str) -> Database:
    scheme, encoding, trust = _TYPES[given.get("type") or "mysql"]
    host, port, name = str(given.get("host") or ""), str(given.get("port") or ""), str(given.get("name") or "")
    user, password = str(given.get("user") or ""), str(given.get("password") or "")
    for field, value, form in (("host", host, _HOST), ("name", name, _NAME)):
        if not form.fullmatch(value):
            return _refused(label, f"its {field} is empty or holds a character that no {field} has", f"Correct {field}")
    query = "&".join(filter(None, (encoding, trust.format(quote(str(given["ca_cert"]))) if given.get("ca_cert") else "")))
    place = f"[{host}]" if ":" in host else host
    rest = f"{place}{f':{port}' if port else ''}/{name}{f'?{query}' if query else ''}"
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return Database(
        url=f"{scheme}://{login}@{rest}",
        backend=scheme.partition("+")[0],
        name=f"{scheme}://{rest}",
        packages=DRIVERS[scheme],
        secrets=tuple(dict.fromkeys(filter(None, (password, quote(password, safe=""))))),
    )


def _refused(label: str, cause: str, advice: str) -> Database:
    return Database(findings=(str(cannot("use", "database", label, cause, advice)),))

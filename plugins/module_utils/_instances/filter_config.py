# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What the role glance_instance_aware gives Glance: the drop-in of its configuration, and why not. No I/O."""

from __future__ import annotations

import ipaddress
import posixpath
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import ndiff
from typing import Any

from .._core.errors import cannot
from .._core.ini import Unwritable, document, escape, literal, parse, scalar
from .._core.masked_diff import MASK
from .._stores.override import Unclear, for_merge, merge, split
from .paste import Filter

SECTION, PASTE = "glance_instance_aware", "paste_deploy"
FILTER = Filter("instance_aware", "glance_instance_aware.filter:factory", "# The role xenstack.image_services.glance_instance_aware adds this filter.")
BASE_PASTE = "glance-api-paste.ini"
ANY = "any"
AROUND = ("# BEGIN of the images' instances: the role xenstack.image_services.glance_instance_aware writes this block.", "# END of the images' instances")


@dataclass(frozen=True)
class Base:
    """What Glance's configuration says without us, from its files in the order in which they are read."""

    flavor: str
    # The paste file as Glance finds it.
    paste_file: str
    # Where Glance's own database is; a secret.
    connection: str
    findings: tuple[str, ...]


def base(files: Mapping[str, str], config_dir: str, drop_in: str, paste_file: str, merged: str = "") -> Base:
    """``drop_in`` is the path of the role's own file, ``paste_file`` the one that it derives; in the file ``merged`` its lines are mixed with the others."""
    flavor = found = connection = ""
    findings: list[str] = []
    for path in sorted(files, key=_reading_order):
        sections = parse(files[path])
        paste = sections.get(PASTE, {})
        if path == drop_in:
            continue
        if SECTION in sections and path != merged:
            findings.append(_refuse(f"'{path}' has a section [{SECTION}] that this role has not written", "Say its options in the role's variables"))
        flavor = _last(paste, "flavor", flavor)
        connection = _last(sections.get("database", {}), "connection", connection)
        if "config_file" in paste and not (path == merged and _same(config_dir, _last(paste, "config_file", ""), paste_file)):
            found = _last(paste, "config_file", "")
            if path != merged and _reading_order(path) > _reading_order(drop_in):
                findings.append(_refuse(f"'{path}' is read after '{drop_in}' and sets config_file of [{PASTE}] as well", "Move that to a file before it"))
    found = posixpath.join(config_dir, found or BASE_PASTE)
    if _same(config_dir, found, paste_file):
        findings.append(_refuse(f"[{PASTE}] config_file names '{found}' already, in a file that this role has not written", "Name Glance's own there"))
    return Base(flavor, found, connection, tuple(findings))


def _last(options: Mapping[str, list[str]], name: str, default: str) -> str:
    """The last of an option's values counts; references are not followed."""
    return literal(options[name][-1]) if name in options else default


def _same(config_dir: str, one: str, other: str) -> bool:
    return posixpath.normpath(posixpath.join(config_dir, one)) == posixpath.normpath(posixpath.join(config_dir, other))


def _reading_order(path: str) -> tuple[int, bool, str]:
    """Glance reads its main files before those of their directories, and a site those of one host after those of all."""
    return path.count("/"), not path.endswith("/glance-image-import.conf"), path


def connection_settings(connection: str, deployed: str) -> str:
    """What tells the filter's program where the table is: the connection that is given, else that of the deployed drop-in, else Glance's own."""
    written = (
        [("connection", escape(connection))] if connection else [("connection", value) for value in parse(deployed).get(SECTION, {}).get("connection", [])[-1:]]
    )
    return document("", {SECTION: written})


def drop_in(header: str, paste_file: str, settings: Mapping[str, Any]) -> str:
    """The file; an option that is empty or null is left to the filter's own default."""
    options = [("installations", escape(matcher(entry))) for entry in settings.get("installations") or ()]
    for name, value in settings.items():
        if name != "installations" and value is not None and value not in ("", []):
            try:
                options.append((name, escape(",".join(map(str, value)) if isinstance(value, list) else scalar(value))))
            except Unwritable as unwritable:
                raise cannot("write", "option", name, str(unwritable), "Give another value") from unwritable
    return document(header, {PASTE: [("config_file", escape(paste_file))], SECTION: sorted(options, key=lambda option: option[0])})


@dataclass(frozen=True)
class Overriding:
    text: str
    # The operator's lines and those of the role as they are now.
    own: str
    block: str
    # Why the lines of the role cannot be told from others.
    fault: str = ""


def override(text: str, body: str) -> Overriding:
    """The override of a site with our block, or without it where the body is empty."""
    try:
        found = split(text, AROUND)
        return Overriding(merge(text, for_merge(body), AROUND), found.own, found.body)
    except Unclear as unclear:
        return Overriding(text, text, "", str(unclear))


def shown_changes(before: str, after: str) -> list[str]:
    """Which lines are added and removed, without the database's password."""
    return [line for line in ndiff(_shown(before), _shown(after)) if line.startswith(("+ ", "- "))]


def _shown(text: str) -> list[str]:
    return [f"connection = {MASK}" if line.startswith("connection") else MASK if line.startswith(" ") else line for line in text.splitlines()]


def matcher(entry: Mapping[str, Any]) -> str:
    """One entry as the filter reads it."""
    name = "*" if entry["kind"] == ANY else f"{entry['kind']}:{entry['name']}"
    return f"{name}={str(entry['uuid']).lower()}"


def lint(installations: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Why a mapping must not be configured."""
    seen: dict[str, str] = {}
    shadow = ""
    for number, entry in enumerate(installations, start=1):
        kind, name, ident = entry["kind"], str(entry.get("name") or ""), str(entry["uuid"])
        label = f"{kind} {name}".strip()
        if not _is_uuid(ident):
            yield _refused(label, f"'{ident}' is no UUID", "Write 32 hexadecimal digits with dashes, as the module nova_installation_uuid makes them")
        if (kind == ANY) == bool(name):
            what = "any caller has no name" if name else f"entry {number} names no {kind}"
            yield _refused(label, what, "Remove name" if name else "Set name")
            continue
        if any(character in name for character in "=,\r\n") or name != name.strip():
            yield _refused(label, "its name has an equals sign, a comma, a line break or blanks around it", "Give the id instead")
        if kind == "address" and not _is_network(name):
            yield _refused(label, f"'{name}' is no network", "Write it as 192.0.2.0/24 or 2001:db8::/32, without bits behind the prefix")
        if shadow:
            yield _refused(label, f"it stands after '{shadow}', which matches every caller, and the first match wins", f"Move '{shadow}' to the end")
        if seen.get(f"{kind} {name}", ident.lower()) != ident.lower():
            yield _refused(label, f"it belongs to installation {seen[f'{kind} {name}']} and to {ident.lower()}", "Remove one of the two entries")
        seen.setdefault(f"{kind} {name}", ident.lower())
        shadow = shadow or (ANY if kind == ANY else "")


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _refuse(cause: str, advice: str) -> str:
    return str(cannot("add", "filter", FILTER.name, cause, advice))


def _refused(label: str, cause: str, advice: str) -> str:
    return str(cannot("map", "caller", label, cause, advice))

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The relation to an instance that a request asks for: pure functions without network and database."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

INSTALLATION = "nova_installation_uuid"
INSTANCE = "instance_id"
NOVA = "instance_uuid"
NAMES = (INSTALLATION, INSTANCE)
HEADERS = {"HTTP_X_NOVA_INSTALLATION_UUID": INSTALLATION, "HTTP_X_INSTANCE_ID": INSTANCE}
HEADER_NAMES = {INSTALLATION: "X-Nova-Installation-UUID", INSTANCE: "X-Instance-ID"}
PATCH_TYPES = {"application/openstack-images-v2.0-json-patch": 4, "application/openstack-images-v2.1-json-patch": 10}

# The keys of an operation of a PATCH, in either form.
PARTS = ("op", "path", "value", "add", "replace", "remove")

UUID = re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}")
DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
MAX_SHOWN = 64


class Malformed(Exception):
    """The request is contradictory or malformed; the text is the reason."""


@dataclass(frozen=True)
class RelationChange:
    """The change of a relation. A part that is None stays unchanged."""

    installation: str | None = None
    instance: str | None = None
    drop: bool = False

    def __bool__(self) -> bool:
        return self.drop or self.installation is not None or self.instance is not None


def shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    short = text[:MAX_SHOWN].encode("unicode_escape").decode("ascii")
    return short if len(text) <= MAX_SHOWN else short + "…"


def uuid_of(value: Any) -> str | None:
    if not isinstance(value, str) or not UUID.fullmatch(value):
        return None
    digits = value.replace("-", "").lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def installation_uuid(value: Any) -> str:
    found = uuid_of(value)
    if found is None:
        raise Malformed(f"{INSTALLATION} '{shown(value)}' is not a UUID.")
    return found


def instance_id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        # Python takes too long to convert much longer numbers to text.
        value = str(value) if 0 <= value < 10**19 else "a number out of range"
    found = value if isinstance(value, str) and DECIMAL.fullmatch(value) else uuid_of(value)
    if found is None:
        raise Malformed(f"{INSTANCE} '{shown(value)}' is neither a decimal number of at most 19 digits without leading zeros nor a UUID.")
    return found


CHECKS = {INSTALLATION: installation_uuid, INSTANCE: instance_id}


def of_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """The relation in the headers. Servers join repeated headers with commas, which no valid value contains."""
    found = {}
    for header, name in HEADERS.items():
        if header in environ:
            try:
                found[name] = CHECKS[name](environ[header].strip())
            except Malformed as exc:
                raise Malformed(f"Header {HEADER_NAMES[name]}: {exc} Set it once, to one value.") from exc
    return found


class Document(dict[str, Any]):
    """A JSON object that knows its repeated keys."""

    repeated: frozenset[str] = frozenset()


def _document(pairs: list[tuple[str, Any]]) -> Document:
    document = Document(pairs)
    if len(document) != len(pairs):
        document.repeated = frozenset(key for key, times in Counter(key for key, _value in pairs).items() if times > 1)
    return document


def load(body: bytes) -> Any:
    """The document of a body as Glance reads it, or None where Glance would not read it as JSON."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_document)
    except (ValueError, RecursionError):
        return None


def dump(document: Any) -> bytes:
    try:
        return json.dumps(document).encode()
    except RecursionError as exc:
        raise Malformed("The body is nested too deeply.") from exc


def once(document: Document, keys: Iterable[str]) -> None:
    for key in keys:
        if key in document.repeated:
            raise Malformed(f"The body has '{key}' more than once.")


@dataclass(frozen=True)
class RequestedRelation:
    """The relation in one request, before the installation of its caller is applied."""

    values: Mapping[str, str]
    dropped: bool = False
    nova: Any = None
    names_nova: bool = False
    # The new owner of the image, where a PATCH sets it.
    owner: Any = None


def agree(headers: Mapping[str, str], properties: Mapping[str, str]) -> dict[str, str]:
    for name in NAMES:
        if name in headers and name in properties and headers[name] != properties[name]:
            raise Malformed(f"Header {HEADER_NAMES[name]} and property {name} contradict each other.")
    return {**headers, **properties}


def of_create(document: Any, headers: Mapping[str, str]) -> RequestedRelation:
    """The relation in a POST. Glance refuses a document that is not an object."""
    if not isinstance(document, Document):
        return RequestedRelation(headers)
    once(document, NAMES)
    properties = {name: CHECKS[name](document[name]) for name in NAMES if name in document}
    return RequestedRelation(agree(headers, properties), nova=document.get(NOVA), names_nova=NOVA in document)


def of_patch(document: Any, headers: Mapping[str, str], draft: int) -> RequestedRelation:
    """The relation in a PATCH: of several operations on one property the last applies, as in Glance."""
    properties: dict[str, str | None] = {}
    nova, names_nova, owner = None, False, None
    for change in changes(document):
        operation, name = operation_of(change, draft)
        if name in NAMES:
            once(change, PARTS)
            properties[name] = None if operation == "remove" else CHECKS[name](change.get("value"))
        elif name == NOVA:
            once(change, PARTS)
            nova, names_nova = (None, False) if operation == "remove" else (change.get("value"), True)
        elif name == "owner":
            owner = change.get("value")
    given = {name: value for name, value in properties.items() if value is not None}
    dropped = len(given) != len(properties)
    if dropped and (given or headers):
        raise Malformed("The request both removes and sets the relation.")
    return RequestedRelation(agree(headers, given), dropped, nova, names_nova, owner)


def changes(document: Any) -> list[Document]:
    return [change for change in document if isinstance(change, Document)] if isinstance(document, list) else []


def operation_of(change: Document, draft: int) -> tuple[str, str] | tuple[None, None]:
    """The operation and its property, read as Glance reads pointers; None for both where Glance refuses it."""
    if draft == 10:
        operation, pointer = change.get("op"), change.get("path")
    else:
        operations = [key for key in ("add", "remove", "replace") if key in change]
        operation, pointer = (operations[0], change[operations[0]]) if len(operations) == 1 else (None, None)
    if operation not in ("add", "remove", "replace") or not isinstance(pointer, str) or not pointer.startswith("/"):
        return None, None
    parts = [part.replace("~1", "/").replace("~0", "~").strip() for part in pointer.lstrip("/").split("/")]
    return (operation, parts[0]) if len(parts) == 1 else (None, None)


def decide(requested: RequestedRelation, mapped: str | None) -> RelationChange:
    """The change that a request asks for. Nova's property applies only to callers whose installation is known."""
    if requested.dropped:
        return RelationChange(drop=True)
    installation, instance = requested.values.get(INSTALLATION), requested.values.get(INSTANCE)
    if requested.names_nova and mapped is not None:
        nova = uuid_of(requested.nova)
        if nova is None:
            raise Malformed(f"{NOVA} '{shown(requested.nova)}' is not a UUID.")
        if installation not in (None, mapped):
            raise Malformed(f"{INSTALLATION} and the installation that {NOVA} belongs to contradict each other.")
        if instance is not None and not DECIMAL.fullmatch(instance) and instance != nova:
            raise Malformed(f"{INSTANCE} and {NOVA} contradict each other.")
        return RelationChange(mapped, nova if instance is None else instance)
    return RelationChange(installation, instance)


def complete(change: RelationChange, existing: RelationChange, mapped: str | None) -> tuple[str, str]:
    """Both parts of the relation. A missing part comes from the existing relation, or is the installation of the caller."""
    installation = change.installation or existing.installation or mapped
    instance = change.instance or existing.instance
    if installation is None or instance is None:
        missing, present = (INSTALLATION, INSTANCE) if installation is None else (INSTANCE, INSTALLATION)
        raise Malformed(f"{present} is given without {missing}. Set both.")
    return installation, instance


def create_body(document: Document, hidden: Collection[str], image_id: str) -> bytes:
    """The body of a POST without the hidden properties, with the id of the image."""
    return dump({**{key: value for key, value in document.items() if key not in hidden}, "id": image_id})


def patch_body(document: Any, draft: int, hidden: Collection[str]) -> bytes | None:
    """The body of a PATCH without the hidden properties, or None where it has none of them."""
    if not isinstance(document, list):
        return None
    kept = [change for change in document if not (isinstance(change, Document) and operation_of(change, draft)[1] in hidden)]
    return None if len(kept) == len(document) else dump(kept)

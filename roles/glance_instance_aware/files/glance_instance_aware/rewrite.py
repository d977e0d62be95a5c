# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries of listings: the parameters of the filter, the query for Glance, and the caller's query in the links."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import webob

from glance_instance_aware.relation_request import INSTALLATION, INSTANCE, NAMES, Malformed, installation_uuid, instance_id, shown

INCLUDE = "include_relation"
PARAMETERS = (*NAMES, INCLUDE)
# A name of a parameter of the filter, or a name with percent-encoded characters.
MAYBE = re.compile(r"nova_installation_uuid|instance_id|include_relation|(?:^|[&;])[^=&;]*%")
# No image has this id: Glance accepts only UUIDs.
NO_IMAGE = "none"
LIST = re.compile(r'(?:"[^"\\]*"|[^",]*)(?:,(?:"[^"\\]*"|[^",]*))*')
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Listing:
    """A query with parameters of the filter."""

    pairs: Pairs
    include: bool
    installation: str | None = None
    instances: tuple[str, ...] = ()

    @property
    def related(self) -> bool:
        return self.installation is not None


def pairs_of(query: str) -> Pairs:
    """The parameters as Glance reads them, including semicolons."""
    return list(webob.Request({"REQUEST_METHOD": "GET", "QUERY_STRING": query}).GET.items())


def parameters_of(query: str, names: Collection[str]) -> tuple[Pairs, dict[str, str]]:
    """All parameters, and those of the filter. Queries without the latter are not parsed."""
    if not query or not MAYBE.search(query):
        return [], {}
    try:
        pairs = pairs_of(query)
    except ValueError:
        # Glance refuses the query itself.
        return [], {}
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in names:
            if name in given:
                raise Malformed(f"The query has '{name}' more than once.")
            given[name] = value
    return pairs, given


def included(given: dict[str, str]) -> bool:
    value = given.get(INCLUDE, "false").lower()
    if value not in ("true", "false"):
        raise Malformed(f"{INCLUDE} '{shown(value)}' is neither true nor false.")
    return value == "true"


def parse_show(query: str) -> Listing | None:
    """Parse the query of a single image; Glance ignores other parameters there."""
    pairs, given = parameters_of(query, (INCLUDE,))
    return Listing(pairs, included(given)) if given else None


def parse_index(query: str, limit: int) -> Listing | None:
    """Parse the query of a listing; None where it has no parameters of the filter."""
    pairs, given = parameters_of(query, PARAMETERS)
    if not given:
        return None
    include = included(given)
    given.pop(INCLUDE, None)
    if not given:
        return Listing(pairs, include)
    if len(given) == 1:
        name = next(iter(given))
        raise Malformed(f"The query has {name} without {NAMES[1 - NAMES.index(name)]}. Set both.")
    return Listing(pairs, include, installation_uuid(given[INSTALLATION]), instances_of(given[INSTANCE], limit))


def instances_of(value: str, limit: int) -> tuple[str, ...]:
    if not value.startswith("in:"):
        return (instance_id(value),)
    entries = value[3:].split(",")
    if len(entries) > limit:
        raise Malformed(f"The query names {len(entries)} instance ids, and at most {limit} are allowed. Ask for fewer of them at once.")
    return tuple(dict.fromkeys(instance_id(entry) for entry in entries))


def own_ids(pairs: Pairs) -> set[str] | None:
    """The ids in the caller's own filter, or None without one; of several filters Glance uses the last."""
    given = [value for name, value in pairs if name == "id"]
    if not given:
        return None
    operator, colon, rest = given[-1].partition(":")
    if not colon:
        return {operator}
    if operator == "eq":
        return {rest}
    if operator == "in" and LIST.fullmatch(rest):
        return {entry.strip('"') for entry in rest.split(",")}
    raise Malformed(f"The filter of id '{shown(given[-1])}' is neither an id nor a list of ids after in:.")


def for_glance(listing: Listing, found: Collection[str] | None) -> str:
    """The query for Glance: without the parameters of the filter, and with the ids of the images that were found."""
    removed = PARAMETERS if found is None else (*PARAMETERS, "id")
    pairs = [(name, value) for name, value in listing.pairs if name not in removed]
    if found is not None:
        own = own_ids(listing.pairs)
        left = sorted(found if own is None else own.intersection(found))
        pairs.append(("id", "in:" + ",".join(left) if left else NO_IMAGE))
    return urlencode(pairs)


def links(document: dict[str, Any], listing: Listing) -> None:
    """Put the caller's query into the links, in the order and with the quoting of Glance."""
    own = dict(listing.pairs)
    own.pop("marker", None)
    for name in ("first", "next"):
        link = document.get(name)
        if isinstance(link, str):
            path, _mark, query = link.partition("?")
            marker = dict(parse_qsl(query)).get("marker") if name == "next" else None
            document[name] = f"{path}?{urlencode({**own, 'marker': marker} if marker else own)}"


def form_body(environ: Mapping[str, Any]) -> bool:
    """Whether the request has a form, from which Glance reads filters too. Some clients name a form and send none."""
    sent = environ.get("CONTENT_LENGTH", "").strip() not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ
    return sent and str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower() in FORMS

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries of listings: what is ours in them, what Glance gets instead, and the caller's own words back in the links."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import webob

from glance_instance_aware.relation_request import INSTALLATION, INSTANCE, NAMES, Malformed, installation_uuid, instance_id, shown

INCLUDE = "include_relation"
OURS = (*NAMES, INCLUDE)
# A name of ours, or a name of a parameter that is written in another way.
MAYBE = re.compile(r"nova_installation_uuid|instance_id|include_relation|(?:^|[&;])[^=&;]*%")
# What no image can have as its id: Glance takes UUIDs alone.
NO_IMAGE = "none"
LIST = re.compile(r'(?:"[^"\\]*"|[^",]*)(?:,(?:"[^"\\]*"|[^",]*))*')
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Listing:
    """A query that has something of ours in it."""

    pairs: Pairs
    include: bool
    installation: str | None = None
    instances: tuple[str, ...] = ()

    @property
    def related(self) -> bool:
        return self.installation is not None


def pairs_of(query: str) -> Pairs:
    """The parameters as Glance reads them, semicolons and all."""
    return list(webob.Request({"REQUEST_METHOD": "GET", "QUERY_STRING": query}).GET.items())


def ours_of(query: str, names: Collection[str]) -> tuple[Pairs, dict[str, str]]:
    """All parameters, and those of them that are ours; nothing that costs happens where there are none."""
    if not query or not MAYBE.search(query):
        return [], {}
    try:
        pairs = pairs_of(query)
    except ValueError:
        # Glance says of it what it says without this filter.
        return [], {}
    ours: dict[str, str] = {}
    for name, value in pairs:
        if name in names:
            if name in ours:
                raise Malformed(f"The query has '{name}' more than once.")
            ours[name] = value
    return pairs, ours


def included(ours: dict[str, str]) -> bool:
    value = ours.get(INCLUDE, "false").lower()
    if value not in ("true", "false"):
        raise Malformed(f"{INCLUDE} '{shown(value)}' is neither true nor false.")
    return value == "true"


def parse_show(query: str) -> Listing | None:
    """Of a single image; all else in its query means nothing to Glance."""
    pairs, ours = ours_of(query, (INCLUDE,))
    return Listing(pairs, included(ours)) if ours else None


def parse_index(query: str, most: int) -> Listing | None:
    """None where the query is Glance's alone."""
    pairs, ours = ours_of(query, OURS)
    if not ours:
        return None
    include = included(ours)
    ours.pop(INCLUDE, None)
    if not ours:
        return Listing(pairs, include)
    if len(ours) == 1:
        given = next(iter(ours))
        raise Malformed(f"The query has {given} without {NAMES[1 - NAMES.index(given)]}. An instance is named by both.")
    return Listing(pairs, include, installation_uuid(ours[INSTALLATION]), instances_of(ours[INSTANCE], most))


def instances_of(value: str, most: int) -> tuple[str, ...]:
    if not value.startswith("in:"):
        return (instance_id(value),)
    entries = value[3:].split(",")
    if len(entries) > most:
        raise Malformed(f"The query names {len(entries)} instance ids, of which {most} are allowed. Ask for fewer of them at once.")
    return tuple(dict.fromkeys(instance_id(entry) for entry in entries))


def own_ids(pairs: Pairs) -> set[str] | None:
    """The images that the caller's own filter leaves, or None without one; of several filters Glance takes the last."""
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
    raise Malformed(f"The filter of id '{shown(given[-1])}' is neither an id nor in: and a list of ids.")


def for_glance(listing: Listing, found: Collection[str] | None) -> str:
    """The query that Glance gets: without what is ours, and with the images that were found."""
    ours = OURS if found is None else (*OURS, "id")
    pairs = [(name, value) for name, value in listing.pairs if name not in ours]
    if found is not None:
        own = own_ids(listing.pairs)
        left = sorted(found if own is None else own.intersection(found))
        pairs.append(("id", "in:" + ",".join(left) if left else NO_IMAGE))
    return urlencode(pairs)


def links(document: dict[str, Any], listing: Listing) -> None:
    """Puts the caller's own query into the links, in the order and with the quoting of Glance."""
    own = dict(listing.pairs)
    own.pop("marker", None)
    for name in ("first", "next"):
        link = document.get(name)
        if isinstance(link, str):
            path, _mark, query = link.partition("?")
            marker = dict(parse_qsl(query)).get("marker") if name == "next" else None
            document[name] = f"{path}?{urlencode({**own, 'marker': marker} if marker else own)}"


def form_body(environ: Mapping[str, Any]) -> bool:
    """Glance takes filters from forms in the body of a listing too; some clients name a form and send none."""
    sent = environ.get("CONTENT_LENGTH", "").strip() not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ
    return sent and str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower() in FORMS

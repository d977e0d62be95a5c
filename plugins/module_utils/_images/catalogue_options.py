# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The options of the module of many images, and each item held to the rules of a single image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.text.formatters import human_to_bytes

from .._core.argspec import ArgumentSpec
from .._core.errors import ImageServicesError
from .._core.identifiers import find_blank
from .catalogue_plan import Limit, merged
from .options import create_image_argspec

# What makes an image the one it is cannot be the same for all.
OWN_OPTIONS = frozenset({"name", "id", "src", "uri", "checksum", "checksum_name", "remote_image_id", "member_status", "ignore"})
MAX_CONCURRENCY = 64


def create_item_argspec() -> ArgumentSpec:
    more: dict[str, dict[str, Any]] = {"keep": {"type": "int"}, "ignore": {"type": "bool", "default": False}}
    return create_image_argspec().merge(ArgumentSpec(options=more))


def create_catalogue_argspec() -> ArgumentSpec:
    return ArgumentSpec(
        options={
            # Items are checked by `checked_items`, whose refusals name the item.
            "images": {"type": "list", "elements": "dict", "required": True},
            "defaults": {"type": "dict", "default": {}},
            "concurrency": {"type": "int", "default": 4},
            "bandwidth": {"type": "str"},
            "continue_on_error": {"type": "bool", "default": False},
            "prune": {"type": "bool", "default": False},
            "prune_max": {"type": "str", "default": "50%"},
            "prune_scope": {
                "type": "dict",
                "options": {"tag": {"type": "str"}, "owner": {"type": "str"}, "owner_domain": {"type": "str"}},
                "required_one_of": [("tag", "owner")],
            },
        },
        required_if=[("prune", True, ["prune_scope"])],
    )


def place_of(number: int, item: Mapping[str, Any]) -> str:
    """What messages call an item: its place in the list, and its name where it has one."""
    label = item.get("name") or item.get("id")
    return f"images[{number}]" + (f" ({label})" if label else "")


def checked_items(images: Sequence[Mapping[str, Any]], defaults: Mapping[str, Any], common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each item as the module of one image would see it, with ``common`` options of the task; a bad one is refused by its place."""
    spec = create_item_argspec()
    canonical = {alias: name for name, option in spec.options.items() for alias in (name, *option.get("aliases", ()))}
    own = sorted(OWN_OPTIONS & {canonical.get(option, option) for option in defaults})
    if own:
        raise ImageServicesError(f"Cannot use defaults: {', '.join(own)} cannot be the same for all images. Give it in the items.", code="bad_defaults")
    usual = {canonical.get(option, option): value for option, value in defaults.items()}
    validator = ArgumentSpecValidator(**spec.module_kwargs())
    items = []
    for number, image in enumerate(images):
        given = {canonical.get(option, option): value for option, value in image.items()}
        options = merged(given, usual, spec.mutually_exclusive)
        checked = validator.validate({option: value for option, value in options.items() if value is not None})
        causes = [f"it has no option '{option}'" for option in sorted(set(options) - set(canonical))]
        causes = causes or [message.rstrip(".") for message in checked.error_messages]
        if causes:
            raise ImageServicesError(f"Cannot keep {place_of(number, given)}: {'; '.join(causes)}. Correct the item or defaults.", code="bad_item")
        blank = find_blank(spec.options, checked.validated_parameters, spec.required_one_of)
        if blank is not None:
            raise ImageServicesError(f"Cannot keep {place_of(number, given)}: {blank.option}: {blank.cause}. {blank.advice}.", code="blank_name")
        item = {**checked.validated_parameters, **common}
        if item["keep"] is not None and item["keep"] < 1:
            raise ImageServicesError(
                f"Cannot keep {place_of(number, given)}: keep is {item['keep']}, and the declared image is one itself. Give 1 or more.", code="bad_item"
            )
        items.append(item)
    return items


def parse_prune_max(text: str) -> Limit:
    """A number of images, or a share of those in the scope such as ``50%``."""
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*(%?)\s*", text)
    if found is None or (found[2] and int(found[1]) > 100):
        raise ImageServicesError(
            f"Cannot use prune_max '{text}': it is neither a number of images nor a share of up to 100 %. Write it as 10 or 50%, for example.",
            code="bad_prune_max",
        )
    return Limit(int(found[1]), bool(found[2]))


def refuse_prune_of_everything(params: Mapping[str, Any]) -> None:
    """A list that came out empty says that nothing in the scope is wanted, and is hardly ever meant so."""
    if params["prune"] and not params["images"]:
        cause = "images is empty, and prune would delete all images in prune_scope"
        raise ImageServicesError(f"Cannot prune images: {cause}. Declare the images that are to stay, or leave prune out.", code="prune_everything")


def parse_bandwidth(text: str | None) -> int | None:
    """Bytes a second; ``50M`` is 50 MiB."""
    if text is None:
        return None
    try:
        rate = int(human_to_bytes(text))
    except ValueError:
        rate = 0
    if rate < 1:
        raise ImageServicesError(
            f"Cannot use bandwidth '{text}': it is not a number of bytes a second. Write it as 50M or 1G, for example.", code="bad_bandwidth"
        )
    return rate

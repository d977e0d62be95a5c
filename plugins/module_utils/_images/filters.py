# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""From the options of an info module to the filters of Glance's listing. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .._core.errors import ImageServicesError
from .._glance.properties import SCHEMA_ATTRIBUTES, Record, check_properties, property_text, same_property
from .selection import name_filter

PAGING = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir"})
STATUSES = ("queued", "saving", "uploading", "importing", "active", "deactivated", "killed", "deleted", "pending_delete")
VISIBILITIES = ("public", "private", "shared", "community", "all")
MEMBER_STATUSES = ("accepted", "pending", "rejected", "all")
# Glance reads an operator at the start of these alone.
LISTABLE = frozenset({"id", "name", "status", "container_format", "disk_format"})
# Field of openstacksdk, or a word of this collection -> Glance's name of the attribute.
ATTRIBUTE_ALIASES: Mapping[str, str] = {
    "is_protected": "protected",
    "is_hidden": "os_hidden",
    "hidden": "os_hidden",
    "hash_algo": "os_hash_algo",
    "hash_value": "os_hash_value",
    "owner_id": "owner",
    "tags": "tag",
}
# Field of openstacksdk -> Glance's property, where the two differ.
PROPERTY_ALIASES: Mapping[str, str] = {
    "needs_config_drive": "img_config_drive",
    "needs_secure_boot": "os_secure_boot",
    "is_hw_vif_multiqueue_enabled": "hw_vif_multiqueue_enabled",
    "is_hw_boot_menu_enabled": "hw_boot_menu",
    "has_auto_disk_config": "auto_disk_config",
}
# Properties that openstacksdk has a field of the same name for.
SDK_PROPERTIES = frozenset(
    "architecture hypervisor_type instance_type_rxtx_factor instance_uuid kernel_id os_distro os_version os_shutdown_timeout ramdisk_id vm_mode hw_cpu_sockets "
    "hw_cpu_cores hw_cpu_threads hw_disk_bus hw_cpu_policy hw_cpu_thread_policy hw_rng_model hw_machine_type hw_scsi_model hw_serial_port_count "
    "hw_video_model hw_video_ram hw_watchdog_action os_command_line hw_vif_model vmware_adaptertype vmware_ostype os_type os_admin_user hw_qemu_guest_agent "
    "os_require_quiesce".split()
)


@dataclass(frozen=True)
class ListFilters:
    """``sent`` is asked of Glance; ``flags`` are properties that it would compare letter by letter, where `true` and `True` are one to all who read them."""

    sent: list[tuple[str, str]]
    flags: dict[str, bool] = field(default_factory=dict)

    def fits(self, record: Record) -> bool:
        return all(same_property(value, _stored(record, key)) for key, value in self.flags.items())


def list_filters(params: Mapping[str, Any]) -> ListFilters:
    """Filters in the order of the options; a tag is one filter each, and all must match."""
    sent: list[tuple[str, str]] = []
    if params["name"] is not None:
        sent.append(("name", name_filter(params["name"])))
    if params["hidden"] is not None:
        sent.append(("os_hidden", property_text(params["hidden"])))
    sent += [("tag", tag) for tag in params["tags"] or ()]
    found = ListFilters(sent)
    _add_properties(found, params["properties"])
    by_option = {key for key, _value in sent if key in _ATTRIBUTES and key != "tag"}
    for name, value in sorted((params["filters"] or {}).items()):
        if name == "properties" and isinstance(value, Mapping):
            _add_properties(found, value)
            continue
        key = ATTRIBUTE_ALIASES.get(name, name)
        if key in by_option:
            raise _refusal(f"'{name}' is given as an option and in filters", "Give it once")
        if key in _ATTRIBUTES:
            if key != "tag" and key in (seen for seen, _value in found.sent):
                raise _refusal(f"'{name}' and another name of '{key}' are given in filters", "Give it once")
            sent += [(key, text) for text in _ATTRIBUTES[key](name, key, value)]
        elif name in SDK_PROPERTIES or name in PROPERTY_ALIASES:
            _add_property(found, PROPERTY_ALIASES.get(name, name), value)
        else:
            raise _unknown(name)
    return found


def _add_properties(found: ListFilters, properties: Mapping[str, Any] | None) -> None:
    check_properties("*", properties)
    for key, value in sorted((properties or {}).items()):
        if key in ATTRIBUTE_ALIASES:
            raise _refusal(f"'{key}' is an attribute of images, not a property", "Give it in filters")
        _add_property(found, key, value)


def _add_property(found: ListFilters, key: str, value: Any) -> None:
    if key in found.flags or key in (seen for seen, _value in found.sent):
        raise _refusal(f"property '{key}' is given twice", "Give it once")
    if isinstance(value, bool):
        found.flags[key] = value
    else:
        found.sent.append((key, property_text(value)))


def _stored(record: Record, key: str) -> str | None:
    value = None if key in SCHEMA_ATTRIBUTES else record.get(key)
    return None if value is None else str(value)


# Values, as Glance wants them


def _text(name: str, key: str, value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        if isinstance(value, Mapping) or value is None:
            raise _wrong(name, value, "a text")
        return [property_text(value)]
    if key not in LISTABLE:
        raise _wrong(name, value, "a single value")
    texts = [property_text(each) for each in value]
    if not texts or any('"' in text for text in texts):
        raise _wrong(name, value, "a list of values without quotation marks")
    return ["in:" + ",".join(f'"{text}"' for text in texts)]


def _name(name: str, key: str, value: Any) -> list[str]:
    """A name, a list of names, or Glance's own notation with an operator."""
    (text,) = _text(name, key, value)
    return [text if text.startswith(("in:", "eq:")) else name_filter(text)]


def _one_of(choices: tuple[str, ...]) -> Callable[[str, str, Any], list[str]]:
    def convert(name: str, key: str, value: Any) -> list[str]:
        (text,) = _text(name, key, value)
        operator, colon, rest = text.partition(":")
        given = (
            [each.strip().strip('"') for each in rest.split(",")] if colon and operator == "in" and key in LISTABLE else [rest if operator == "eq" else text]
        )
        if set(given) - set(choices):
            raise _wrong(name, value, f"one of {', '.join(choices)}")
        return [text]

    return convert


def _flag(name: str, _key: str, value: Any) -> list[str]:
    try:
        return [property_text(boolean(value))]
    except TypeError as exc:
        raise _wrong(name, value, "true or false") from exc


def _number(name: str, _key: str, value: Any) -> list[str]:
    try:
        return [str(int(str(value)))]
    except ValueError as exc:
        raise _wrong(name, value, "a whole number") from exc


def _tags(name: str, _key: str, value: Any) -> list[str]:
    """A tag, or a list of tags of which an image must have all."""
    return [text for each in (value if isinstance(value, (list, tuple)) else [value]) for text in _text(name, "tag", each)]


_ATTRIBUTES: Mapping[str, Callable[[str, str, Any], list[str]]] = {
    **dict.fromkeys(("id", "container_format", "disk_format", "owner", "checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at"), _text),
    **dict.fromkeys(("protected", "os_hidden"), _flag),
    **{f"{key}{end}": _number for key in ("size", "virtual_size", "min_disk", "min_ram") for end in ("", "_min", "_max")},
    "name": _name,
    "tag": _tags,
    "status": _one_of(STATUSES),
    "visibility": _one_of(VISIBILITIES),
    "member_status": _one_of(MEMBER_STATUSES),
}


def _unknown(name: str) -> ImageServicesError:
    if name in PAGING:
        return _refusal(f"filter '{name}' is a matter of paging, and all pages are read", "Remove it from filters")
    known = ", ".join(sorted({*_ATTRIBUTES, *ATTRIBUTE_ALIASES}))
    return _refusal(f"Glance has no filter '{name}'", f"Give properties of images in the option properties, and in filters {known}, or what query selects")


def _wrong(name: str, value: Any, expected: str) -> ImageServicesError:
    return _refusal(f"filter '{name}' is '{value}', not {expected}", "Correct it")


def _refusal(cause: str, advice: str) -> ImageServicesError:
    return ImageServicesError(f"Cannot list images: {cause}. {advice}.", code="bad_filter")

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages that every class has: they read and write fields."""

from __future__ import annotations

from typing import Any

from . import filters
from .context import Context
from .errors import Failure
from .schema import Class, Field, Message

# Fields that clients write by custom messages which do no more than that.
PLAIN = frozenset("""
    SR.name_description SR.name_label SR.shared VBD.mode VDI.name_description VDI.name_label
    VIF.ipv4_allowed VIF.ipv6_allowed VIF.locking_mode VM.HVM_boot_policy VM.HVM_shadow_multiplier VM.NVRAM VM.VCPUs_at_startup VM.VCPUs_max
    VM.actions_after_crash VM.domain_type VM.has_vendor_device VM.memory_dynamic_max VM.memory_dynamic_min VM.memory_static_max
    VM.memory_static_min VM.other_config VM.platform task.error_info task.other_config task.progress task.result
    """.split())
VERBS = ("set_", "add_to_", "remove_from_", "add_", "remove_")


def get(context: Context, cls: Class, message: Message, args: list[Any]) -> Any:
    assert message.field is not None
    return context.db.field(cls.name, args[0], message.field.name)


def plain(cls: Class, message: Message) -> Field | None:
    for verb in VERBS:
        name = message.name.removeprefix(verb)
        if name != message.name and f"{cls.name}.{name}" in PLAIN:
            return cls.fields[name]
    return None


def write(context: Context, cls: Class, message: Message, entry: Field, args: list[Any]) -> None:
    field, ref = entry.name, args[0]
    value = context.db.field(cls.name, ref, field)
    if message.name == f"set_{field}":
        value = list(dict.fromkeys(args[1])) if entry.type.kind == "set" else args[1]
    elif message.name.startswith("add_to_"):
        if args[1] in value:
            raise Failure("MAP_DUPLICATE_KEY", cls.name, field, ref, args[1])
        value = value | {args[1]: args[2]}
    elif message.name.startswith("remove_from_"):
        value = {key: kept for key, kept in value.items() if key != args[1]}
    elif message.name.startswith("add_"):
        value = value if args[1] in value else [*value, args[1]]
    else:
        value = [kept for kept in value if kept != args[1]]
    context.db.set(cls.name, ref, **{field: value})


def implicit(context: Context, cls: Class, message: Message, args: list[Any]) -> Any:
    db, name = context.db, cls.name
    if message.name == "get_all":
        return list(db.objects[name])
    if message.name == "get_all_records":
        return {ref: db.record(name, ref) for ref in db.objects[name]}
    if message.name == "get_all_records_where":
        return filters.matching(context, cls, args[0])
    if message.name == "get_record":
        return db.record(name, args[0])
    if message.name == "get_by_uuid":
        return db.by_uuid(name, args[0])
    if message.name == "get_by_name_label":
        return list(db.find(name, name_label=args[0]))
    raise Failure("NOT_IMPLEMENTED", f"{name}.{message.name}")


def run(context: Context, cls: Class, message: Message, args: list[Any]) -> Any:
    """A message that no handler of its own answers; NOT_IMPLEMENTED where the schema has it and the simulator does not."""
    if message.kind == "getter":
        return get(context, cls, message, args)
    if message.kind == "implicit":
        return implicit(context, cls, message, args)
    entry = message.field or plain(cls, message)
    if entry:
        return write(context, cls, message, entry, args)
    raise Failure("NOT_IMPLEMENTED", f"{cls.name}.{message.name}")

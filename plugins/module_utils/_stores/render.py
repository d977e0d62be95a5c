# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The files that a declaration becomes: Glance's stores and the accounts of its Swift stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.ini import document, escape, scalar
from .ceph import render_ceph_files, resolved
from .declaration import Declaration, Store, config_flag, given
from .options import BACKENDS, RESERVED_STORES, SWIFT_ACCOUNT, Option

Lines = list[tuple[str, str]]


def render_stores(declaration: Declaration, header: str, swift_file: str) -> str:
    """glance-stores.conf; ``swift_file`` is the path of the accounts as the service sees it."""
    enabled = ", ".join(f"{store['name']}:{store['type']}" for store in declaration.stores)
    default = next(store["name"] for store in declaration.stores if config_flag(store.get("default")))
    sections: dict[str, Lines] = {
        "DEFAULT": [("enabled_backends", enabled)],
        "glance_store": [("default_backend", default)],
        "backend_defaults": _options(declaration.backend_defaults, _all_options()),
    }
    for store in declaration.stores:
        sections[store["name"]] = _store(declaration, store, swift_file)
    for key, name in RESERVED_STORES.items():
        sections[name] = _options(declaration.reserved.get(key) or {}, BACKENDS["file"])
    for name, options in declaration.extra_config.items():
        # The lint has refused names that differ from a store's in case only.
        lines = sections.setdefault(_existing(sections, str(name)), [])
        for option, value in sorted(given(options).items()):
            lines.extend((str(option), escape(scalar(item))) for item in (value if isinstance(value, list) else [value]))
    return document(header, sections)


def _existing(sections: Mapping[str, Any], name: str) -> str:
    return next((known for known in sections if known.lower() == name.lower()), name)


def _store(declaration: Declaration, store: Store, swift_file: str) -> Lines:
    lines: Lines = []
    if store.get("description") is not None:
        lines.append(("store_description", escape(str(store["description"]))))
    if store.get("weight") is not None:
        lines.append(("weight", str(store["weight"])))
    if store.get("filesystem_store_datadirs") is not None:
        # Otherwise the driver sees its default for this one as well, and refuses to have both.
        lines.append(("filesystem_store_datadir", ""))
    if declaration.uses_swift_accounts(store):
        lines.append(("swift_store_config_file", escape(swift_file)))
    return lines + _options({**declaration.cluster_options(store), **given(store)}, BACKENDS[store["type"]])


def _all_options() -> dict[str, Option]:
    return {name: option for options in BACKENDS.values() for name, option in options.items()}


def _options(values: Mapping[str, Any], known: Mapping[str, Option]) -> Lines:
    """The known options that have a value, in the order of the table."""
    lines: Lines = []
    for name, option in known.items():
        value = values.get(name)
        if value is None:
            continue
        if option.kind == "lines":
            lines.extend((name, escape(str(item))) for item in value)
        elif option.kind == "list":
            lines.append((name, escape(",".join(str(item) for item in value))))
        elif option.kind == "dict":
            lines.append((name, escape(",".join(f"{key}:{item}" for key, item in value.items()))))
        elif option.kind == "bool":
            lines.append((name, scalar(config_flag(value))))
        else:
            lines.append((name, escape(str(value))))
    return lines


def render_swift_accounts(declaration: Declaration, header: str) -> str:
    """The file of Swift accounts, which is read by configparser with interpolation, not by oslo.config."""
    sections = {
        str(account["reference"]): [(option, _quoted(str(account[option]))) for option in SWIFT_ACCOUNT if account.get(option) is not None]
        for account in declaration.swift_accounts
    }
    return document(header, sections)


def render_ceph(declaration: Declaration, header: str) -> list[dict[str, str]]:
    """The files of the Ceph clusters, as name and text."""
    return render_ceph_files(resolved(declaration.ceph), declaration.ceph_directory, header)


def _quoted(value: str) -> str:
    """Glance takes one pair of quotes off, so that blanks and quotes inside survive."""
    return '"' + value.replace("%", "%%") + '"'

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A declared set of stores, as the role's variables give it, and the questions that lint and rendering ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .ceph import Cluster, derived_options
from .paths import normal

# What oslo.config reads as true.
TRUE_WORDS = frozenset({"true", "yes", "on", "1"})

Store = Mapping[str, Any]

DEFAULT_SWIFT_REFERENCE = "ref1"


@dataclass(frozen=True)
class Declaration:
    """Everything that decides what glance-stores.conf says."""

    stores: Sequence[Store]
    backend_defaults: Mapping[str, Any] = field(default_factory=dict)
    reserved: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    swift_accounts: Sequence[Mapping[str, Any]] = ()
    extra_config: Mapping[str, Any] = field(default_factory=dict)
    ceph: Sequence[Cluster] = ()
    # Where the service sees the files of these clusters.
    ceph_directory: str = "/etc/glance/ceph"
    api_hosts: Sequence[str] = ()
    # Text of Glance's other configuration files, by path.
    other_config: Mapping[str, str] = field(default_factory=dict)

    def option(self, store: Store, name: str) -> Any:
        """What a store's driver will see: its own value, else what follows from its cluster, else that of backend_defaults."""
        return next((options[name] for options in (store, self.cluster_options(store)) if options.get(name) is not None), self.backend_defaults.get(name))

    def cluster_options(self, store: Store) -> Mapping[str, str]:
        """What a store's section says because of a declared Ceph cluster; backend_defaults that name a file are left to hold."""
        if store.get("ceph_cluster") is None and self.backend_defaults.get("rbd_store_ceph_conf") is not None:
            return {}
        return derived_options(store, self.ceph, self.ceph_directory)

    def swift_reference(self, store: Store) -> str:
        return str(self.option(store, "default_swift_reference") or DEFAULT_SWIFT_REFERENCE)

    def uses_swift_accounts(self, store: Store) -> bool:
        """Whether a store's credentials come from the file of accounts that the role writes."""
        return (
            store.get("type") == "swift"
            and store.get("swift_store_config_file") is None
            and not store.get("swift_store_multi_tenant")
            and self.swift_reference(store) in [account.get("reference") for account in self.swift_accounts]
        )


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that have a value: null means that the driver's default holds."""
    return {name: value for name, value in options.items() if value is not None}


def datadirs(store: Store) -> list[str]:
    """Directories of a file store, without the priorities."""
    if store.get("type") != "file":
        return []
    many = store.get("filesystem_store_datadirs") or []
    paths = [split_priority(str(entry))[0] for entry in (many if isinstance(many, list) else [many])]
    one = store.get("filesystem_store_datadir")
    return ([str(one)] if one else []) + paths


def split_priority(entry: str) -> tuple[str, str]:
    """``path:priority`` in its two parts, as the driver splits it."""
    path, _colon, priority = entry.rpartition(":") if ":" in entry else (entry, "", "")
    return path.strip(), priority.strip()


def managed_directories(declaration: Declaration) -> list[dict[str, Any]]:
    """Every directory that the file stores and the reserved stores need, in the order of the lists."""
    found = []
    for store in declaration.stores:
        for path in datadirs(store):
            found.append({"name": str(store["name"]), "path": normal(path), "settings": given(store.get("directory") or {})})
    for name, settings in declaration.reserved.items():
        reserved = settings.get("filesystem_store_datadir")
        if reserved:
            found.append({"name": name, "path": normal(str(reserved)), "settings": given(settings.get("directory") or {})})
    return found


def expected_stores(declaration: Declaration) -> list[dict[str, Any]]:
    """The stores as Glance should offer them, and where their images should be found."""
    return [
        {
            "id": store["name"],
            "default": config_flag(store.get("default")),
            "writable": store["type"] != "http",
            "directories": [normal(path) for path in datadirs(store)],
        }
        for store in declaration.stores
    ]


def config_flag(value: Any) -> bool:
    return str(value).lower() in TRUE_WORDS

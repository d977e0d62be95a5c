# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What Glance would accept without a word and then do wrong, found before a file is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import combinations
from typing import Any

from .._core.errors import cannot
from .._core.ini import parse
from .ceph import cluster_findings, shape_finding, store_findings
from .configured import backends
from .declaration import Declaration, Store, config_flag, datadirs, given
from .options import BACKENDS, COMMON, DIRECTORY, GLANCE_SECTIONS, RESERVED_STORES, SINGLE_STORE_OPTIONS, SWIFT_ACCOUNT, Option
from .paths import normal, overlap
from .values import unknown, value_fault

TYPE_HINTS = {"filesystem": "file", "local": "file", "nfs": "file", "ceph": "rbd", "https": "http", "aws": "s3", "radosgw": "s3", "vsphere": "vmware"}
OWNER_OF_OPTION = {name: kind for kind, options in BACKENDS.items() for name in options}
# The swift driver asks its own section for these, never [backend_defaults].
NO_FALLBACK = ("swift_store_config_file", "swift_store_multi_tenant")
CINDER_USER = ("cinder_store_auth_address", "cinder_store_user_name", "cinder_store_password", "cinder_store_project_name")
# Options of a store that are not its driver's, by the one type that has them.
ONLY_FOR = {"directory": "file", "shared": "file", "ceph_cluster": "rbd"}
# Options that together name the place where a store puts its images.
PLACES = {
    "rbd": ("rbd_store_ceph_conf", "rbd_store_pool"),
    "s3": ("s3_store_host", "s3_store_bucket"),
    "swift": ("swift_store_config_file", "swift_store_auth_address", "default_swift_reference", "swift_store_container", "swift_store_region"),
    "vmware": ("vmware_server_host", "vmware_datastores", "vmware_store_image_dir"),
}


def lint_deployed(declaration: Declaration, path: str, deployed: str) -> list[str]:
    """Whether the file that is to be written holds anything that the declaration does not know about."""
    unknown = unknown_sections(declaration, deployed)
    if not unknown:
        return []
    cause = f"it holds {', '.join(unknown)}, which the stores would replace"
    return [_refuse(f"file {path}", cause, "Move them to another file of the service, or to glance_stores_extra_config")]


def lint(declaration: Declaration) -> list[str]:
    """Every reason not to write this configuration, as sentences; an empty list means that it may be written."""
    findings = list(_shape(declaration))
    if findings:
        return findings
    return [
        *_names(declaration),
        *(finding for store in declaration.stores for finding in _store(declaration, store)),
        *_defaults(declaration),
        *_places(declaration),
        *_directories(declaration),
        *_several_hosts(declaration),
        *_backend_defaults(declaration),
        *_reserved(declaration),
        *_swift_accounts(declaration),
        *_ceph(declaration),
        *_extra_config(declaration),
        *_other_config(declaration),
    ]


def _refuse(name: object, cause: str, advice: str) -> str:
    return str(cannot("configure", "store", str(name), cause, advice))


def _refuse_all(declaration: Declaration, cause: str, advice: str) -> str:
    return str(cannot("configure", "stores", ", ".join(str(store.get("name")) for store in declaration.stores), cause, advice))


def unknown_sections(declaration: Declaration, deployed: str) -> list[str]:
    """Sections of a file that others wrote, and that would be gone after it was replaced."""
    own = {"default", "glance_store", "backend_defaults", *RESERVED_STORES.values(), *(str(name).lower() for name in declaration.extra_config)}
    own |= {name.lower() for name in backends(deployed)} | {store["name"].lower() for store in declaration.stores}
    found = parse(deployed)
    unknown = [name for name in found if name.lower() not in own]
    extra = set(found.get("DEFAULT", {})) - {"enabled_backends"} - set(declaration.extra_config.get("DEFAULT", {}))
    return unknown + [f"DEFAULT/{option}" for option in sorted(extra)]


def _shape(declaration: Declaration) -> Iterator[str]:
    """Mistakes that would make the other rules stumble."""
    if not isinstance(declaration.stores, list) or not declaration.stores:
        yield str(
            cannot("configure", "stores", "", "glance_stores names no store", "Glance needs one at least: add an entry with name, type and default: true")
        )
        return
    for number, store in enumerate(declaration.stores, start=1):
        if not isinstance(store, Mapping):
            yield _refuse(f"number {number}", "it is not a dictionary", "Give name, type and the options of the type")
        elif not isinstance(store.get("name"), str) or not store["name"]:
            yield _refuse(f"number {number}", "it has no name", "Add name: it becomes the store's id in Glance")
        elif store.get("directory") is not None and not isinstance(store["directory"], Mapping):
            yield _refuse(store["name"], "directory is not a dictionary", "Give a dictionary")
    accounts = declaration.swift_accounts
    if not isinstance(accounts, (list, tuple)) or not all(isinstance(account, Mapping) for account in accounts):
        yield str(cannot("configure", "section", "glance_stores_swift_accounts", "it is not a list of dictionaries", "Give a list of dictionaries"))
    finding = shape_finding(declaration.ceph)
    if finding is not None:
        yield str(cannot("configure", "section", "glance_stores_ceph", *finding))
    for label, value in (
        ("glance_stores_backend_defaults", declaration.backend_defaults),
        ("glance_stores_internal", declaration.reserved),
        ("glance_stores_extra_config", declaration.extra_config),
    ):
        if not isinstance(value, Mapping):
            yield str(cannot("configure", "section", label, "it is not a dictionary", "Give a dictionary"))


def _names(declaration: Declaration) -> Iterator[str]:
    seen: dict[str, str] = {}
    for store in declaration.stores:
        name = store["name"]
        key = name.lower()
        if key.startswith("os_glance_"):
            yield _refuse(name, "names that begin with os_glance_ are reserved", "Choose another name")
        elif not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            yield _refuse(
                name, "its name cannot be a section of Glance's configuration", "Use letters, digits, '_', '-' and '.', and begin with a letter or digit"
            )
        elif key in GLANCE_SECTIONS:
            yield _refuse(name, f"[{name}] is a section of Glance's configuration already", "Choose another name")
        if key in seen:
            other = "the same name" if seen[key] == name else f"the name '{seen[key]}', and Glance does not tell upper from lower case there"
            yield _refuse(name, f"another store has {other}", "Give every store a name of its own")
        seen.setdefault(key, name)


def _store(declaration: Declaration, store: Store) -> Iterator[str]:
    name, kind = store["name"], store.get("type")
    if not isinstance(kind, str) or kind not in BACKENDS:
        yield _refuse(name, *_unknown_type(kind))
        return
    known = {"name": Option("str", ""), "type": Option("str", ""), **COMMON, **BACKENDS[kind]}
    known = {option: rule for option, rule in known.items() if kind == ONLY_FOR.get(option, kind)}
    for option, value in given(store).items():
        if kind != ONLY_FOR.get(option, kind):
            yield _refuse(name, f"{option} is for stores of type {ONLY_FOR[option]}", "Remove it")
        elif option not in known:
            yield _refuse(name, *unknown(option, known, {key: owner for key, owner in OWNER_OF_OPTION.items() if key not in known}))
        elif option != "directory":
            yield from _value(name, option, known[option], value)
    for option, value in given(store.get("directory") or {}).items():
        if option not in DIRECTORY:
            yield _refuse(name, *unknown(option, DIRECTORY))
        else:
            yield from _value(name, option, DIRECTORY[option], value)
    for option, rule in BACKENDS[kind].items():
        if rule.required and declaration.option(store, option) is None:
            yield _refuse(name, f"a store of type {kind} needs {option}", f"Add {option}")
    yield from RULES.get(kind, _no_rule)(declaration, store)


def _value(name: str, option: str, rule: Option, value: Any) -> Iterator[str]:
    finding = value_fault(option, rule, value)
    if finding:
        yield _refuse(name, *finding)


def _unknown_type(kind: object) -> tuple[str, str]:
    if kind is None:
        return "it has no type", f"Add type, one of {', '.join(BACKENDS)}"
    text = str(kind).lower()
    hint = TYPE_HINTS.get(text) or next(iter(get_close_matches(text, BACKENDS, n=1)), None)
    cause = f"Glance has no store of type '{kind}' and would leave it out without a word"
    return cause, f"Write type: {hint}" if hint else f"Write one of {', '.join(BACKENDS)}"


def _no_rule(declaration: Declaration, store: Store) -> Iterator[str]:
    yield from ()


def _file(declaration: Declaration, store: Store) -> Iterator[str]:
    one, many = store.get("filesystem_store_datadir"), store.get("filesystem_store_datadirs")
    if one and many:
        yield _refuse(store["name"], "filesystem_store_datadir and filesystem_store_datadirs exclude each other", "Keep filesystem_store_datadir")
    elif not one and not many:
        advice = "Add filesystem_store_datadir with a directory of its own"
        yield _refuse(store["name"], "it names no directory, and every such store would share Glance's default one", advice)
    paths = [normal(path) for path in datadirs(store)]
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield _refuse(store["name"], f"'{path}' stands twice in filesystem_store_datadirs", "Keep it once")


def _swift(declaration: Declaration, store: Store) -> Iterator[str]:
    name = store["name"]
    own_file = store.get("swift_store_config_file") is not None
    if store.get("swift_store_multi_tenant"):
        if own_file:
            yield _refuse(name, "swift_store_multi_tenant and swift_store_config_file exclude each other", "Keep one of them")
        return
    in_section = all(declaration.option(store, option) for option in ("swift_store_user", "swift_store_key", "swift_store_auth_address")) or all(
        declaration.option(store, f"swift_store_{option}") for option in ("application_credential_id", "application_credential_secret", "auth_address")
    )
    if not (own_file or in_section or declaration.uses_swift_accounts(store)):
        reference = declaration.swift_reference(store)
        yield _refuse(name, f"no account '{reference}' is in glance_stores_swift_accounts", "Add it there, or set default_swift_reference to one that is")
    if declaration.option(store, "swift_buffer_on_upload") and not declaration.option(store, "swift_upload_buffer_dir"):
        yield _refuse(name, "swift_buffer_on_upload needs swift_upload_buffer_dir", "Name a directory to buffer in")


def _cinder(declaration: Declaration, store: Store) -> Iterator[str]:
    if all(declaration.option(store, f"cinder_store_application_credential_{part}") for part in ("id", "secret")):
        wanted: tuple[str, ...] = CINDER_USER[:1]
    else:
        wanted = CINDER_USER
    missing = [option for option in wanted if not declaration.option(store, option)]
    if missing and len(missing) < len(CINDER_USER):
        cause = f"{', '.join(missing)} is missing, so that Glance would use the project of each image instead"
        yield _refuse(store["name"], cause, "Give all options of the user, or none")


def _rbd(declaration: Declaration, store: Store) -> Iterator[str]:
    defaults = declaration.backend_defaults
    conf = store.get("rbd_store_ceph_conf") or (defaults.get("rbd_store_ceph_conf") if store.get("ceph_cluster") is None else None)
    user = store.get("rbd_store_user") or defaults.get("rbd_store_user")
    findings = [_refuse(store["name"], *finding) for finding in store_findings(store, declaration.ceph, conf, user)]
    yield from findings
    if not findings and not declaration.option(store, "rbd_store_user"):
        yield _refuse(store["name"], "it names no Ceph user, and its driver would take the word None for one", "Add rbd_store_user, for example glance")


RULES = {"file": _file, "swift": _swift, "cinder": _cinder, "rbd": _rbd}


def _defaults(declaration: Declaration) -> Iterator[str]:
    chosen = [store for store in declaration.stores if config_flag(store.get("default"))]
    if not chosen:
        yield _refuse_all(declaration, "none of them is the default", "Set default: true for one of them")
    elif len(chosen) > 1:
        names = ", ".join(store["name"] for store in chosen)
        yield _refuse_all(declaration, f"{len(chosen)} of them are the default ({names})", "Keep default: true for one of them")
    for store in chosen:
        if store.get("type") == "http":
            yield _refuse(store["name"], "it is the default, but Glance cannot store anything over http", "Make another store the default")
    readers = [store["name"] for store in declaration.stores if store.get("type") == "http"]
    for name in readers[1:]:
        yield _refuse(name, f"store '{readers[0]}' is of type http already, and Glance supports one", "Keep one of them")


def _places(declaration: Declaration) -> Iterator[str]:
    """Two stores in one bucket, pool or container: deleting an image from one removes it from both."""
    seen: dict[tuple[str, ...], str] = {}
    for store in declaration.stores:
        options = PLACES.get(str(store.get("type")))
        if options is None:
            continue
        place = (str(store["type"]), *(str(declaration.option(store, option)) for option in options))
        if place in seen:
            yield _refuse(store["name"], f"it keeps its images in the same place as store '{seen[place]}'", "Give each store a place of its own")
        seen.setdefault(place, store["name"])


def _directories(declaration: Declaration) -> Iterator[str]:
    users = [(f"store '{store['name']}'", store["name"], path) for store in declaration.stores for path in dict.fromkeys(map(normal, datadirs(store)))]
    for key, settings in declaration.reserved.items():
        if isinstance(settings, Mapping) and settings.get("filesystem_store_datadir"):
            users.append((f"Glance's directory for {key}", RESERVED_STORES.get(key, key), normal(str(settings["filesystem_store_datadir"]))))
    for (label, _name, path), (_label, name, other) in combinations(users, 2):
        how = overlap(other, path)
        if how:
            yield _refuse(name, f"its directory '{other}' {how} '{path}' of {label}, and images would be lost", "Give each a directory outside the other's")


def _several_hosts(declaration: Declaration) -> Iterator[str]:
    count = len(set(declaration.api_hosts))
    if count < 2:
        return
    for store in declaration.stores:
        if store.get("type") == "file" and not store.get("shared"):
            cause = f"{count} API hosts serve it, and each would find only the images in its own directory"
            yield _refuse(store["name"], cause, "Put the directory on shared storage and set shared: true")


def _backend_defaults(declaration: Declaration) -> Iterator[str]:
    known = {name: option for options in BACKENDS.values() for name, option in options.items()}
    for option, value in given(declaration.backend_defaults).items():
        if option not in known:
            yield _refuse("backend_defaults", *unknown(option, known))
        elif option in NO_FALLBACK:
            yield _refuse("backend_defaults", f"the swift driver does not look for {option} there", "Say it in each store")
        elif option in ("filesystem_store_datadir", "filesystem_store_datadirs"):
            yield _refuse("backend_defaults", f"{option} would put every file store into one directory", "Say it in each store")
        else:
            yield from _value("backend_defaults", option, known[option], value)


def _reserved(declaration: Declaration) -> Iterator[str]:
    known = {**{name: BACKENDS["file"][name] for name in ("filesystem_store_datadir", "filesystem_store_chunk_size")}, "directory": Option("dict", "")}
    for key, settings in declaration.reserved.items():
        if key not in RESERVED_STORES or not isinstance(settings, Mapping):
            yield _refuse(key, "it is no reserved store", f"Use {' and '.join(RESERVED_STORES)}, each with a dictionary")
            continue
        for option, value in given(settings).items():
            if option not in known:
                yield _refuse(RESERVED_STORES[key], *unknown(option, known))
            else:
                yield from _value(RESERVED_STORES[key], option, known[option], value)


def _swift_accounts(declaration: Declaration) -> Iterator[str]:
    seen = set()
    for number, account in enumerate(declaration.swift_accounts, start=1):
        reference = account.get("reference")
        label = f"swift account {reference or number}"
        if not isinstance(reference, str) or not re.fullmatch(r"[A-Za-z0-9_.-]+", reference) or reference.upper() == "DEFAULT":
            yield _refuse(label, "its reference cannot be a section", "Use letters, digits, '_', '-' and '.'")
        elif reference in seen:
            yield _refuse(label, "another account has the same reference", "Give every account a reference of its own")
        seen.add(str(reference))
        for option, value in given(account).items():
            if option not in SWIFT_ACCOUNT and option != "reference":
                yield _refuse(label, *unknown(option, SWIFT_ACCOUNT))
            elif option != "reference":
                yield from _value(label, option, SWIFT_ACCOUNT[option], value)
        if not account.get("auth_address"):
            yield _refuse(label, "it has no auth_address", "Add the address of the identity service")
        password = [bool(account.get(option)) for option in ("user", "key")]
        credential = [bool(account.get(f"application_credential_{option}")) for option in ("id", "secret")]
        if not all(password) and not all(credential) or any(password) and any(credential):
            advice = "Give both user and key, or both application_credential_id and application_credential_secret"
            yield _refuse(label, "its credentials are incomplete or of two kinds", advice)


def _ceph(declaration: Declaration) -> Iterator[str]:
    yield from (_refuse(label, *finding) for label, finding in cluster_findings(declaration.ceph))


def _extra_config(declaration: Declaration) -> Iterator[str]:
    """The escape hatch holds what the typed options cannot say, never what they decide."""
    stores = {store["name"].lower(): store for store in declaration.stores}
    for section, options in declaration.extra_config.items():
        label = f"extra section {section}"
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", str(section)) or not isinstance(options, Mapping):
            yield _refuse(label, "it is no section with a dictionary of options", "Give {section: {option: value}}")
            continue
        for option, value in given(options).items():
            if not re.fullmatch(r"[A-Za-z0-9_.-]+", str(option)):
                yield _refuse(label, f"'{option}' is no name of an option", "Use letters, digits and '_'")
            yield from _value(label, str(option), Option("lines" if isinstance(value, list) else "str", ""), str(value) if isinstance(value, bool) else value)
        yield from _decided_elsewhere(label, str(section).lower(), options, stores)


def _decided_elsewhere(label: str, section: str, options: Mapping[str, Any], stores: Mapping[str, Store]) -> Iterator[str]:
    for option in sorted(map(str, options)):
        if section == "default" and option == "enabled_backends" or section == "glance_store" and option == "default_backend":
            yield _refuse(label, f"{option} follows from glance_stores", "Remove it")
        elif section == "glance_store" and option in SINGLE_STORE_OPTIONS:
            yield _refuse(label, *_single_store(option, "here"))
        elif section in RESERVED_STORES.values() and option in BACKENDS["file"]:
            yield _refuse(label, f"{option} belongs to glance_stores_internal", "Move it there")
        elif section == "backend_defaults" and option in OWNER_OF_OPTION:
            yield _refuse(label, f"{option} belongs to glance_stores_backend_defaults", "Move it there")
        elif section in stores and option in {**COMMON, **BACKENDS.get(str(stores[section].get("type")), {}), "store_description": None}:
            yield _refuse(label, f"{option} belongs to store '{stores[section]['name']}' in glance_stores", "Move it there")


def _single_store(option: str, where: str) -> tuple[str, str]:
    cause = f"{option} stands {where} in [glance_store], where Glance ignores it as soon as enabled_backends is set"
    return cause, "Remove it there and say it in the store's entry of glance_stores"


def _other_config(declaration: Declaration) -> Iterator[str]:
    """What the other files of the same service say about stores would be mixed with those of the role, in an order that no one sees."""
    names = {store["name"].lower(): store["name"] for store in declaration.stores}
    for path, text in declaration.other_config.items():
        label = f"file {path}"
        for section, options in parse(text).items():
            if section == "DEFAULT" and "enabled_backends" in options:
                yield _refuse(label, "it sets enabled_backends as well", "Remove it there: glance_stores decides which stores there are")
            if section == "glance_store":
                for option in sorted(options):
                    if option == "default_backend":
                        yield _refuse(label, "it sets default_backend as well", "Remove it there: glance_stores decides which store is the default")
                    elif option in SINGLE_STORE_OPTIONS:
                        yield _refuse(label, *_single_store(option, "there"))
            if section.lower() in names:
                yield _refuse(label, f"it has a section [{section}], which would be mixed with store '{names[section.lower()]}'", "Remove the section there")
            if section.lower() in RESERVED_STORES.values():
                yield _refuse(label, f"it has a section [{section}]", "Remove the section there and use glance_stores_internal")

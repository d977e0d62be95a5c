# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""A store's own driver, asked what is wrong: Glance tells its users no more than «500»."""

from __future__ import annotations

import configparser
import io
import logging
import multiprocessing
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .faults import Finding, finding_of, masked
from .options import BACKENDS, SWIFT_ACCOUNT

# Seconds; a driver may wait for its server for minutes.
IDLE_TIMEOUT = 45.0
SILENT = ("its server has not answered within {:.0f} s", "See that the server runs and is reached from this host")


def diagnose(store: str, config_files: Sequence[str], idle_timeout: float = IDLE_TIMEOUT) -> Finding | None:
    """What keeps a store from working; None where its driver works for us, or cannot be asked here.

    A process of its own, because a driver may hang, and because it changes the interpreter's global state.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(store, list(config_files), sender), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(idle_timeout):
            return SILENT[0].format(idle_timeout), SILENT[1]
        found: Finding | None = receiver.recv()
        return found
    except EOFError:
        return None
    finally:
        process.kill()
        process.join()


def _answer(store: str, config_files: Sequence[str], sender: Any) -> None:
    # Whatever the driver's libraries print would be mixed with the module's result.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    logging.disable(logging.CRITICAL)
    try:
        sender.send(_try_driver(store, config_files))
    finally:
        # No clean-up of the parent's: its temporary files are still in use.
        os._exit(0)


def _try_driver(store: str, config_files: Sequence[str]) -> Finding | None:
    try:
        from glance_store import multi_backend
        from oslo_config import cfg
    except ImportError:
        return None
    conf = cfg.CONF
    conf.register_opts([cfg.DictOpt("enabled_backends")])
    conf(args=[], project="glance", default_config_files=[path for path in config_files if os.path.exists(path)], default_config_dirs=[])
    kind = (conf.enabled_backends or {}).get(store)
    if kind not in BACKENDS:
        return None
    conf.set_override("enabled_backends", {store: kind})
    driver = None
    try:
        multi_backend.register_store_opts(conf)
        driver = multi_backend._load_multi_store(conf, kind, backend=store)
        driver.configure(re_raise_bsc=True)
        multi_backend.create_multi_stores(conf)
        data = os.urandom(4096)
        location = multi_backend.add_with_multihash(conf, str(uuid.uuid4()), io.BytesIO(data), len(data), store, "sha256")[0]
        multi_backend.delete(location, store)
        return None
    except Exception as exc:  # noqa: BLE001 - whatever a driver raises is what was asked for
        options = _options(conf, kind, store)
        secrets = list(_secrets(kind, options))
        facts = [{**fact, "text": masked(fact["text"], secrets)} for fact in (*_facts(_refusal(kind, driver)), *_facts(exc))]
        return finding_of(kind, {name: masked(str(value), secrets) for name, value in options.items() if not BACKENDS[kind][name].secret}, facts)


def _options(conf: Any, kind: str, store: str) -> dict[str, Any]:
    """The store's options as the driver sees them."""
    found = {}
    for name in BACKENDS[kind]:
        for group in (store, "backend_defaults"):
            value = getattr(getattr(conf, group, None), name, None)
            if value is not None:
                found[name] = value
                break
    return found


def _secrets(kind: str, options: Mapping[str, Any]) -> Iterator[str]:
    """Every secret that a driver may repeat, also as part of a URL."""
    values = [str(options[name]) for name, option in BACKENDS[kind].items() if option.secret and options.get(name)]
    accounts = configparser.ConfigParser(interpolation=None, strict=False)
    accounts.read(str(options.get("swift_store_config_file") or os.devnull))
    for account in map(accounts.__getitem__, accounts.sections()):
        values += [account[name].strip("\"'").replace("%%", "%") for name, option in SWIFT_ACCOUNT.items() if option.secret and name in account]
    for value in values:
        yield value
        yield quote(value, safe="")


def _refusal(kind: str, driver: Any) -> BaseException | None:
    """S3 says why it refuses in the body of an answer; the driver asks by HEAD, whose answers have none."""
    if kind == "s3" and driver is not None:
        try:
            driver._create_s3_client().list_objects_v2(Bucket=driver.bucket, MaxKeys=1)
        except Exception as exc:  # noqa: BLE001 - as above
            return exc
    return None


def _facts(exc: BaseException | None) -> Iterator[dict[str, Any]]:
    """An exception and what it came from; drivers often say least in the last one."""
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        response = getattr(exc, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, Mapping) else None
        yield {"class": type(exc).__name__, "text": str(exc), "status": getattr(exc, "http_status", None), "code": code}
        exc = exc.__cause__ or exc.__context__

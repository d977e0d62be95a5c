# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command xapi-simulator, or python -m xapi_simulator: starts a pool and serves it until a signal."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from . import background, seed, tls
from .pool import Pool, Settings
from .server import Listener, LocalListener


def address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"not an address with a port: {text}")
    return host, int(port)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("xapi-simulator", description="A strict simulated XAPI pool.")
    made.add_argument("--listen", type=address, metavar="ADDRESS:PORT", help="where the coordinator listens; port 0 takes a free one")
    made.add_argument("--member-listen", type=address, action="append", default=[], metavar="ADDRESS:PORT", help="one more host of the pool, a member")
    made.add_argument("--state", type=Path, required=True, metavar="DIR", help="where the pool is kept: its objects, its disks, its certificate")
    made.add_argument("--user", default="root", help="who may log in (%(default)s)")
    secret = made.add_mutually_exclusive_group()
    secret.add_argument("--password", metavar="PW", help="the password; other users of the machine can see it")
    secret.add_argument("--password-file", type=Path, metavar="FILE", help="a file that holds the password")
    made.add_argument("--no-tls", action="store_true", help="plain HTTP")
    made.add_argument("--plugins", type=Path, metavar="DIR", help="where host.call_plugin finds executables (DIR/plugins under --state)")
    made.add_argument("--session-timeout", type=float, default=24 * 3600.0, metavar="SECONDS", help="an unused session ends then (%(default)s)")
    made.add_argument("--session-limit", type=int, default=500, metavar="N", help="sessions of one user or originator at once (%(default)s)")
    made.add_argument("--sr-size", type=int, default=1 << 40, metavar="BYTES", help="size of an SR that is made without one (%(default)s)")
    made.add_argument("--detach", action="store_true", help="run in the background; starts again when an option or the program has changed")
    made.add_argument("--stop", action="store_true", help="end the server of --state that runs in the background")
    made.add_argument("--verbose", action="store_true", help="log what happens inside")
    return made


def password_of(options: argparse.Namespace) -> str:
    return str(options.password if options.password is not None else options.password_file.read_text(encoding="utf-8").rstrip("\n"))


def build(options: argparse.Namespace) -> tuple[Pool, list[Listener]]:
    state = options.state.resolve()
    settings = Settings(
        state,
        options.user,
        password_of(options),
        session_timeout=options.session_timeout,
        session_limit=options.session_limit,
        sr_size=options.sr_size,
        plugins=(options.plugins or state / "plugins").resolve(),
    )
    pool = Pool(settings)
    wanted = [options.listen, *options.member_listen]
    context = None if options.no_tls else tls.context(state, [host for host, dummy in wanted])
    pool.scheme = "http" if options.no_tls else "https"
    listeners = [Listener(each, pool, context) for each in wanted]
    coordinator = pool.coordinator
    hosts = [coordinator, *(host for host in pool.db.objects["host"] if host != coordinator)]
    while len(hosts) < len(listeners):
        hosts.append(seed.add_host(pool, f"simulated-host-{len(hosts) + 1}"))
    for host, listener in zip(hosts, listeners):
        listener.host = host
        name, port = str(listener.server_address[0]), listener.server_address[1]
        pool.addresses[host] = f"{name}:{port}"
        pool.db.set("host", host, address=name)
    return pool, listeners


def main() -> int:
    arguments = sys.argv[1:]
    made = parser()
    options = made.parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.umask(0o077)
    state = options.state.resolve()
    try:
        if options.stop:
            print("stopped" if background.stop(state) else "not running")
            return 0
        if options.listen is None or (options.password is None and options.password_file is None):
            made.error("--listen and --password or --password-file are needed")
        arguments = [argument for argument in arguments if argument != "--detach"]
        identity = background.digest(arguments, password_of(options))
        if options.detach:
            print("\n".join(background.start(state, arguments, identity, 1 + len(options.member_listen))))
            return 0
        with background.lock(state):
            pool, listeners = build(options)
            serve(pool, listeners, identity)
    except OSError as exc:
        print(f"Cannot start the simulated pool: {exc}.", file=sys.stderr)
        return 1
    except background.Held:
        print(f"Cannot start the simulated pool: another one uses {state}.", file=sys.stderr)
        return 1
    return 0


def listen_locally(pool: Pool) -> list[LocalListener]:
    """Opens the socket for the plugins of the coordinator. A file system without sockets keeps the pool from nothing else."""
    try:
        listener = LocalListener(pool.settings.state / "xapi.sock", pool)
    except OSError as exc:
        logging.getLogger(__name__).warning("no xapi.sock: %s", exc)
        return []
    threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return [listener]


def serve(pool: Pool, listeners: list[Listener], identity: str) -> None:
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    for listener in listeners:
        threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    local = listen_locally(pool)
    urls = [f"{pool.scheme}://{pool.addresses[listener.host]}" for listener in listeners]
    background.record(pool.settings.state, identity, urls)
    for url in urls:
        print(f"Listening on {url}", flush=True)
    over.wait()
    for each in (*listeners, *local):
        each.shutdown()
        each.server_close()
    pool.close()

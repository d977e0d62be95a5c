# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""(h) A Glance with the instance-aware filter against the same one without it: plain listings, listings of one instance's images, and uploads."""

from __future__ import annotations

import sqlite3
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import requests
import yaml
from ansible_collections.xenstack.image_services.tests.benchmarks.glance_servers import Twin, database_of, twin
from ansible_collections.xenstack.image_services.tests.benchmarks.interleave import NO_SLOWER, Series, in_turns, times_as_fast
from ansible_collections.xenstack.image_services.tests.benchmarks.report import Check
from ansible_collections.xenstack.image_services.tests.benchmarks.service import TIMEOUT
from ansible_collections.xenstack.image_services.tests.benchmarks.setting import Bench, say
from openstack.connection import Connection

IMAGES = 100
# What Glance puts on a page, and what one instance has here.
PAGE = 25
INSTALLATION, INSTANCE = "5d2f3c1e-7f0b-4f5e-9a55-1f4c7d0b8e21", "123"
MAX_MS = 10.0
# Without the filter's own code, what differs is noise; an upload that is held in memory is not.
MAX_MIB = 16.0


class Customer:
    """Somebody who lists images. Each request has a connection of its own: on one that stays open, delayed acknowledgements cost more than is measured."""

    def __init__(self, clouds: Path) -> None:
        settings = yaml.safe_load(clouds.read_text(encoding="utf-8"))["clouds"]["alice"]
        with Connection(**settings) as connection:
            self._token = connection.auth_token

    def create(self, server: Twin, name: str, **relation: str) -> str:
        body = {"name": name, "disk_format": "raw", "container_format": "bare"}
        return str(self._asked(server, "POST", "/v2/images", json={**body, **relation})["id"])

    def delete(self, server: Twin, image: str) -> None:
        self._asked(server, "DELETE", f"/v2/images/{image}")

    def images(self, server: Twin, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._asked(server, "GET", f"/v2/images{query}")["images"]
        return found

    def turn(self, server: Twin, query: str, number: int, expected: int) -> float:
        """The median of some listings, each of which holds as many images as it has to."""
        taken = []
        for _number in range(number):
            started = time.monotonic()
            found = self.images(server, query)
            taken.append(time.monotonic() - started)
            if len(found) != expected:
                raise RuntimeError(f"{len(found)} images instead of {expected} for {query}")
        return statistics.median(taken)

    def _asked(self, server: Twin, method: str, path: str, **options: Any) -> Any:
        answer = requests.request(method, f"{server.glance.url}{path}", headers={"X-Auth-Token": self._token}, timeout=TIMEOUT, **options)
        answer.raise_for_status()
        return answer.json() if answer.content else None


def run(bench: Bench) -> list[Check]:
    glance = bench.glance()
    with ExitStack() as stack:
        plain = stack.enter_context(twin(glance, bench.scratch / "plain", False))
        aware = stack.enter_context(twin(glance, bench.scratch / "aware", True))
        customer = Customer(glance.cloud.base / "clouds.yaml")
        for number in range(IMAGES):
            relation = {"nova_installation_uuid": INSTALLATION, "instance_id": INSTANCE} if number < PAGE else {}
            stack.callback(customer.delete, aware, customer.create(aware, f"bench related {number}", **relation))
        checks = _listings(bench, customer, plain, aware)
        say(f"{bench.sizes.relations} relations")
        _relate(database_of(glance.cloud), bench.sizes.relations)
        checks.append(_related(bench, customer, plain, aware))
        return checks + _uploads(bench, plain, aware)


def _listings(bench: Bench, customer: Customer, plain: Twin, aware: Twin) -> list[Check]:
    sizes = bench.sizes
    checks = []
    for number in (PAGE, IMAGES):
        turn = partial(customer.turn, query=f"?limit={number}", number=sizes.listings, expected=number)
        taken = in_turns(sizes.listing_rounds, {"aware": partial(turn, aware), "plain": partial(turn, plain)})
        ours, theirs = taken["aware"], taken["plain"]
        what = f"GET /v2/images, {number} of {IMAGES} images"
        checks.append(Check("h", what, _ms(ours), f"{_ms(theirs)}, without the filter", times_as_fast(ours, theirs), NO_SLOWER))
    return checks


def _related(bench: Bench, customer: Customer, plain: Twin, aware: Twin) -> Check:
    sizes = bench.sizes
    query = f"?nova_installation_uuid={INSTALLATION}&instance_id={INSTANCE}"
    turns = {
        "aware": partial(customer.turn, aware, query, sizes.listings, PAGE),
        "plain": partial(customer.turn, plain, f"?limit={PAGE}", sizes.listings, PAGE),
    }
    taken = in_turns(sizes.listing_rounds, turns)
    ours, theirs = taken["aware"], taken["plain"]
    more = statistics.median(our - their for our, their in zip(ours.seconds, theirs.seconds)) * 1000
    what = f"GET /v2/images of one instance, {PAGE} images, among {sizes.relations:,} relations"
    return Check("h", what, _ms(ours), f"{_ms(theirs)}, any {PAGE} images without the filter", more, MAX_MS, True, " ms more")


def _uploads(bench: Bench, plain: Twin, aware: Twin) -> list[Check]:
    mib = bench.sizes.put_mib
    source = bench.source(mib)

    def upload(server: Twin) -> float:
        image = server.glance.create("bench upload")
        try:
            return server.glance.put([image], source)
        finally:
            server.glance.delete(image)

    before = [server.forget_peaks() for server in (aware, plain)]
    taken = in_turns(bench.sizes.rounds, {"aware": partial(upload, aware), "plain": partial(upload, plain)})
    ours, theirs = taken["aware"], taken["plain"]
    grown = [_grown(then, server.peaks()) for then, server in zip(before, (aware, plain))]
    what = f"PUT of {mib} MiB"
    return [
        Check("h", what, str(ours), f"{theirs}, without the filter", times_as_fast(ours, theirs), NO_SLOWER),
        Check(
            "h",
            f"{what}: memory that a worker takes for it",
            f"{grown[0]:.1f} MiB",
            f"{grown[1]:.1f} MiB, without the filter",
            grown[0] - grown[1],
            MAX_MIB,
            True,
            " MiB",
        ),
    ]


def _grown(before: dict[int, int], after: dict[int, int]) -> float:
    """By how many MiB the worker's peak has risen that has risen most."""
    return max(after[pid] - taken for pid, taken in before.items()) / 1024


def _relate(database: Path, number: int) -> None:
    """Relations of other instances, of this installation and of others; most of their images do not exist."""
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.000000")
    random = Random(number)
    installations = [INSTALLATION, *(str(uuid.UUID(int=random.getrandbits(128), version=4)) for _number in range(3))]
    projects = [uuid.UUID(int=random.getrandbits(128)).hex for _number in range(50)]

    def rows() -> Iterator[tuple[str | None, ...]]:
        for _number in range(number):
            image = str(uuid.UUID(int=random.getrandbits(128), version=4))
            # Of the instance that is asked for, there are no more than the customer has.
            yield (image, random.choice(installations), str(1000 + random.randrange(50_000)), random.choice(projects), None, "active", now, now)

    with closing(sqlite3.connect(database, timeout=TIMEOUT)) as connection:
        connection.executemany(
            "INSERT INTO instance_aware_images (image_id, nova_installation_uuid, instance_id, project_id, owner_id, state, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows(),
        )
        connection.commit()


def _ms(taken: Series) -> str:
    return f"{taken.median * 1000:.1f} ms ({min(taken.seconds) * 1000:.1f})"

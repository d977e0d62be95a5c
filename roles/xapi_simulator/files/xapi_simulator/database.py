# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of the pool, kept in one SQLite file; who waits for a change is woken."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .errors import Failure
from .schema import Schema

# These end with the server, as in the real one.
VOLATILE = ("session", "task", "event")

# A field that lists who points here: (class, field) -> (class of those, their field).
REVERSE = {
    ("VDI", "VBDs"): ("VBD", "VDI"),
    ("VDI", "snapshots"): ("VDI", "snapshot_of"),
    ("SR", "VDIs"): ("VDI", "SR"),
    ("SR", "PBDs"): ("PBD", "SR"),
    ("host", "PBDs"): ("PBD", "host"),
    ("host", "PIFs"): ("PIF", "host"),
    ("host", "resident_VMs"): ("VM", "resident_on"),
    ("VM", "VBDs"): ("VBD", "VM"),
    ("VM", "VIFs"): ("VIF", "VM"),
    ("VM", "snapshots"): ("VM", "snapshot_of"),
    ("network", "VIFs"): ("VIF", "network"),
    ("network", "PIFs"): ("PIF", "network"),
    ("task", "subtasks"): ("task", "subtask_of"),
}
POINTERS = {(source, field): target for (target, dummy), (source, field) in REVERSE.items()}
FORGOTTEN_AFTER = 10_000


class Deleted(NamedTuple):
    generation: int
    cls: str
    ref: str
    uuid: str
    created: int


def now() -> str:
    return time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime())


class Database:
    """Every public method may be called with or without the lock held; a caller that reads and then writes holds it."""

    def __init__(self, schema: Schema, path: Path) -> None:
        self.schema = schema
        self.lock = threading.Condition(threading.RLock())
        self.objects: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in schema.classes}
        self.changed: dict[str, tuple[int, int]] = {}  # ref -> generation of its creation and of its last change
        self.deleted: deque[Deleted] = deque(maxlen=FORGOTTEN_AFTER)
        # Later than any token of an earlier run, so that its holder is told of everything again.
        self.generation = time.time_ns() // 1_000_000
        self.computed: dict[tuple[str, str], Callable[[str, dict[str, Any]], Any]] = {}
        self.file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.file.execute("CREATE TABLE IF NOT EXISTS object (class TEXT, ref TEXT PRIMARY KEY, body TEXT)")
        for name, ref, body in self.file.execute("SELECT class, ref, body FROM object"):
            # A field that a newer model has gets its default.
            self.objects[name][ref] = self.blank(name) | json.loads(body)
            self.changed[ref] = (self.generation, self.generation)

    def close(self) -> None:
        with self.lock:
            self.file.close()

    def blank(self, name: str) -> dict[str, Any]:
        return {entry.name: self.schema.default(entry) for entry in self.schema.classes[name].fields.values()}

    def save(self, name: str, ref: str) -> None:
        if name in VOLATILE:
            return
        record = self.objects[name].get(ref)
        if record is None:
            self.file.execute("DELETE FROM object WHERE ref = ?", (ref,))
        else:
            self.file.execute("REPLACE INTO object VALUES (?, ?, ?)", (name, ref, json.dumps(record)))

    def touch(self, name: str, ref: str, pointers: bool = True) -> None:
        """Say that the object changed, and that what it points to lists it differently."""
        self.generation += 1
        created = self.changed.get(ref, (self.generation, 0))[0]
        self.changed[ref] = (created, self.generation)
        if pointers:
            record = self.objects[name][ref]
            for (source, field), target in POINTERS.items():
                if source == name and record[field] in self.objects[target]:
                    self.touch(target, record[field], pointers=False)
        self.lock.notify_all()

    def create(self, name: str, **fields: Any) -> str:
        with self.lock:
            ref = f"OpaqueRef:{uuid.uuid4()}"
            self.objects[name][ref] = self.blank(name) | {"uuid": str(uuid.uuid4())} | fields
            self.save(name, ref)
            self.touch(name, ref)
            return ref

    def set(self, name: str, ref: str, **fields: Any) -> None:
        with self.lock:
            record = self.get(name, ref)
            before = {key: record[key] for key in fields}
            if before == fields:
                return
            self.touch(name, ref)  # what it pointed to so far changes as well
            record.update(fields)
            self.save(name, ref)
            self.touch(name, ref)

    def delete(self, name: str, ref: str) -> None:
        with self.lock:
            record = self.get(name, ref)
            self.touch(name, ref)
            created, generation = self.changed.pop(ref)
            del self.objects[name][ref]
            self.save(name, ref)
            self.deleted.append(Deleted(generation, name, ref, record.get("uuid", ""), created))

    def exists(self, name: str, ref: str) -> bool:
        return ref in self.objects[name]

    def get(self, name: str, ref: str) -> dict[str, Any]:
        """The stored record itself: fields that are worked out are not in it."""
        try:
            return self.objects[name][ref]
        except KeyError:
            raise Failure("HANDLE_INVALID", name, ref) from None

    def field(self, name: str, ref: str, field: str) -> Any:
        with self.lock:
            record = self.get(name, ref)
            if (name, field) in REVERSE:
                return self.pointing(*REVERSE[name, field], ref)
            if (name, field) in self.computed:
                return self.computed[name, field](ref, record)
            return record[field]

    def record(self, name: str, ref: str) -> dict[str, Any]:
        with self.lock:
            return {field: self.field(name, ref, field) for field in self.get(name, ref)}

    def pointing(self, name: str, field: str, ref: str) -> list[str]:
        with self.lock:
            return [other for other, record in self.objects[name].items() if record[field] == ref]

    def find(self, name: str, **fields: Any) -> Iterator[str]:
        with self.lock:
            found = [ref for ref, record in self.objects[name].items() if all(record[key] == value for key, value in fields.items())]
        yield from found

    def by_uuid(self, name: str, wanted: str) -> str:
        for ref in self.find(name, uuid=wanted):
            return ref
        raise Failure("UUID_INVALID", name, wanted)

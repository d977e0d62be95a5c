# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks and machines of a test's own in a simulated pool."""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.xenstack.image_services.tests.support.xapi import MIB, PoolUnderTest, query


@dataclass
class PoolDisks:
    """Makes disks with content and machines with disks; all of them go in the end."""

    pool: PoolUnderTest
    vdis: list[str] = field(default_factory=list)
    vms: list[str] = field(default_factory=list)

    @property
    def api(self) -> Any:
        return self.pool.api

    def make(self, name: str, size: int = 8 * MIB, **fields: Any) -> str:
        (pool,) = self.api.pool.get_all()
        given = {"SR": self.api.pool.get_default_SR(pool), "virtual_size": str(size), "type": "user", "sharable": False, "read_only": False}
        ref = self.api.VDI.create(given | {"other_config": {}, "name_label": name, "name_description": ""} | fields)
        self.vdis.append(ref)
        return ref

    def fill(self, vdi: str, seed: int = 0) -> bytes:
        """Random parts, the first and the last sector among them; what the disk holds then."""
        chooser, size = random.Random(seed), int(self.api.VDI.get_virtual_size(vdi))
        data = bytearray(size)
        for offset in (0, size - 512, *(chooser.randrange(size // 512 - 200) * 512 for _number in range(2))):
            length = min(size - offset, 512 * chooser.randint(1, 150))
            data[offset : offset + length] = chooser.randbytes(length)
        self.write(vdi, bytes(data))
        return bytes(data)

    def write_parts(self, vdi: str, parts: Mapping[int, bytes]) -> None:
        """Whole sectors by their offset, for disks that are too large to be written whole."""
        records = (struct.pack("<QI", offset, len(data)) + data for offset, data in parts.items())
        self.write(vdi, b"".join(records) + bytes(12), chunked="true")

    def write(self, vdi: str, data: bytes, **how: str) -> None:
        task = self.api.task.create("fill", "")
        try:
            status, rest = self.pool.server.ask("PUT", query(self.pool.session, "/import_raw_vdi", vdi=vdi, task_id=task, **how), data)
            assert (status, rest) == (200, b"")
        finally:
            self.api.task.destroy(task)

    def snapshot(self, vdi: str) -> str:
        ref = self.api.VDI.snapshot(vdi, {})
        self.vdis.append(ref)
        return ref

    def machine(self, name: str, *vdis: str, running: bool = True, bootable: int = 0) -> str:
        """A VM with these disks; the first one is bootable unless another is said to be."""
        (template,) = self.api.VM.get_by_name_label("Other install media")
        vm = self.api.VM.clone(template, name)
        self.vms.append(vm)
        self.api.VM.provision(vm)
        for number, vdi in enumerate(vdis):
            given = {"VM": vm, "VDI": vdi, "userdevice": str(number), "bootable": number == bootable, "mode": "RW", "type": "Disk", "empty": False}
            self.api.VBD.create(given | {"other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}})
        if running:
            self.api.VM.start(vm, False, False)
        return vm

    def remove(self) -> None:
        for vm in self.vms:
            if self.api.VM.get_power_state(vm) != "Halted":
                self.api.VM.hard_shutdown(vm)
            self.api.VM.destroy(vm)
        for vdi in self.vdis:
            self.api.VDI.destroy(vdi)


@contextlib.contextmanager
def pool_disks(pool: PoolUnderTest) -> Iterator[PoolDisks]:
    pool.clear_faults()
    made = PoolDisks(pool)
    try:
        yield made
    finally:
        pool.clear_faults()
        made.remove()

#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module: one VM of a Xen pool."""

from __future__ import annotations

DOCUMENTATION = r"""
module: xen_vm
short_description: Keep one VM of a XenServer or XCP-ng pool that boots from a disk
version_added: 1.0.0
author:
  - xenstack.image_services contributors (@xenstack)
description:
  - Makes a VM that boots from a disk in an SR, or from a fast clone of it, keeps its settings as declared, starts, stops and removes it,
    and takes, deletes and reverts to snapshots.
  - What an option does not give is not managed. An empty list makes empty.
  - A VM that could not be completed, or that does not start although it is to run, is removed again with what was created for it.
  - Disks are never removed unless they were cloned for the VM, or O(remove_disks) says so.
attributes:
  check_mode:
    description: Can run in check mode and predict changes without making any.
    support: full
  diff_mode:
    description: Returns what has changed in the managed attributes, in check mode as well.
    support: full
  idempotent:
    description: A second run without a change in between reports and does nothing.
    support: partial
    details:
      - A task with O(revert) reverts to the snapshot each time.
options:
  name:
    description:
      - Name of the VM. Several of the same name are an error that lists their uuids. With O(uuid), the name that it is to have.
      - Required unless O(uuid) is given.
    type: str
  uuid:
    description:
      - The uuid of a VM that is there.
    type: str
  state:
    description:
      - V(present) makes a halted VM where there is none, and leaves a VM running or halted as it is.
      - V(running) starts, unpauses or resumes it. V(stopped) shuts it down as O(force) says.
      - V(absent) removes it with its drives, network cards and clones. A VM that runs is shut down first.
    type: str
    choices: [present, running, stopped, absent]
    default: present
  description:
    description:
      - Description of the VM.
    type: str
  tags:
    description:
      - All tags of the VM.
    type: list
    elements: str
  template:
    description:
      - Name or uuid of the template that a new VM is created from. It must not have disks of its own.
      - Without it, and without O(boot), the template C(Other install media). It says nothing about a VM that is there.
    type: str
  boot:
    description:
      - Boot parameters. A new VM without O(template) is created from them alone, paravirtual with O(boot.kernel) or O(boot.bootloader).
      - The kind of a VM that is there cannot be changed.
    type: dict
    suboptions:
      order:
        description:
          - Where firmware looks for something to boot, in this order, V(c) for disks, V(d) for CDs, V(n) for the network, V(a) for floppies.
        type: str
      kernel:
        description:
          - Path of the kernel in the control domain.
        type: str
      ramdisk:
        description:
          - Path of the initial RAM disk in the control domain.
        type: str
      args:
        description:
          - Arguments of the kernel.
        type: str
      bootloader:
        description:
          - Boot loader that finds the kernel in the disk, for example V(pygrub).
        type: str
      bootloader_args:
        description:
          - Arguments of the boot loader.
        type: str
  firmware:
    description:
      - Firmware of a VM that is not paravirtual. A new VM has that of its template, else V(bios).
    type: str
    choices: [bios, uefi]
  secure_boot:
    description:
      - Whether a VM with UEFI firmware only starts what is signed. The keys are those of the pool, until the VM has its own.
      - A new VM has what its template says. With V(true), O(firmware=uefi) has to be given for it.
    type: bool
  memory:
    description:
      - Memory in bytes, or with a unit, for example V(2GiB). At least 16 MiB. It is all of it, without ballooning.
      - A new VM has that of its template, else 1 GiB.
    type: str
  vcpus:
    description:
      - Number of virtual CPUs. A new VM has that of its template, else 1.
    type: int
  boot_disk:
    description:
      - Name or uuid of the disk (VDI) that it boots from. A new VM needs it, unless O(boot) is given.
      - With O(clone), it is the source of a new VM's boot disk, and says nothing about a VM that is there, which keeps its clone.
      - Without O(clone), another disk takes the place of the one that the VM boots from, which is detached and kept. A disk that is read-only needs O(clone).
    type: str
  clone:
    description:
      - Whether a new VM gets a fast clone of O(boot_disk) in the same SR, so that the disk itself stays as it is and serves any number of VMs.
      - The clone belongs to the VM and is removed with it.
    type: bool
  disks:
    description:
      - The other disks. Those that are not named are detached and kept. Drives for CDs are left alone.
    type: list
    elements: dict
    suboptions:
      vdi:
        description:
          - Name or uuid of the disk.
        type: str
        required: true
      mode:
        description:
          - Whether the VM may write to it. V(rw) is an error for a disk that O(xenstack.image_services.xen_vdi_import#module:read_only) keeps from being
            written to.
        type: str
        choices: [rw, ro]
        default: rw
  networks:
    description:
      - The network cards in their order. A new VM without it has those of its template.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name or uuid of the network.
        type: str
        required: true
      mac:
        description:
          - Address of the card, in quotes, because YAML reads some as numbers. Without it, a new card gets one of the pool's choice, and one that is there
            keeps its own.
        type: str
  snapshot:
    description:
      - Name of a snapshot that is to be there. It is taken when there is none of this name.
      - In a task that does more, it is taken after the VM went down, and before other changes and the start.
    type: str
  revert:
    description:
      - Name or uuid of a snapshot that the VM is reverted to, each time. What the VM holds is lost. The pool halts a VM that runs, which needs O(restart=true)
        or O(state=stopped).
      - The pool puts clones of the snapshot's disks in the place of the VM's disks, so their uuids change, and removes those. Disks that the VM
        has got since the snapshot are detached and kept.
      - Cannot be combined with the options that describe the VM.
    type: str
  drop_snapshots:
    description:
      - Names or uuids of snapshots that are removed with their disks.
    type: list
    elements: str
  restart:
    description:
      - Whether a VM that runs may be shut down and started again for a change that needs a halted VM, as all do but those of name, description and tags.
      - Otherwise such a change is refused.
    type: bool
    default: false
  force:
    description:
      - Whether a VM is switched off instead of shut down. A VM without the tools of its platform may not follow a request to shut down.
    type: bool
    default: false
  remove_disks:
    description:
      - Whether O(state=absent) removes all disks and snapshots of the VM, not only the disks that were cloned for it.
      - A disk that another VM has too is an error.
    type: bool
    default: false
extends_documentation_fragment:
  - xenstack.image_services._pool
seealso:
  - module: xenstack.image_services.xen_vdi_import
  - module: xenstack.image_services.xen_vdi_export
"""

EXAMPLES = r"""
- name: Keep VMs with one set of credentials
  module_defaults:
    group/xenstack.image_services.xapi:
      hostname: pool-a.example.com
      password: "{{ vault_pool_password }}"
  block:
    - name: Run a VM from a fast clone of an imported image
      xenstack.image_services.xen_vm:
        name: web-1
        boot_disk: debian-13
        clone: true
        memory: 4GiB
        vcpus: 2
        firmware: uefi
        networks:
          - name: Pool-wide network associated with eth0
            mac: "52:54:00:12:34:56"
        state: running

    - name: Give it more memory, shutting it down for that
      xenstack.image_services.xen_vm:
        name: web-1
        memory: 8GiB
        restart: true

    - name: Attach a data disk while it is down
      xenstack.image_services.xen_vm:
        name: web-1
        disks:
          - vdi: web-1 data
        state: stopped

    - name: Take a snapshot before an upgrade
      xenstack.image_services.xen_vm:
        name: web-1
        snapshot: before-upgrade

    - name: Revert to the snapshot and start the VM
      xenstack.image_services.xen_vm:
        name: web-1
        revert: before-upgrade
        restart: true
        state: running

    - name: Remove the VM, its clone and this snapshot
      xenstack.image_services.xen_vm:
        name: web-1
        drop_snapshots: [before-upgrade]
        state: absent

    - name: Run a paravirtual VM without a template
      xenstack.image_services.xen_vm:
        name: legacy
        boot_disk: legacy-root
        boot:
          bootloader: pygrub
          args: console=hvc0
        state: running
"""

RETURN = r"""
vm:
  description: The VM, in check mode the predicted one, in which null is what only the pool knows. V(none) where there is none.
  returned: success
  type: dict
  contains:
    uuid:
      description: Its uuid.
      type: str
      returned: success
      sample: 8f1c1f60-2b40-4c5a-9c54-2f1b6f0f5a77
    name:
      description: Its name.
      type: str
      returned: success
      sample: web-1
    description:
      description: Its description.
      type: str
      returned: success
      sample: ""
    tags:
      description: Its tags.
      type: list
      elements: str
      returned: success
      sample: []
    power_state:
      description: V(running), V(stopped), V(paused) or V(suspended).
      type: str
      returned: success
      sample: running
    host:
      description: Name of the host that it runs on, null where it does not run.
      type: str
      returned: success
      sample: xen-1
    domain_id:
      description: Number of its domain on that host, another one after each start, and -1 where it does not run.
      type: int
      returned: success
      sample: 12
    kind:
      description: V(hvm), V(pv), V(pvh) or V(pv_in_pvh).
      type: str
      returned: success
      sample: hvm
    firmware:
      description: Its firmware, null where it is paravirtual.
      type: str
      returned: success
      sample: uefi
    secure_boot:
      description: Whether its firmware only starts what is signed.
      type: bool
      returned: success
      sample: false
    nvram:
      description: Whether its firmware has kept variables, such as boot entries and keys of secure boot. They are in no disk.
      type: bool
      returned: success
      sample: true
    vtpms:
      description: Number of its virtual TPMs, whose keys are in no disk.
      type: int
      returned: success
      sample: 0
    boot:
      description: Boot parameters that are not empty, under the names of O(boot).
      type: dict
      returned: success
      sample: {order: c}
    memory:
      description: Its memory in bytes.
      type: int
      returned: success
      sample: 4294967296
    vcpus:
      description: Number of its virtual CPUs.
      type: int
      returned: success
      sample: 2
    cloned_from:
      description: The uuid of the disk that its boot disk was cloned from, null where it was not.
      type: str
      returned: success
      sample: 2bd64a4c-5c35-47b6-9bb7-1c3b1d3b4c8e
    disks:
      description: Its disks in the order of their devices, with C(uuid), C(name), C(device), C(mode), C(bootable), C(size) in bytes and C(made_for_vm).
      type: list
      elements: dict
      returned: success
      sample:
        - uuid: 0c1a6a4f-6f1e-4a3c-8f0e-0f6dcb2a7f11
          name: web-1 boot
          device: "0"
          mode: rw
          bootable: true
          size: 3221225472
          made_for_vm: true
    networks:
      description: Its network cards, with C(uuid) and C(name) of the network, C(device) and C(mac).
      type: list
      elements: dict
      returned: success
      sample:
        - uuid: 6d1f7a0e-35f9-7c0b-2f65-cf4d3f1b7c1f
          name: Pool-wide network associated with eth0
          device: "0"
          mac: "52:54:00:12:34:56"
    snapshots:
      description: Its snapshots, the oldest first, with C(uuid), C(name), the time C(taken) and C(disks).
      type: list
      elements: dict
      returned: success
      sample: []
diff:
  description: Managed attributes before and after. Networks and disks are given by their uuids.
  returned: success
  type: dict
  sample:
    before: {memory: 4294967296, state: running}
    after: {memory: 8589934592, state: running}
error:
  description: What failed, for programs.
  returned: failure
  type: dict
  contains:
    code:
      description: XAPI's error code, or a short word for what this module found.
      type: raw
      returned: failure
      sample: NO_HOSTS_AVAILABLE
    details:
      description: XAPI's parameters of the error, or more of what this module found.
      type: raw
      returned: failure
      sample: []
    request_id:
      description: Always null.
      type: str
      returned: failure
      sample: null
"""

from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import run
from ansible_collections.xenstack.image_services.plugins.module_utils._vms.job import VmJob
from ansible_collections.xenstack.image_services.plugins.module_utils._vms.options import create_vm_argspec
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.argspec import PoolModule, create_pool_argspec


def main() -> None:
    run(PoolModule(create_pool_argspec().merge(create_vm_argspec()), supports_check_mode=True), VmJob)


if __name__ == "__main__":
    main()

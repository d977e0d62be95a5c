# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which integration tests stay in one process of a run, for `--dist loadgroup`, and what begins first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

# What is deployed for several files is deployed once: they run in one process, in this order, and nothing comes between them.
SHARED = {
    # The last one takes the filter out itself.
    "aware": ("test_instance_backup", "test_related_images", "test_outage", "test_glance_instance_aware"),
    "cinder": ("test_cinder_xenapinfs", "test_cinder_role"),
}
# The longest ones, so that no process is left alone with one of them at the end; all others follow in their order.
LONGEST = (
    "aware",
    "test_glance_site",
    "cinder",
    "test_glance_stores",
    "test_upgrade",
    "test_terraform",
    "test_secrets",
    "test_glance_instance_aware_site",
    "test_boot",
    "test_xen_examples",
    "test_nova_installation",
    "test_xen_playbooks",
    "test_glance_image_upstream",
    "test_xen_vdi_import_faults",
)
GROUP_OF = {file: group for group, files in SHARED.items() for file in files}


def group_of(nodeid: str) -> str:
    """A file stays together for the sake of its fixtures; the targets share none, so each of them is on its own."""
    file, _colons, name = nodeid.partition("::")
    stem = Path(file).stem
    if stem == "test_targets":
        return "cinder" if "[cinder_" in name else name
    return GROUP_OF.get(stem, stem)


def arrange(items: list[pytest.Item]) -> None:
    """Bring groups and the files in them into their order."""
    found = [file for files in SHARED.values() for file in files]

    def rank(item: pytest.Item) -> tuple[int, int]:
        return _place(LONGEST, group_of(item.nodeid)), _place(found, item.path.stem)

    items.sort(key=rank)


def _place(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else len(names)


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """What `--dist loadgroup` promises: with this release of pytest, pytest-xdist cannot write groups into the names of tests any more."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

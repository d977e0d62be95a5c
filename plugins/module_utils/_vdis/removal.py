# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""VDIs to be removed: incomplete ones, those that have a complete successor, and those of which a host still holds the disk for a moment."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from .._core.errors import ImageServicesError
from .._core.wait import Stalled, wait_while_moving
from .._xapi.failures import XapiFailure
from .._xapi.session import Pool
from .import_plan import REPLACES, Vdi, retired_name

# Seconds that a host may take to let go of a disk whose import has failed.
RELEASE_TIMEOUT = 15.0
# What a pool says of a VDI whose disk was removed from the storage behind its back.
MISSING = frozenset({"VDI_LOCATION_MISSING", "VDI_MISSING", "VDI_NOT_AVAILABLE"})


def destroy(pool: Pool, ref: str) -> None:
    """A host may hold a disk a moment longer than the transfer to it; one that is gone is as it should be."""
    refused: list[XapiFailure] = []

    def refusal() -> str:
        try:
            pool.run("VDI.destroy", ref, what="removal of a VDI")
        except XapiFailure as exc:
            if exc.code == "HANDLE_INVALID":
                return ""
            if exc.code in MISSING:
                _scan(pool, ref)
                return ""
            if exc.code not in ("VDI_IN_USE", "OTHER_OPERATION_IN_PROGRESS"):
                raise
            refused.append(exc)
            return exc.code
        return ""

    try:
        wait_while_moving(refusal, lambda code: not code, RELEASE_TIMEOUT, pool.clock)
    except Stalled:
        raise refused[-1] from None


def _scan(pool: Pool, ref: str) -> None:
    """Have the SR forget what is not there."""
    with suppress(XapiFailure):
        pool.run("SR.scan", pool.call("VDI.get_SR", ref), what="scan for a VDI that is gone")


def destroy_incomplete(pool: Pool, ref: str) -> None:
    """The cause of the failure comes first; the next run finds the mark on what is left."""
    with suppress(XapiFailure, ImageServicesError):
        destroy(pool, ref)


def finish_replacing(pool: Pool, successor: str | None, superseded: Iterable[Vdi], replaced: str) -> None:
    """Treat the VDIs that have, or had, a complete successor as the option says, then take the mark off it; others' are only renamed."""
    for vdi in superseded:
        if replaced == "delete" and not vdi.used and vdi.is_ours:
            destroy(pool, vdi.ref)
        else:
            pool.call("VDI.set_name_label", vdi.ref, retired_name(vdi))
    if successor is not None:
        pool.call("VDI.remove_from_other_config", successor, REPLACES)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""What has to be done so that no image is in a store any more, and none is lost. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import cannot
from .._glance.properties import REACTIVATED
from .._glance.store_usage import glance_flag, stores_of
from .._images.placement_plan import FAILED, IMPORTING, Offer, Placement, listed_in

Record = Mapping[str, Any]
HAS_DATA = ("active", "deactivated")


@dataclass(frozen=True)
class Move:
    """One image out of the store. ``keep`` are the stores that have to hold it before it goes."""

    image_id: str
    name: str
    owner: str
    size: int
    status: str
    placement: Placement
    keep: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """What Glance has to copy."""
        return self.size * len(self.placement.copy)

    @property
    def deactivated(self) -> bool:
        return self.status == "deactivated"

    @property
    def busy(self) -> bool:
        """An upload or a deletion is at work on it."""
        return self.status not in HAS_DATA

    def shown(self, status: str, error: str | None = None) -> dict[str, Any]:
        """The image in the result of the module."""
        return {
            "id": self.image_id,
            "name": self.name,
            "owner": self.owner,
            "bytes": self.size,
            "copy_to": list(self.placement.copy),
            "stays_in": list(self.keep),
            "status": status,
            "error": error,
        }


@dataclass(frozen=True)
class Evacuation:
    """Everything that is in the store, what needs no copy first, and images that an interrupted run has left active."""

    moves: tuple[Move, ...] = ()
    unfinished: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return sum(move.size for move in self.moves)

    @property
    def changed(self) -> bool:
        return bool(self.moves or self.unfinished)


def targets(store: str, to: Sequence[str] | None, stores: Offer) -> tuple[str, ...]:
    """Where images are copied that are only in the store."""
    if to is None:
        if stores.default is None or stores.default == store:
            raise cannot("evacuate", "store", store, "it is the service's default store", "Give to: with the stores that its images go to", code="no_target")
        to = [stores.default]
    if not to or store in to:
        cause = "to names the store itself" if to else "to is empty"
        raise cannot("evacuate", "store", store, cause, "Give other stores that its images go to", code="no_target")
    return tuple(dict.fromkeys(to))


def evacuation(images: Iterable[Record], store: str, to: Sequence[str], stores: Offer) -> Evacuation:
    """Where else an image lies counts only in stores that the service writes to: what it only reads, or no longer knows, is no copy to rely on."""
    images = list(images)
    moves = [_move(image, store, to, stores) for image in images if store in stores_of(image)]
    moves.sort(key=lambda move: (bool(move.placement.copy), move.size, move.image_id))
    return Evacuation(tuple(moves), tuple(sorted(str(image["id"]) for image in images if glance_flag(image.get(REACTIVATED)))))


def _move(image: Record, store: str, to: Sequence[str], stores: Offer) -> Move:
    elsewhere = [name for name in dict.fromkeys(stores_of(image)) if name != store and name in stores.writable]
    # An earlier run's copies into some of the targets may have failed or may still be under way: those are still wanted.
    begun = {*listed_in(image, FAILED), *listed_in(image, IMPORTING)}
    wanted = [name for name in to if name in begun] if elsewhere else to
    copies = tuple(name for name in wanted if name not in elsewhere)
    return Move(
        image_id=str(image["id"]),
        name=str(image.get("name") or ""),
        owner=str(image.get("owner") or ""),
        size=int(image.get("size") or 0),
        # Active only for the time of its copy, which an interrupted run has begun.
        status="deactivated" if glance_flag(image.get(REACTIVATED)) and image.get("status") == "active" else str(image.get("status")),
        placement=Placement(copies, (store,)),
        keep=(*elsewhere, *copies),
    )


def refuse_deactivated(store: str, moves: Iterable[Move]) -> None:
    """A deactivated image cannot be moved as it is; nothing is guessed."""
    found = [move for move in moves if move.deactivated]
    if found:
        names = ", ".join(f"'{move.name}' ({move.image_id})" for move in found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        raise cannot(
            "evacuate",
            "store",
            store,
            f"{len(found)} of its images are deactivated, which Glance neither copies nor takes out of a store: {names}",
            "Choose on_deactivated: skip to leave them there, or reactivate to make each active while it is copied",
            code="deactivated",
            details={"ids": [move.image_id for move in found]},
        )

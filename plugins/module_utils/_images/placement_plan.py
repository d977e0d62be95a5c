# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Which stores an image is copied to and taken out of, and when each is safe. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import ImageServicesError, cannot
from .._glance.store_usage import glance_flag, stores_of

Record = Mapping[str, Any]

# Glance's own notes on an image: the import that holds it, and what became of the stores of the last one.
LOCK = "os_glance_import_task"
IMPORTING = "os_glance_importing_to_stores"
FAILED = "os_glance_failed_import"
COPY_METHOD = "copy-image"
# In place of the names of stores.
ALL_STORES = "all"


@dataclass(frozen=True)
class Placement:
    """Stores that an image is copied to, and then stores that it is taken out of."""

    copy: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.copy or self.remove)

    def applied(self, placed: Iterable[str]) -> list[str]:
        """The image's stores afterwards."""
        return [store for store in [*placed, *self.copy] if store not in self.remove]


@dataclass(frozen=True)
class Offer:
    """The stores that a service has. ``default`` is None where it names none."""

    known: frozenset[str]
    writable: frozenset[str]
    default: str | None = None


def offer(stores: Iterable[Record] | None) -> Offer | None:
    """What Glance answered about its stores; None where it does not run with several."""
    if stores is None:
        return None
    listed = list(stores)
    return Offer(
        known=frozenset(str(store["id"]) for store in listed),
        writable=frozenset(str(store["id"]) for store in listed if not glance_flag(store.get("read-only"))),
        default=next((str(store["id"]) for store in listed if glance_flag(store.get("default"))), None),
    )


def named_stores(declared: Sequence[str] | None, stores: Callable[[], Offer | None]) -> tuple[str, ...] | None:
    """What a task names; ``all`` alone stands for every store that takes data, the default one first, unless a store is called so."""
    if declared is None:
        return None
    offered = stores() if list(declared) == [ALL_STORES] else None
    if offered is None or ALL_STORES in offered.known:
        return tuple(declared)
    return tuple(sorted(offered.writable, key=lambda store: (store != offered.default, store)))


def placement(placed: Sequence[str], declared: Iterable[str] | None, mode: str) -> Placement:
    """From where an image lies to where it is declared; without declared stores, and without any that hold it, nothing is done."""
    wanted = list(dict.fromkeys(declared or ()))
    if not placed or not wanted:
        return Placement()
    missing = tuple(store for store in wanted if store not in placed)
    excess = tuple(store for store in dict.fromkeys(placed) if store not in wanted) if mode == "exact" else ()
    return Placement(missing, excess)


def why_unsafe(image: Record, store: str, keep: Iterable[str]) -> str | None:
    """Why the copy in ``store`` has to stay: None only where each of ``keep`` is seen to hold the image, and there is one."""
    keepers, placed = list(keep), stores_of(image)
    if not keepers or store in keepers:
        return "it would be the last copy"
    if image.get("status") != "active":
        return f"its status is '{image.get('status')}'"
    if image.get(LOCK):
        return "Glance is still busy with it"
    unverified = [keeper for keeper in keepers if keeper not in placed or keeper in listed_in(image, FAILED)]
    return f"there is no verified copy in {', '.join(unverified)}" if unverified else None


def listed_in(image: Record, key: str) -> list[str]:
    """Stores in one of Glance's notes on an image."""
    return [store for store in str(image.get(key) or "").split(",") if store]


def copy_failures(image: Record, stores: Iterable[str]) -> list[str]:
    """Of the stores that an image was copied to, those that do not hold it after all."""
    placed, failed = stores_of(image), listed_in(image, FAILED)
    return [store for store in stores if store not in placed or store in failed]


def refuse_service(verb: str, kind: str, name: str, stores: Offer | None, methods: Sequence[str], wanted: Iterable[str], copying: bool) -> Offer:
    """Refuse what this service cannot do: ``wanted`` are stores to copy to."""
    if stores is None:
        raise cannot(verb, kind, name, "the service does not offer several stores", "Leave stores out, or configure several stores", code="unknown_store")
    for store in wanted:
        if store not in stores.writable:
            raise refuse_store(verb, kind, name, store, stores)
    if copying and COPY_METHOD not in methods:
        raise cannot(
            verb,
            kind,
            name,
            f"the service has switched on import methods {', '.join(methods) or 'none'}, not '{COPY_METHOD}', by which images get into further stores",
            "Have it added to enabled_import_methods",
            code="import_method",
        )
    return stores


def refuse_store(verb: str, kind: str, name: str, store: str, stores: Offer | None) -> ImageServicesError:
    """The refusal to put data into a store that is none here, or only read from."""
    has = f"the service offers {', '.join(sorted(stores.writable))}" if stores is not None else "the service does not offer several stores"
    return cannot(verb, kind, name, f"store '{store}' takes no data here: {has}", "Correct stores", code="unknown_store")


def refuse_image(name: str, image: Record, planned: Placement, declared: Iterable[str], stores: Offer) -> None:
    """Refuse what cannot be done to this image, before anything is."""
    placed = stores_of(image)
    if planned.copy and not stores.known.intersection(placed):
        cause = f"its content is only in {', '.join(placed)}, which the service does not offer, so there is nothing to copy"
        raise cannot("place", "image", name, cause, "Have the service offer that store again", code="unknown_store")
    gone = [store for store in planned.remove if store not in stores.known]
    if gone:
        cause = f"it is also in {', '.join(gone)}, which the service does not offer, and Glance deletes only from stores that it offers"
        raise cannot("place", "image", name, cause, "Have the service offer that store again, or choose stores_mode: at_least", code="unknown_store")
    lost = [store for store in declared if planned.remove and store not in stores.known]
    if lost:
        cause = f"store '{lost[0]}' is not offered by the service, so its copy cannot be relied on"
        raise cannot("place", "image", name, cause, "Correct stores", code="unknown_store")

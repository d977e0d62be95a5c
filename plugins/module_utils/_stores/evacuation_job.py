# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""The work of the module glance_store_evacuation. All that it knows of its progress is what Glance shows, so a run that was killed is continued by the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from .._core.errors import cannot
from .._core.runner import Job, Params
from .._core.signals import ending
from .._glance.api import Glance
from .._glance.connection import Cloud
from .._glance.http import GlanceError, glance_errors
from .._glance.properties import REACTIVATED, property_path
from .._images.placement_apply import FOR_ADMINISTRATORS, Placer
from .._images.placement_plan import offer, refuse_service
from .evacuation_plan import Evacuation, Move, evacuation, refuse_deactivated, targets
from .listing import all_images, described

ONLY_ADMINISTRATORS = "Use an administrator's credentials: others do not see the images of every project, and may not move them"
DONE = ("moved", "removed", "gone")
MAX_CAUSES = 3


class EvacuationPlan(NamedTuple):
    """Everything in the store, what this run moves of it, and what it leaves there."""

    run: _Run
    all: Evacuation
    batch: tuple[Move, ...]
    skipped: tuple[Move, ...]


class EvacuationJob(Job[Glance, EvacuationPlan, "list[dict[str, Any]]"]):
    """Every image of the store to another one; the result names each."""

    def __init__(self, params: Params, log: Callable[[str], None], connect: Callable[[Params], Cloud] = Cloud) -> None:
        super().__init__(params)
        self._log = log
        self._connect = connect
        self._store = str(params["store"])
        _refuse_options(params)

    @classmethod
    def of(cls, module: AnsibleModule) -> EvacuationJob:
        return cls(module.params, module.log)

    def look(self) -> Glance:
        return self._connect(self.params).glance

    def plan(self, seen: Glance) -> EvacuationPlan:
        run, on_deactivated = _Run(seen, self.params, self._log), self.params["on_deactivated"]
        found = run.plan()
        skipped = tuple(move for move in found.moves if move.busy or (move.deactivated and on_deactivated == "skip"))
        return EvacuationPlan(run, found, tuple(move for move in found.moves if move not in skipped)[: self.params["limit"]], skipped)

    def must_apply(self, plan: EvacuationPlan) -> bool:
        return True

    def apply(self, seen: Glance, plan: EvacuationPlan) -> list[dict[str, Any]]:
        plan.run.close(plan.all.unfinished)
        self._refuse_deactivated(plan)
        return plan.run.carry_out(plan.batch)

    def result(self, seen: Glance, plan: EvacuationPlan, done: list[dict[str, Any]] | None) -> dict[str, Any]:
        if done is None:
            self._refuse_deactivated(plan)
        outcomes = [move.shown("planned") for move in plan.batch] if done is None else done
        result = _result(self._store, plan.all, plan.batch, outcomes, plan.skipped, done is None)
        failed = [outcome for outcome in outcomes if outcome["status"] == "failed"]
        if failed:
            causes = "; ".join(f"'{outcome['name']}' ({outcome['id']}): {outcome['error']}" for outcome in failed[:MAX_CAUSES])
            more = f"; and {len(failed) - MAX_CAUSES} more" if len(failed) > MAX_CAUSES else ""
            cause = f"{len(failed)} of {len(plan.all.moves)} images stay in it: {causes}{more}"
            error = cannot("evacuate", "store", self._store, cause, plan.run.advice, code="incomplete")
            error.result = result
            raise error
        return result

    def _refuse_deactivated(self, plan: EvacuationPlan) -> None:
        """Once what an interrupted run has left active is deactivated again."""
        if self.params["on_deactivated"] == "refuse":
            refuse_deactivated(self._store, plan.all.moves)


def _refuse_options(params: Mapping[str, Any]) -> None:
    for option in ("concurrency", "limit"):
        if params[option] is not None and params[option] < 1:
            raise cannot("evacuate", "store", params["store"], f"{option} is {params[option]}", "Give a number from 1", code="bad_option")
    if not params["wait"]:
        cause = "wait is false, and an image stays until its copy is verified"
        raise cannot("evacuate", "store", params["store"], cause, "Set wait: true", code="no_wait")


class _Run:
    def __init__(self, glance: Glance, params: Mapping[str, Any], log: Callable[[str], None]) -> None:
        self._glance = glance
        self._params = params
        self._store = str(params["store"])
        self._log = log
        self._placer = Placer(glance, float(params["timeout"]))
        # Set once a refusal would meet every other image as well.
        self._stop = threading.Event()
        self.advice = "Remove the cause, then run the task again: it continues from here"

    def plan(self) -> Evacuation:
        """Look at everything, and refuse what cannot be done; nothing is changed."""
        glance, store = self._glance, self._store
        try:
            # Glance tells details to administrators only, and only they see every image.
            described(glance)
        except GlanceError as exc:
            raise exc.explained("evacuate", "store", store, ONLY_ADMINISTRATORS if exc.status == 403 else exc.advice) from exc
        with glance_errors("evacuate", "store", store):
            stores = offer(glance.stores())
            if stores is None or store not in stores.known:
                has = f"the service offers {', '.join(sorted(stores.known))}" if stores is not None else "the service does not offer several stores"
                raise cannot("evacuate", "store", store, f"there is no such store: {has}", "Correct store", code="unknown_store")
            to = targets(store, self._params["to"], stores)
            made = evacuation(all_images(glance), store, to, stores)
            copying = any(move.placement.copy for move in made.moves)
            refuse_service("evacuate", "store", store, stores, glance.import_methods() if copying else [], to, copying)
        return made

    def carry_out(self, moves: Sequence[Move]) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(self._params["concurrency"]) as pool:
            return list(pool.map(self._move, moves))

    def close(self, image_ids: Sequence[str]) -> None:
        """Deactivate what an interrupted run has left active."""
        for image_id in image_ids:
            with glance_errors("deactivate", "image", image_id):
                self._close(image_id)

    def _move(self, move: Move) -> dict[str, Any]:
        if self._stop.is_set() or ending():
            return move.shown("planned")
        try:
            placed = self._place(move)
            failures, cause = placed.failures, placed.cause
        except GlanceError as exc:
            failures, cause = [exc], str(exc)
        if any(failure.code == "gone" for failure in failures):
            return move.shown("gone")
        if not failures:
            self._log(f"image '{move.name}' ({move.image_id}): {move.size} bytes taken out of store {self._store}")
            return move.shown("moved" if move.placement.copy else "removed")
        if any(failure.status == 403 or failure.retryable for failure in failures):
            self.advice = FOR_ADMINISTRATORS if any(failure.status == 403 for failure in failures) else self.advice
            self._stop.set()
        return move.shown("failed", cause)

    def _place(self, move: Move) -> Any:
        if not move.deactivated:
            return self._placer.place(move.image_id, move.placement, move.keep)
        # The mark comes first: whoever finds an active image with it deactivates it.
        self._glance.patch(move.image_id, [{"op": "add", "path": property_path(REACTIVATED), "value": "true"}])
        try:
            self._glance.reactivate(move.image_id)
            return self._placer.place(move.image_id, move.placement, move.keep)
        finally:
            self._close(move.image_id)

    def _close(self, image_id: str) -> None:
        image = self._placer.idle(image_id)
        if image["status"] == "active":
            self._glance.deactivate(image_id)
        if REACTIVATED in image:
            self._glance.patch(image_id, [{"op": "remove", "path": property_path(REACTIVATED)}])


def _result(store: str, plan: Evacuation, batch: Sequence[Move], outcomes: list[dict[str, Any]], skipped: Sequence[Move], check_mode: bool) -> dict[str, Any]:
    statuses = [outcome["status"] for outcome in outcomes]
    finished = [move for move, status in zip(batch, statuses) if check_mode or status in DONE]
    gone = {move.image_id for move in finished}
    left = [move for move in plan.moves if move.image_id not in gone]
    return {
        "changed": bool(finished or plan.unfinished),
        "images": [*outcomes, *(move.shown("skipped", f"its status is '{move.status}'") for move in skipped)],
        "totals": {
            "images": len(plan.moves),
            "bytes": plan.size,
            "done": 0 if check_mode else len(finished),
            "bytes_to_copy": sum(move.bytes for move in batch),
            "failed": statuses.count("failed"),
            "skipped": len(skipped),
            "remaining": len(plan.moves) if check_mode else len(left),
        },
        "diff": {
            "before": {"store": store, "images": len(plan.moves), "bytes": plan.size},
            "after": {"store": store, "images": len(left), "bytes": sum(move.size for move in left)},
        },
    }

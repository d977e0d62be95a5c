# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Many declared images: one session, one listing, one plan, then transfers side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .._content.body import Progress
from .._content.rate_limit import RateLimiter
from .._core.errors import ImageServicesError
from .._core.signals import ending
from .._glance.connection import Cloud
from .._glance.http import glance_errors
from .catalogue_options import MAX_CONCURRENCY, checked_items, parse_bandwidth, parse_prune_max, place_of, refuse_prune_of_everything
from .catalogue_plan import refuse_twice
from .job import ImageJob
from .lookup import PreloadedImageLookup
from .pruning import PruneCandidate, Surplus

Result = dict[str, Any]
# Options of the task that hold for every image.
COMMON_OPTIONS = ("wait", "timeout")


@dataclass
class Item:
    """One item on its way through the run."""

    number: int
    params: Mapping[str, Any]
    job: ImageJob
    error: ImageServicesError | None = None
    result: Result | None = None

    @property
    def place(self) -> str:
        return place_of(self.number, self.params)

    def keys(self) -> Iterator[tuple[Any, ...]]:
        """By what two items can be seen to declare one image before anything is asked."""
        if self.params["id"] is not None:
            yield ("id", self.params["id"])
        else:
            yield ("name", self.params["owner"], self.params["owner_domain"], self.params["name"])


class Catalogue:
    """The work of the module glance_images."""

    def __init__(self, params: Mapping[str, Any], connect: Callable[[Mapping[str, Any]], Cloud], progress: Callable[[str], Progress]) -> None:
        self._params = params
        self._connect = connect
        self._continuing = params["continue_on_error"]
        self._items = list(_items(params, progress))
        self._working = [item for item in self._items if not item.params["ignore"]]

    def run(self, check_mode: bool) -> Result:
        started = time.monotonic()
        refuse_prune_of_everything(self._params)
        parse_prune_max(self._params["prune_max"])
        refuse_twice([item.place for item in self._items], [list(item.keys()) for item in self._items])
        self._each(lambda item: item.job.open())
        self._refuse_unless_continuing()
        cloud = self._connect(self._params)
        with glance_errors("list", "images", "*"):
            listed = PreloadedImageLookup(cloud.glance)
        self._each(lambda item: item.job.prepare(cloud, listed))
        self._refuse_unless_continuing()
        refuse_twice([item.place for item in self._items], [item.job.touches() for item in self._items])
        surplus = Surplus(cloud, self._params)
        surplus.plan([item.params for item in self._items], {item.number: item.job.plan for item in self._sound()}, listed.records)
        if not self._failed():
            # Otherwise nothing is pruned at all.
            surplus.refuse_too_many()
        self._each(lambda item: self._finish(item, check_mode), stop=not self._continuing)
        try:
            gone = surplus.remove([doomed for doomed in surplus.doomed if self._may_go(doomed)], check_mode)
        except ImageServicesError as exc:
            exc.result = _told(self._result((), surplus, time.monotonic() - started))
            raise
        result = self._result(gone, surplus, time.monotonic() - started)
        if self._failed():
            raise self._failure(result)
        return result

    # Items

    def _each(self, work: Callable[[Item], object], stop: bool = False) -> None:
        """Work on all items that are sound, side by side; with ``stop``, none is begun after one has failed."""

        def guarded(item: Item) -> None:
            if ending() or (stop and self._failed()):
                return
            try:
                work(item)
            except ImageServicesError as exc:
                item.error = exc

        with ThreadPoolExecutor(max_workers=self._params["concurrency"]) as pool:
            for _done in pool.map(guarded, self._sound()):
                pass

    @staticmethod
    def _finish(item: Item, check_mode: bool) -> None:
        item.result = item.job.finish(check_mode)

    def _sound(self) -> list[Item]:
        return [item for item in self._working if item.error is None]

    def _failed(self) -> list[Item]:
        return [item for item in self._working if item.error is not None]

    def _may_go(self, doomed: PruneCandidate) -> bool:
        """An undeclared image may be what a failed item was to take the place of."""
        return not self._failed() if doomed.item is None else self._items[doomed.item].result is not None

    # Results

    def _refuse_unless_continuing(self) -> None:
        """Before the first change, one bad item is enough to change nothing."""
        if self._failed() and not self._continuing:
            raise self._failure(self._result((), None, 0.0))

    def _failure(self, result: Result) -> ImageServicesError:
        failed = self._failed()
        causes = [f"{item.place}: {item.error}" for item in failed]
        done = "Nothing was changed" if not result["changed"] else "Items that are changed or ok in results stand as declared"
        message = f"Cannot keep {len(failed)} of {len(self._working)} images. {done}.\n" + "\n".join(causes)
        first = failed[0].error
        error = ImageServicesError(message, code=first.code if first else None, details={"failed": [item.place for item in failed]})
        error.result = _told(result)
        return error

    def _result(self, gone: Sequence[PruneCandidate], surplus: Surplus | None, elapsed: float) -> Result:
        results = [self._item_result(item, [doomed for doomed in gone if doomed.item == item.number]) for item in self._items]
        pruned = [_brief(doomed) for doomed in gone if doomed.item is None]
        warnings = [warning for item in self._items for warning in (item.result or {}).get("warnings", ())]
        return {
            "changed": bool(pruned) or any(result["changed"] for result in results),
            "results": results,
            "ids": {result["name"]: result["image"]["id"] for result in results if result["image"] is not None and result["name"] is not None},
            "pruned": pruned,
            "kept": surplus.kept if surplus is not None else [],
            "diff": [diff for item, result in zip(self._items, results) for diff in _diffs(item, result)] + [_deletion(image) for image in pruned],
            "bytes_transferred": sum(result["bytes_transferred"] for result in results),
            "elapsed": round(elapsed, 3),
            "warnings": [*warnings, *(surplus.warnings if surplus is not None else ())],
        }

    @staticmethod
    def _item_result(item: Item, rotated: Sequence[PruneCandidate]) -> Result:
        failed = item.error
        done = item.result or (failed.result if failed else {})
        changed = bool(done.get("changed") or rotated)
        state = _state(item, changed)
        return {
            "name": item.params["name"],
            "result": state,
            "changed": changed,
            "image": done.get("image"),
            "diff": done.get("diff") if state == "changed" else None,
            "stores": done.get("stores", []),
            "replaced_image_id": done.get("replaced_image_id"),
            "rotated": [_brief(doomed) for doomed in rotated],
            "bytes_transferred": done.get("bytes_transferred", 0),
            "elapsed": done.get("elapsed", 0.0),
            "error": {"msg": str(failed), "code": failed.code, "details": failed.details, "request_id": failed.request_id} if failed else None,
        }


def _items(params: Mapping[str, Any], progress: Callable[[str], Progress]) -> Iterator[Item]:
    if not 1 <= params["concurrency"] <= MAX_CONCURRENCY:
        cause = f"it is not between 1 and {MAX_CONCURRENCY}"
        raise ImageServicesError(f"Cannot use concurrency {params['concurrency']}: {cause}. Correct it.", code="bad_concurrency")
    rate = parse_bandwidth(params["bandwidth"])
    pace = RateLimiter(rate) if rate is not None else None
    common = {option: params[option] for option in COMMON_OPTIONS}
    for number, item in enumerate(checked_items(params["images"], params["defaults"], common)):
        following = progress(str(item["name"] or item["id"]))
        yield Item(number, item, ImageJob(item, pace.wrap(following) if pace is not None else following))


def _state(item: Item, changed: bool) -> str:
    if item.params["ignore"]:
        return "ignored"
    if item.error is not None:
        return "failed"
    if item.result is None:
        return "skipped"
    return "changed" if changed else "ok"


def _told(result: Result) -> Result:
    """What goes with a failure: warnings are for a success."""
    return {key: value for key, value in result.items() if key != "warnings"}


def _brief(doomed: PruneCandidate) -> Result:
    return {"id": doomed.image["id"], "name": doomed.image.get("name")}


def _diffs(item: Item, result: Result) -> Iterator[Result]:
    if result["changed"] and result["diff"]:
        yield {**result["diff"], "before_header": item.place, "after_header": item.place}
    for image in result["rotated"]:
        yield _deletion(image)


def _deletion(image: Result) -> Result:
    return {"before": image, "after": {}, "before_header": f"image {image['id']}", "after_header": f"image {image['id']}"}

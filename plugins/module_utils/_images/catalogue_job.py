# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Many declared images: one session, one listing, one plan, then transfers side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from .._content.body import Progress
from .._content.rate_limit import RateLimiter
from .._core.errors import ImageServicesError
from .._core.progress import ProgressLog, ProgressSink
from .._core.runner import Job, Params
from .._core.signals import ending
from .._glance.connection import Cloud
from .._glance.http import glance_errors
from .catalogue_options import MAX_CONCURRENCY, checked_items, parse_bandwidth, parse_prune_max, place_of, refuse_prune_of_everything
from .catalogue_plan import refuse_twice
from .job import CheckedPlan, ImageContent, ImageJob
from .job import Seen as SeenImage
from .lookup import PreloadedImageLookup
from .pruning import ImagePruning, PruneCandidate, Pruned

Result = dict[str, Any]
# Options of the task that hold for every image.
COMMON_OPTIONS = ("wait", "timeout")


@dataclass
class Item:
    """One item on its way through the run."""

    number: int
    params: Mapping[str, Any]
    job: ImageJob
    content: ImageContent | None = None
    seen: SeenImage | None = None
    plan: CheckedPlan | None = None
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

    def touches(self) -> list[str]:
        """Ids of the images that the plan is about."""
        current = self.seen.current if self.seen is not None and self.plan is not None else None
        return [str(current["id"])] if current is not None else []


class Seen(NamedTuple):
    """The session and the one listing; what was seen of each item is with it."""

    cloud: Cloud
    listed: PreloadedImageLookup


class CatalogueJob(Job[Seen, ImagePruning, Pruned]):
    """The work of the module glance_images."""

    def __init__(
        self,
        params: Params,
        progress: Callable[[str], Progress] = lambda _label: lambda _sent, _size: None,
        connect: Callable[[Params], Cloud] = Cloud,
    ) -> None:
        super().__init__(params)
        self._started = time.monotonic()
        self._connect = connect
        self._continuing = params["continue_on_error"]
        self._items = list(_items(params, progress))
        self._working = [item for item in self._items if not item.params["ignore"]]
        refuse_prune_of_everything(params)
        parse_prune_max(params["prune_max"])
        refuse_twice([item.place for item in self._items], [list(item.keys()) for item in self._items])

    @classmethod
    def of(cls, module: AnsibleModule) -> CatalogueJob:
        sink = ProgressSink(module.log)
        return cls(module.params, lambda label: ProgressLog(sink, label))

    def look(self) -> Seen:
        self._each(_open)
        self._refuse_unless_continuing()
        cloud = self._connect(self.params)
        with glance_errors("list", "images", "*"):
            listed = PreloadedImageLookup(cloud.glance)
        self._each(lambda item: _compare(item, cloud, listed))
        return Seen(cloud, listed)

    def plan(self, seen: Seen) -> ImagePruning:
        self._each(_plan)
        self._refuse_unless_continuing()
        refuse_twice([item.place for item in self._items], [item.touches() for item in self._items])
        pruning = ImagePruning(seen.cloud, self.params)
        plans = {item.number: item.plan.image for item in self._sound() if item.plan is not None}
        pruning.plan([item.params for item in self._items], plans, seen.listed.records)
        if not self._failed():
            # Otherwise nothing is pruned at all.
            pruning.refuse_too_many()
        return pruning

    def must_apply(self, plan: ImagePruning) -> bool:
        return True

    def apply(self, seen: Seen, plan: ImagePruning) -> Pruned:
        self._each(_apply, stop=not self._continuing)
        with self._telling():
            pruned = self._pruned(plan)
        with self._telling(pruned):
            plan.remove(pruned.removed)
        return pruned

    def result(self, seen: Seen, plan: ImagePruning, done: Pruned | None) -> Result:
        pruned = done
        if pruned is None:
            self._each(_predict, stop=not self._continuing)
            with self._telling():
                pruned = self._pruned(plan)
        result = self._result(pruned, self._elapsed())
        if self._failed():
            raise self._failure(result)
        return result

    def _pruned(self, pruning: ImagePruning) -> Pruned:
        return pruning.decide([one for one in pruning.candidates if self._may_remove(one)])

    @contextmanager
    def _telling(self, pruned: Pruned | None = None) -> Iterator[None]:
        """A failure of pruning tells what was done with the items before it."""
        try:
            yield
        except ImageServicesError as exc:
            exc.result = _told(self._result(pruned._replace(removed=()) if pruned is not None else Pruned(), self._elapsed()))
            raise

    def _elapsed(self) -> float:
        return time.monotonic() - self._started

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

        with ThreadPoolExecutor(max_workers=self.params["concurrency"]) as pool:
            for _done in pool.map(guarded, self._sound()):
                pass

    def _sound(self) -> list[Item]:
        return [item for item in self._working if item.error is None]

    def _failed(self) -> list[Item]:
        return [item for item in self._working if item.error is not None]

    def _may_remove(self, candidate: PruneCandidate) -> bool:
        """An undeclared image may be what a failed item was to take the place of."""
        return not self._failed() if candidate.item is None else self._items[candidate.item].result is not None

    # Results

    def _refuse_unless_continuing(self) -> None:
        """Before the first change, one bad item is enough to change nothing."""
        if self._failed() and not self._continuing:
            raise self._failure(self._result(Pruned(), 0.0))

    def _failure(self, result: Result) -> ImageServicesError:
        failed = self._failed()
        causes = [f"{item.place}: {item.error}" for item in failed]
        done = "Nothing was changed" if not result["changed"] else "Items that are changed or ok in results are as declared"
        message = f"Cannot keep {len(failed)} of {len(self._working)} images. {done}.\n" + "\n".join(causes)
        first = failed[0].error
        error = ImageServicesError(message, code=first.code if first else None, details={"failed": [item.place for item in failed]})
        error.result = _told(result)
        return error

    def _result(self, pruning: Pruned, elapsed: float) -> Result:
        results = [self._item_result(item, [one for one in pruning.removed if one.item == item.number]) for item in self._items]
        pruned = [_brief(one) for one in pruning.removed if one.item is None]
        warnings = [warning for item in self._items for warning in (item.result or {}).get("warnings", ())]
        return {
            "changed": bool(pruned) or any(result["changed"] for result in results),
            "results": results,
            "ids": {result["name"]: result["image"]["id"] for result in results if result["image"] is not None and result["name"] is not None},
            "pruned": pruned,
            "kept": list(pruning.kept),
            "diff": [diff for item, result in zip(self._items, results) for diff in _diffs(item, result)] + [_deletion(image) for image in pruned],
            "bytes_transferred": sum(result["bytes_transferred"] for result in results),
            "elapsed": round(elapsed, 3),
            "warnings": [*warnings, *pruning.warnings],
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
            "rotated": [_brief(one) for one in rotated],
            "bytes_transferred": done.get("bytes_transferred", 0),
            "elapsed": done.get("elapsed", 0.0),
            "error": {"msg": str(failed), "code": failed.code, "details": failed.details, "request_id": failed.request_id} if failed else None,
        }


def _open(item: Item) -> None:
    item.content = item.job.open()


def _compare(item: Item, cloud: Cloud, listed: PreloadedImageLookup) -> None:
    if item.content is not None:
        item.seen = item.job.compare(item.content, cloud, listed)


def _plan(item: Item) -> None:
    if item.seen is not None:
        item.plan = item.job.plan(item.seen)


def _apply(item: Item) -> None:
    if item.seen is not None and item.plan is not None:
        done = item.job.apply(item.seen, item.plan) if item.job.must_apply(item.plan) else None
        item.result = item.job.result(item.seen, item.plan, done)


def _predict(item: Item) -> None:
    if item.seen is not None and item.plan is not None:
        item.result = item.job.result(item.seen, item.plan, None)


def _items(params: Mapping[str, Any], progress: Callable[[str], Progress]) -> Iterator[Item]:
    if not 1 <= params["concurrency"] <= MAX_CONCURRENCY:
        cause = f"it is not between 1 and {MAX_CONCURRENCY}"
        raise ImageServicesError(f"Cannot use concurrency {params['concurrency']}: {cause}. Correct it.", code="bad_concurrency")
    rate = parse_bandwidth(params["bandwidth"])
    limit = RateLimiter(rate) if rate is not None else None
    common = {option: params[option] for option in COMMON_OPTIONS}
    for number, item in enumerate(checked_items(params["images"], params["defaults"], common)):
        following = progress(str(item["name"] or item["id"]))
        yield Item(number, item, ImageJob(item, limit.wrap(following) if limit is not None else following))


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


def _brief(candidate: PruneCandidate) -> Result:
    return {"id": candidate.image["id"], "name": candidate.image.get("name")}


def _diffs(item: Item, result: Result) -> Iterator[Result]:
    if result["changed"] and result["diff"]:
        yield {**result["diff"], "before_header": item.place, "after_header": item.place}
    for image in result["rotated"]:
        yield _deletion(image)


def _deletion(image: Result) -> Result:
    return {"before": image, "after": {}, "before_header": f"image {image['id']}", "after_header": f"image {image['id']}"}

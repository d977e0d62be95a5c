# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to this collection: no compatibility is promised to other importers.
"""Share a long list of names among the processors."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from .errors import ImageServicesError

Result = TypeVar("Result")

MAX_PROCESSES = 4


def spread(names: Sequence[str], work: Callable[[Sequence[str]], Result], smallest: int) -> list[Result]:
    """Do the work for all names, in several processes where each gets ``smallest`` of them; the first failure of any is raised here."""
    count = max(1, min(len(names) // smallest, len(os.sched_getaffinity(0)), MAX_PROCESSES))
    # Neighbours stay together: they share pages of memory, which a fork would have to copy.
    bounds = [len(names) * number // count for number in range(count + 1)]
    shares = [names[start:end] for start, end in zip(bounds, bounds[1:])]
    children = [_start(share, work) for share in shares[1:]]
    try:
        own = work(shares[0])
    finally:
        answers = [_collect(*child) for child in children]
    results = [own]
    for answer in answers:
        if isinstance(answer, (OSError, ImageServicesError)):
            raise answer
        results.append(answer)
    return results


def _start(share: Sequence[str], work: Callable[[Sequence[str]], Result]) -> tuple[int, int]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _be_child(writer, share, work)
    os.close(writer)
    return child, reader


def _be_child(writer: int, share: Sequence[str], work: Callable[[Sequence[str]], Result]) -> NoReturn:
    """The child's whole life: whatever happens it ends here, because the rest of the module belongs to its parent."""
    try:
        answer: Result | OSError | ImageServicesError
        try:
            answer = work(share)
        except (OSError, ImageServicesError) as exc:
            answer = exc
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(answer, pipe)
    finally:
        os._exit(0)


def _collect(child: int, reader: int) -> Result | OSError | ImageServicesError:
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        return OSError("a helper process ended early")
    return pickle.loads(answer)

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads and imports that fail: the last error tells what was seen, and what to do as the first one would have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._content.source import FileSource
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.advice import BROKEN_UPLOAD
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.http import GlanceError
from ansible_collections.xenstack.image_services.plugins.module_utils._images.transfer import UPLOAD_ATTEMPTS, Sending, put_data, run_import
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock

SIZE = 3 * 1024 * 1024


class Failing:
    """A Glance that takes ``blocks`` of the data, then fails in the same manner each time, and shows the image in ``status``."""

    def __init__(self, error: GlanceError, blocks: int, status: str) -> None:
        self.http = SimpleNamespace(clock=JumpingClock())
        self.error, self.blocks, self.status, self.uploads = error, blocks, status, 0

    def upload(self, _image_id: str, body: Iterable[bytes], *_more: Any) -> None:
        self.uploads += 1
        blocks = iter(body)
        for _number in range(self.blocks):
            next(blocks)
        raise self.error

    def image(self, image_id: str) -> dict[str, Any]:
        return {"id": image_id, "status": self.status}


def broken(**more: Any) -> GlanceError:
    return GlanceError("no answer from http://glance (Connection aborted)", kind="connection", **more)


GONE = "See that Glance answers, then run the task again"
LEFT = ". Delete that image if it is still there"
# The error, how many blocks of 1 MiB pass, the image's status, attempts, code and advice of the last error.
FAILURES: list[tuple[GlanceError, int, str, int, object, str]] = [
    (broken(), 0, "queued", UPLOAD_ATTEMPTS, "connection", GONE),
    (broken(), 2, "queued", UPLOAD_ATTEMPTS, "connection", BROKEN_UPLOAD),
    (broken(), 2, "saving", 1, "stuck", BROKEN_UPLOAD + LEFT),
    (GlanceError("Glance answered 503", status=503), 2, "queued", UPLOAD_ATTEMPTS, 503, GONE),
    (GlanceError("Glance answered 504", status=504, advice="Raise it"), 2, "queued", UPLOAD_ATTEMPTS, 504, "Raise it"),
    (GlanceError("Glance answered 503", status=503), 2, "saving", 1, "stuck", GONE + LEFT),
    (GlanceError("Glance answered 413", status=413, advice="Set it"), 1, "queued", 1, 413, "Set it"),
    (GlanceError("Glance answered 411", status=411), 0, "queued", 1, 411, "Upload a file without decompress"),
]


@pytest.mark.parametrize(("error", "blocks", "status", "attempts", "code", "advice"), FAILURES)
def test_the_last_error_keeps_its_advice(tmp_path: Path, error: GlanceError, blocks: int, status: str, attempts: int, code: object, advice: str) -> None:
    path = tmp_path / "disk"
    path.write_bytes(bytes(SIZE))
    glance: Any = Failing(error, blocks, status)
    with pytest.raises(GlanceError) as caught:
        put_data(glance, "i", Sending(FileSource(str(path)), ["sha256"], None, 1.0), None)
    assert (glance.uploads, caught.value.code) == (attempts, code)
    assert str(error) in str(caught.value)
    assert caught.value.advice.startswith(advice)


class Importing:
    """A Glance whose import stops at ``image``, with a task or without one."""

    def __init__(self, image: dict[str, Any], task: dict[str, Any] | None) -> None:
        self.http = SimpleNamespace(clock=JumpingClock())
        self._image, self._tasks = image, [task] if task else []

    def import_image(self, *_asked: Any) -> None:
        pass

    def image(self, image_id: str) -> dict[str, Any]:
        return {"id": image_id, **self._image}

    def tasks(self, _image_id: str) -> list[dict[str, Any]]:
        return self._tasks


# The image, its task, and how the error ends.
STOPPED: list[tuple[dict[str, Any], dict[str, Any] | None, str]] = [
    ({"status": "importing"}, None, "the image is in status 'importing'"),
    ({"status": "queued"}, {"status": "pending", "message": None}, "the image is in status 'queued', its task is in status 'pending'"),
    (
        {"status": "importing", "os_glance_importing_to_stores": "fast,archive"},
        {"status": "processing", "message": "Copied 3 MiB"},
        "the image is in status 'importing' and waits for stores fast, archive, its task is in status 'processing': Copied 3 MiB",
    ),
    (
        {"status": "importing", "os_glance_importing_to_stores": "fast", "os_glance_failed_import": "archive,web"},
        {"status": "processing"},
        "the image is in status 'importing' and waits for stores fast, stores archive, web have failed, its task is in status 'processing'",
    ),
]


@pytest.mark.parametrize(("image", "task", "end"), STOPPED)
def test_an_import_that_stops_is_told_by_what_was_seen_last(image: dict[str, Any], task: dict[str, Any] | None, end: str) -> None:
    glance: Any = Importing(image, task)
    with pytest.raises(GlanceError) as caught:
        run_import(glance, "i", {"name": "glance-direct"}, ["fast"], 30.0, wait=True)
    assert (str(caught.value), caught.value.code) == (f"the import has not moved for 30 s, {end}", "timeout")

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a downloaded image is written, whatever it is called, and what is accepted of an image that Glance knows little of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._images import download_job
from ansible_collections.xenstack.image_services.plugins.module_utils._images.download_job import DownloadJob, place_of, preferred
from hypothesis import event, example, given
from hypothesis import strategies as st

ID = "7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b"
CONTENT = b"a disk" * 1000


@given(name=st.text())
@example(name="../../etc/passwd")
@example(name="..")
@example(name="a\nb")
@example(name="é" * 200)
@example(name="\ud800")
def test_no_name_of_an_image_leads_out_of_the_directory(name: str) -> None:
    try:
        path = place_of("/srv/images/", {"id": ID, "name": name})
    except ImageServicesError:
        event("refused")
        return
    event("taken")
    assert os.path.dirname(os.path.normpath(path)) == "/srv/images"
    assert os.path.basename(path) == name
    assert "\0" not in path


@pytest.mark.parametrize("name", ["", ".", "..", "../disk", "a\nb", "a" * 256, None])
def test_a_name_that_no_file_can_have_is_refused(name: str | None) -> None:
    with pytest.raises(ImageServicesError, match="^Cannot write file '/srv/images/': it is a directory, in which no file can be called as the image"):
        place_of("/srv/images/", {"id": ID, "name": name})


def test_a_file_is_where_the_task_says(tmp_path: Path) -> None:
    assert place_of(str(tmp_path / "disk"), {"id": ID, "name": "../other"}) == str(tmp_path / "disk")


def test_the_first_store_that_has_the_image_is_asked_for_alone() -> None:
    image = {"id": ID, "stores": "fast,archive"}
    assert preferred(["tape", "archive", "fast"], image) == ["archive"]
    assert preferred(["tape", "cold"], image) == ["tape", "cold"]
    assert preferred([], image) == []


class Attributes:
    """Of a task that declares none."""

    def move(self, temporary: str, path: str) -> None:
        os.rename(temporary, path)

    def settle(self, path: str, changed: bool, diff: dict[str, Any] | None) -> bool:
        return changed


class Data:
    """What comes from Glance."""

    fingerprint = None
    label = "an image"
    size = len(CONTENT)

    def __init__(self, *_arguments: Any) -> None:
        pass

    def blocks(self) -> Iterator[bytes]:
        yield CONTENT


def downloaded(monkeypatch: pytest.MonkeyPatch, path: Path, **image: Any) -> dict[str, Any]:
    record = {"id": ID, "name": "a disk", "status": "active", **image}
    monkeypatch.setattr(download_job, "find_readable", lambda *_arguments: record)
    monkeypatch.setattr(download_job, "ImageData", Data)

    class Connection:
        glance = None

        def __init__(self, params: Any) -> None:
            pass

    params = {"name": "a disk", "dest": str(path), "stores": None, "timeout": 600, "on_duplicate": "fail"}
    return carry_out(DownloadJob(params, Attributes(), None, Connection), check_mode=False)  # type: ignore[arg-type]


def test_an_image_without_a_digest_is_taken_by_its_size_with_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = downloaded(monkeypatch, tmp_path / "disk", size=len(CONTENT))
    assert (tmp_path / "disk").read_bytes() == CONTENT
    assert done["checksum"] is None
    assert done["warnings"] == ["Glance has no digest of image 'a disk', so that only its size was compared."]
    again = downloaded(monkeypatch, tmp_path / "disk", size=len(CONTENT))
    assert (again["changed"], again["warnings"]) == (False, [])


@pytest.mark.parametrize(
    ("known", "cause"),
    [
        ({"size": 6001}, "6000 bytes came, and Glance says that it has 6001"),
        ({"checksum": "0" * 32}, "the md5 digest of what came is "),
        ({"os_hash_algo": "sha512", "os_hash_value": "0" * 128}, "the sha512 digest of what came is "),
        ({"os_hash_algo": "of tomorrow", "os_hash_value": "0", "checksum": "0" * 32}, "the md5 digest of what came is "),
    ],
)
def test_other_data_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, known: dict[str, Any], cause: str) -> None:
    with pytest.raises(ImageServicesError, match="^Cannot download image 'a disk': ") as excinfo:
        downloaded(monkeypatch, tmp_path / "disk", **known)
    assert cause in str(excinfo.value)
    assert os.listdir(tmp_path) == []

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver that answers, hangs, dies or talks too much; and a proof that names every store that does not work."""

from __future__ import annotations

import hashlib
import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._glance.http import GlanceError
from ansible_collections.xenstack.image_services.plugins.module_utils._stores import check as store_check
from ansible_collections.xenstack.image_services.plugins.module_utils._stores import driver as store_driver


def test_what_a_driver_says_comes_back_and_what_it_prints_does_not(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def talk(store: str, files: list[str]) -> tuple[str, str]:
        os.write(1, b"on stdout")
        os.write(2, b"on stderr")
        return f"{store} is broken", "Mend it"

    monkeypatch.setattr(store_driver, "_try_driver", talk)
    assert store_driver.diagnose("objects", ["/x"]) == ("objects is broken", "Mend it")
    assert capfd.readouterr() == ("", "")


def test_a_driver_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_driver, "_try_driver", lambda store, files: time.sleep(60))
    started = time.monotonic()
    found = store_driver.diagnose("objects", [], idle_timeout=0.3)
    assert found is not None
    assert "has not answered" in found[0]
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("end", [lambda *given: os._exit(139), lambda *given: 1 / 0, lambda *given: None])
def test_a_driver_that_dies_or_works_explains_nothing(monkeypatch: pytest.MonkeyPatch, end: Any) -> None:
    monkeypatch.setattr(store_driver, "_try_driver", end)
    assert store_driver.diagnose("objects", []) is None


class BrokenStores:
    """A Glance that answers 500 for every store but one."""

    def __init__(self, working: str) -> None:
        self.working = working
        self.images: dict[str, dict[str, Any]] = {}
        self.http = SimpleNamespace(clock=None)

    def stores_now(self) -> list[dict[str, Any]]:
        return [{"id": "a", "default": "true"}, {"id": "b"}, {"id": "c"}]

    def create(self, record: dict[str, Any]) -> None:
        self.images[record["id"]] = dict(record)

    def upload(self, image_id: str, data: bytes, size: int, store: str) -> None:
        if store != self.working:
            raise GlanceError("Glance answered 500", status=500, request_id="req-1")
        digest = hashlib.sha256(data).hexdigest()
        self.images[image_id].update(status="active", stores=store, os_hash_algo="sha256", os_hash_value=digest)

    def image(self, image_id: str) -> dict[str, Any] | None:
        return self.images.get(image_id)

    def delete(self, image_id: str) -> None:
        self.images.pop(image_id)


def prove(glance: BrokenStores, config_files: list[str]) -> dict[str, Any]:
    stores = [{"id": name, "default": name == "a", "writable": True, "directories": []} for name in "abc"]
    params = {"stores": stores, "size": 10, "timeout": 1, "wait": False, "config_files": config_files}
    return carry_out(store_check.StoreCheckJob(params, lambda given: SimpleNamespace(glance=glance)), False)  # type: ignore[arg-type, return-value]


def test_every_broken_store_is_named_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    glance = BrokenStores(working="b")
    monkeypatch.setattr(store_check, "diagnose", lambda store, files: ("its key is wrong", "Correct it") if store == "a" else None)
    with pytest.raises(ImageServicesError) as refused:
        prove(glance, ["/etc/glance/glance-stores.conf"])
    first, second = str(refused.value).splitlines()
    assert first == "Cannot verify store 'a': its key is wrong. Correct it."
    assert second.startswith("Cannot verify store 'c': Glance answered 500. ")
    assert refused.value.request_id == "req-1"
    assert glance.images == {}


def test_no_driver_is_asked_without_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_check, "diagnose", lambda store, files: pytest.fail("asked"))
    with pytest.raises(ImageServicesError, match="Cannot verify store 'a': Glance answered 500"):
        prove(BrokenStores(working="b"), [])

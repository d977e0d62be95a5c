# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver in this process, without the services of Cinder, on a simulated pool."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cinder.privsep
import pytest
from cinder import objects
from oslo_config import cfg


def helper(name: str) -> ModuleType:
    """One of the other tests' that needs nothing of Ansible, by its file: the package beside it is called as Cinder's."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[3] / "support" / f"{name}.py")
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


xapi, progress, sweep, _vmdk, _traced = (helper(name) for name in ("xapi", "progress", "sweep", "vmdk", "traced"))

from backend import Backend, configure  # noqa: E402 - it uses the helper

objects.register_all()
# What asks for rights of root runs in this process.
cinder.privsep.sys_admin_pctxt.set_client_mode(False)


@pytest.hookimpl(trylast=True)  # what reports is there by then
def pytest_configure(config: pytest.Config) -> None:
    progress.add_progress(config)


def pytest_report_header() -> str:
    return str(sweep.header())


@pytest.fixture(autouse=True)
def _faults_strike() -> Iterator[None]:
    """A test of a fault that never came about shows nothing."""
    yield
    assert not xapi.missed_faults(), "faults that never struck"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[xapi.PoolUnderTest]:
    yield from xapi.run_pool(tmp_path_factory.mktemp("pool"))


@pytest.fixture(scope="module")
def configured(pool: xapi.PoolUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cinder.conf with two backends."""
    directory = tmp_path_factory.mktemp("cinder")
    configure(directory, pool)
    yield directory
    cfg.CONF.reset()
    cfg.CONF.clear()


@pytest.fixture
def make_backend(pool: xapi.PoolUnderTest, configured: Path) -> Iterator[Callable[..., Backend]]:
    """Backends of the configuration, with options of their own."""
    changed: list[tuple[str, str]] = []

    def make(name: str = "first", **options: Any) -> Backend:
        cfg.CONF.import_opt("volume_backend_name", "cinder.volume.driver", group=None)
        made = Backend(name, pool, options)
        changed.extend((option, name) for option in options)
        return made

    yield make
    for option, name in changed:
        cfg.CONF.clear_override(option, group=name)


@pytest.fixture
def backend(make_backend: Callable[..., Backend]) -> Backend:
    return make_backend()

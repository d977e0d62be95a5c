# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads of roles and of make behind a company's TLS: its authority, its index and its proxy, and one sentence without trust."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, run_plays
from ansible_collections.xenstack.image_services.tests.support.environments import installing_play
from ansible_collections.xenstack.image_services.tests.support.package_index import NAME, PackageIndex, package_index

SETTINGS = ("PIP_", "UV_", "SSL_", "REQUESTS_", "HTTP_", "HTTPS_", "NO_PROXY", "http_", "https_", "no_proxy", "ALL_PROXY", "all_proxy", "MAKE", "MFLAGS")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    with package_index(tmp_path_factory.mktemp("index"), ["little", "gunicorn", "supervisor"]) as served:
        yield served


@pytest.fixture(autouse=True)
def _asked_anew(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine, and nothing of the test before."""
    index.asked.clear()
    index.connected.clear()
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    # What is not there will not come.
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


def install(base: Path, **given: Any) -> Run:
    play = installing_play(
        base, wsgi_service_name="little", wsgi_service_version="1.0", wsgi_service_packages=["little"], wsgi_service_application="none:none", **given
    )
    return run_plays([play])


def has_it(venv: Path) -> bool:
    return bool(list(venv.glob("lib/python3*/site-packages/little.py")))


def test_a_role_installs_by_the_authority_that_it_is_told(index: PackageIndex, tmp_path: Path) -> None:
    install(tmp_path, wsgi_service_index_url=index.url, wsgi_service_index_ca_cert=str(index.authority)).succeeded()
    assert has_it(tmp_path / "wsgi_service/venvs/1.0")
    assert "/simple/little/" in index.asked


def test_a_role_that_is_not_told_refuses_with_a_sentence(index: PackageIndex, tmp_path: Path) -> None:
    failed = install(tmp_path, wsgi_service_index_url=index.url)
    assert failed.returncode != 0
    assert "Cannot install little '1.0': the certificate of the package index, or of the proxy in front of it, is signed by an authority" in failed.output
    assert not index.asked
    assert not has_it(tmp_path / "wsgi_service/venvs/1.0")


def test_a_role_installs_through_its_proxy(index: PackageIndex, tmp_path: Path) -> None:
    given = {"wsgi_service_index_url": index.hidden_url, "wsgi_service_index_ca_cert": str(index.authority)}
    unreached = install(tmp_path, **given)
    assert unreached.returncode != 0
    assert (
        "Check that the host reaches the package index; the variables of the role that end in _index_url and _index_proxy set another one." in unreached.output
    )
    install(tmp_path, **given, wsgi_service_index_proxy=index.proxy).succeeded()
    assert has_it(tmp_path / "wsgi_service/venvs/1.0")
    assert f"{NAME}:443" in index.connected


def made_by_make(index: PackageIndex, base: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """What the targets do for an environment, in a directory of its own."""
    (base / "lock.txt").write_text(index.requirement("little"))
    rule = f"probe: ; @tests/support/ci/venv.sh {base}/venv {base}/lock.txt"
    environment = {name: value for name, value in os.environ.items() if name != "UV_CACHE_DIR"}
    command = ["make", "--no-print-directory", "--eval", rule, "probe"]
    return subprocess.run(command, cwd=ROOT, env={**environment, **settings}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


@pytest.mark.parametrize("setting", ["PIP_INDEX_URL", "UV_DEFAULT_INDEX"])
def test_make_takes_index_and_authority_of_its_caller(index: PackageIndex, tmp_path: Path, setting: str) -> None:
    done = made_by_make(index, tmp_path, **{setting: index.url, "SSL_CERT_FILE": str(index.authority)})
    assert done.returncode == 0, done.stdout
    assert has_it(tmp_path / "venv")
    assert "/simple/little/" in index.asked


def test_make_goes_through_the_proxy_of_its_caller(index: PackageIndex, tmp_path: Path) -> None:
    done = made_by_make(index, tmp_path, PIP_INDEX_URL=index.hidden_url, SSL_CERT_FILE=str(index.authority), HTTPS_PROXY=index.proxy)
    assert done.returncode == 0, done.stdout
    assert has_it(tmp_path / "venv")
    assert f"{NAME}:443" in index.connected


def test_make_says_in_a_sentence_what_it_does_not_trust(index: PackageIndex, tmp_path: Path) -> None:
    done = made_by_make(index, tmp_path, PIP_INDEX_URL=index.url)
    assert done.returncode != 0
    assert "Cannot fetch packages: the certificate of the package index, or of the proxy in front of it, is signed by an authority" in done.stdout
    assert not has_it(tmp_path / "venv")

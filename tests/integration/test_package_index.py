# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads of roles and of make behind a company's TLS: its authority, its index and its proxy, and one sentence without trust."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.deployment import LOCAL, ROOT, Run, run_plays, service_variables
from ansible_collections.xenstack.image_services.tests.support.environments import Environment, installing_play
from ansible_collections.xenstack.image_services.tests.support.package_index import NAME, PackageIndex, package_index, wheel

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


def play(base: Path, **given: Any) -> dict[str, Any]:
    named = {"wsgi_service_name": "little", "wsgi_service_version": "1.0", "wsgi_service_packages": ["little"], "wsgi_service_application": "none:none"}
    return installing_play(base, **{**named, **given})


def install(base: Path, **given: Any) -> Run:
    return run_plays([play(base, **given)])


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


def wheels(directory: Path, *names: str) -> str:
    """Puts the files of packages into the directory, and returns a lock of them."""
    directory.mkdir()
    lock = ""
    for file, content in map(wheel, names):
        (directory / file).write_bytes(content)
        lock += f"{file.split('-')[0]}==1.0 --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"
    return lock


def test_a_role_installs_from_a_directory_and_asks_no_index(index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lock.txt").write_text(wheels(tmp_path / "the wheels", "little", "gunicorn", "supervisor", "further"))
    for setting in ("UV_DEFAULT_INDEX", "PIP_INDEX_URL"):
        monkeypatch.setenv(setting, index.url)
    given = {"wsgi_service_wheel_dir": str(tmp_path / "the wheels"), "wsgi_service_lock_file": str(tmp_path / "lock.txt")}
    install(tmp_path, **given, wsgi_service_extra_packages=["further"]).succeeded()
    assert has_it(tmp_path / "wsgi_service/venvs/1.0")
    assert list((tmp_path / "wsgi_service/venvs/1.0").glob("lib/python3*/site-packages/further.py"))
    assert index.asked == index.connected == []
    (tmp_path / "the wheels").rename(tmp_path / "away")
    # What is installed needs no directory.
    install(tmp_path, **given, wsgi_service_extra_packages=["further"]).succeeded()


def test_a_directory_without_what_is_needed_is_refused_with_a_sentence(index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = wheels(tmp_path / "wheels", "gunicorn", "supervisor", "little")
    (tmp_path / "lock").write_text(lock)
    (tmp_path / "another-digest").write_text(lock.replace("little==1.0 --hash=sha256:", "little==1.0 --hash=sha256:0")[:-2] + "\n")
    (tmp_path / "further").write_text(f"{lock}oslo-config==10.4.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    fill = "Fill it with 'pip download' and the lock files of the roles, as the guide 'Hosts without the internet' says, for the Python and architecture"
    copy = "Copy the packages there, as the guide 'Hosts without the internet' says."
    here = f"directory '{tmp_path}/wheels'"
    refusals: dict[str, tuple[dict[str, Any], str]] = {
        "nowhere": (
            {"wsgi_service_wheel_dir": str(tmp_path / "nowhere")},
            f"Cannot install little '1.0': the host has no directory '{tmp_path}/nowhere'. {copy}",
        ),
        "index": (
            {"wsgi_service_index_url": index.url},
            "Cannot install little '1.0': the variables of the role that end in _index_url and _wheel_dir are both set. Set one of them.",
        ),
        "digest": (
            {"wsgi_service_lock_file": str(tmp_path / "another-digest")},
            f"Cannot install little '1.0': package 'little==1.0' in {here} does not have the digest of the lock file. Remove the file",
        ),
        "package": (
            {"wsgi_service_lock_file": str(tmp_path / "further"), "wsgi_service_packages": ["little", "oslo-config==10.4.0"]},
            f"Cannot install little '1.0': {here} has no package 'oslo-config' that this host can use. {fill}",
        ),
        "extra": (
            {"wsgi_service_extra_packages": ["a-filter>=2"]},
            f"Cannot install the further packages of little '1.0': {here} has no package 'a-filter' that this host can use. {fill}",
        ),
        "uv": ({"wsgi_service_uv": ""}, f"Cannot install uv: {here} has no package 'uv=="),
    }
    plays = []
    told = [{"ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}]
    for name, (given, _sentence) in refusals.items():
        common = {"wsgi_service_wheel_dir": str(tmp_path / "wheels"), "wsgi_service_lock_file": str(tmp_path / "lock")}
        refused = play(tmp_path / name, **{**common, **given})
        refused["environment"] = {"PATH": "/usr/bin:/bin"}
        refused["tasks"] = [{"block": refused["tasks"], "rescue": told}]
        plays.append(refused)
    auth = {"auth_url": "http://127.0.0.1:1/v3", "username": "glance", "password": "none", "project_name": "service"}
    for role, more in {"keystone": {"keystone_admin_password": "none"}, "glance": {"glance_keystone_auth": auth}}.items():
        variables = {**service_variables(role, tmp_path), f"{role}_wheel_dir": str(tmp_path / "nowhere"), **more}
        deploying = {"ansible.builtin.include_role": {"name": f"xenstack.image_services.{role}"}, "vars": variables}
        plays.append({"hosts": "localhost", "gather_facts": False, "vars": LOCAL, "tasks": [{"block": [deploying], "rescue": told}]})
        refusals[role] = ({}, f"Cannot install {role} '{Environment(role).version}': the host has no directory '{tmp_path}/nowhere'. {copy}")
    output = run_plays(plays).output
    missing = {name: sentence for name, (_given, sentence) in refusals.items() if sentence not in output}
    assert not missing, output
    assert index.asked == []
    for name in refusals:
        assert not has_it(tmp_path / name / "wsgi_service/venvs/1.0"), name
    assert not (tmp_path / "nowhere/wsgi_service").exists()


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

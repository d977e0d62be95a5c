# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles install is what their lock files hold, by version and by hash, and nothing else is taken."""

from __future__ import annotations

import csv
import importlib.metadata
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, Run, run_plays, run_roles, service_variables
from ansible_collections.xenstack.image_services.tests.support.environments import UV, installing_play

LOCKS = {"glance": ROOT / "roles/glance/files/requirements-33.0.0.txt", "keystone": ROOT / "roles/keystone/files/requirements-30.0.0.txt"}


def installed(venv: Path) -> dict[str, str]:
    [site] = venv.glob("lib/python3*/site-packages")
    return {dist.metadata["Name"].lower().replace("_", "-").replace(".", "-"): dist.version for dist in importlib.metadata.distributions(path=[str(site)])}


def hashes(venv: Path) -> dict[str, str]:
    """Hashes of all installed files as their archives gave them; scripts name their interpreter, and compiled code is made here."""
    [site] = venv.glob("lib/python3*/site-packages")
    rows = [row for record in site.glob("*.dist-info/RECORD") for row in csv.reader(record.read_text().splitlines())]
    return {path: digest for path, digest, _size in rows if digest and not path.startswith("..") and not path.endswith(".pyc")}


@pytest.mark.parametrize("role", LOCKS)
def test_what_is_installed_is_what_the_lock_holds(cloud: Cloud, role: str, tmp_path: Path) -> None:
    venv = (cloud.base / role / "current").resolve()
    assert (venv / "requirements.lock").read_text().strip() == LOCKS[role].read_text().strip()
    pins = dict(re.findall(r"(?m)^([a-z0-9.-]+)==([^ ;]+)", LOCKS[role].read_text()))
    found = installed(venv)
    if role == "glance":
        # One line for each version of Python: the newer one comes last.
        found.pop("networkx", None)
    assert len(found) > 50
    assert {name: version for name, version in found.items() if pins.get(name) != version} == {}
    # Archives whose hashes the lock names, unpacked anew, hold the same files.
    again = tmp_path / "again"
    subprocess.run([UV, "venv", "--quiet", "--no-project", "--python", str(venv / "bin" / "python"), str(again)], check=True)
    wanted = [f"{name}=={version}" for name, version in installed(venv).items()]
    subprocess.run(
        [UV, "pip", "install", "--quiet", "--no-deps", "--python", str(again / "bin" / "python"), "--require-hashes", "-c", str(LOCKS[role]), *wanted],
        check=True,
    )
    assert hashes(again) == hashes(venv)
    assert len(hashes(venv)) > 3000


def install(base: Path, **given: Any) -> Run:
    """Install the server of an application with one dependency: few packages, by the lock of Keystone unless another is given."""
    little = {
        "wsgi_service_name": "little",
        "wsgi_service_version": "1",
        "wsgi_service_packages": ["jinja2"],
        "wsgi_service_application": "little:application",
        "wsgi_service_lock_file": str(LOCKS["keystone"]),
    }
    return run_plays([installing_play(base, **{**little, **given})])


def test_an_archive_with_another_hash_and_one_without_are_refused(tmp_path: Path) -> None:
    lock = LOCKS["keystone"].read_text()
    [entry] = re.findall(r"(?m)^markupsafe==[^ ]+ (?:\\\n    --hash=\S+ ?)+\n", lock)
    other = tmp_path / "other.txt"
    for text, words in (
        (lock.replace(entry, re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, entry)), "Hash mismatch for `markupsafe=="),
        (lock.replace(entry, ""), "Hash-checking is required, but no trusted hash was provided for: `markupsafe`"),
    ):
        assert text != lock
        other.write_text(text)
        failed = install(tmp_path, wsgi_service_lock_file=str(other))
        assert failed.returncode != 0
        assert words in failed.output, failed.output
        assert not list((tmp_path / "wsgi_service" / "venvs" / "1").glob(".installed-*"))
        assert "markupsafe" not in installed(tmp_path / "wsgi_service" / "venvs" / "1")


def test_a_package_that_the_lock_does_not_hold_is_refused_with_a_sentence(tmp_path: Path) -> None:
    failed = install(tmp_path, wsgi_service_packages=["no-such-package"])
    assert failed.returncode != 0
    assert "Cannot install little '1': no-such-package is missing in" in failed.output
    assert not (tmp_path / "wsgi_service" / "venvs").exists()


def test_further_packages_need_no_line_in_the_lock_and_cannot_change_it(tmp_path: Path) -> None:
    venv = tmp_path / "wsgi_service" / "venvs" / "1"
    assert install(tmp_path).succeeded().changed > 0
    assert installed(venv).keys() == {"gunicorn", "jinja2", "markupsafe", "supervisor"}
    assert install(tmp_path, wsgi_service_extra_packages=["iniconfig==2.0.0"]).succeeded().changed > 0
    assert installed(venv)["iniconfig"] == "2.0.0"
    assert install(tmp_path, wsgi_service_extra_packages=["iniconfig==2.0.0"]).succeeded().changed == 0
    for further, words in (("markupsafe==2.0.0", "markupsafe=="), (f"iniconfig==2.1.0 --hash=sha256:{'0' * 64}", "Hash mismatch for `iniconfig==2.1.0`")):
        failed = install(tmp_path, wsgi_service_extra_packages=[further])
        assert failed.returncode != 0
        assert words in failed.output, failed.output
        assert installed(venv)["iniconfig"] == "2.0.0"


@pytest.mark.parametrize("role", LOCKS)
def test_a_version_without_a_lock_file_is_refused(role: str, tmp_path: Path) -> None:
    given = {
        "glance": {"glance_keystone_auth": {"auth_url": "http://127.0.0.1:9/v3", "username": "glance", "password": "none"}},
        "keystone": {"keystone_admin_password": "none"},
    }
    supported = {f"{role}_version": "99.0.0", f"__{role}_versions": ["99.0.0"]}
    failed = run_roles([role], {**service_variables(role, tmp_path), **supported, **given[role]})
    assert failed.returncode != 0
    assert f"Cannot install {role.capitalize()} '99.0.0': no lock file is shipped for this version." in failed.output
    assert not (tmp_path / role).exists()

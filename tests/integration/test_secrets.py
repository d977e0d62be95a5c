# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No password and no token in a result, a diff, a log or the process list, at any verbosity."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.cloud import Cloud
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT, run_playbook, stop_if_there
from ansible_collections.xenstack.image_services.tests.support.disks import partitioned
from ansible_collections.xenstack.image_services.tests.support.environments import built_nothing, provide
from ansible_collections.xenstack.image_services.tests.support.mirror import Mirror
from ansible_collections.xenstack.image_services.tests.support.modules import run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest


class ProcessWatch(threading.Thread):
    """Reads the command lines of all processes over and over, as `ps` does, until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._stop_asked = threading.Event()
        self.seen: set[bytes] = set()

    def run(self) -> None:
        # The shortest one takes longer to start Python.
        while not self._stop_asked.wait(0.05):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as arguments:
                    self.seen.add(arguments.read())

    def stop(self) -> bytes:
        self._stop_asked.set()
        self.join()
        return b"\n".join(self.seen)


def credentials(cloud: Cloud, form: str) -> dict[str, Any]:
    inner = cloud.auth("alice")["cloud"]
    return {"cloud": inner} if form == "cloud" else {"auth": inner["auth"], "region_name": inner["region_name"]}


@pytest.mark.parametrize("form", ["cloud", "auth"])
def test_a_playbook_at_full_verbosity_shows_no_secret(cloud: Cloud, image_name: str, small_disk: Path, tmp_path: Path, form: str) -> None:
    given = credentials(cloud, form)
    password = cloud.auth("alice")["cloud"]["auth"]["password"]
    sdk_log = tmp_path / "sdk.log"
    image = {**given, "name": image_name, "src": str(small_disk), "sdk_log_path": str(sdk_log), "sdk_log_level": "DEBUG"}
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"image": image, "listing": given, "absent": {**given, "name": image_name, "state": "absent"}}), encoding="utf-8")
    playbook = tmp_path / "play.yml"
    tasks = [
        {"xenstack.image_services.glance_image": None, "args": "{{ image }}", "register": "kept"},
        {"xenstack.image_services.glance_image_info": None, "args": "{{ listing }}"},
        {"xenstack.image_services.glance_image": None, "args": "{{ image | combine({'checksum': 'md5:wrong'}) }}", "ignore_errors": True},
        {"ansible.builtin.debug": {"var": "kept"}},
        {"xenstack.image_services.glance_image": None, "args": "{{ absent }}"},
    ]
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": local, "tasks": tasks}]), encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "OS_"))}
    log = tmp_path / "ansible.log"
    environment = {**kept, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_LOG_PATH": str(log)}
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-vvv", "--diff", "-e", f"@{variables}", str(playbook)]
    watch = ProcessWatch()
    watch.start()
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    processes = watch.stop()
    assert done.returncode == 0, done.stdout
    assert password not in done.stdout
    assert password not in log.read_text(encoding="utf-8")
    assert password not in sdk_log.read_text(encoding="utf-8")
    assert b"ansible-playbook" in processes
    assert password.encode() not in processes
    assert "alice" in done.stdout, "user names are no secrets and stay readable"


def test_a_token_is_masked_wherever_it_is_given(cloud: Cloud, tmp_path: Path) -> None:
    token = "gAAAA-token-of-the-test"
    for options in (
        {"auth_type": "v3token", "auth": {"auth_url": "http://127.0.0.1:9/v3", "token": token}},
        {"cloud": {"auth_type": "v3token", "auth": {"auth_url": "http://127.0.0.1:9/v3", "token": token}}},
        {"auth_type": "custom", "auth": {"auth_url": "http://127.0.0.1:9/v3", "nobody_knows_this_option": [{"nested": token}]}},
    ):
        result = run_module("glance_image_info", options)
        assert result.failed
        assert token not in result.output


@pytest.fixture
def place(cloud: Cloud) -> Iterator[Path]:
    """For a deployment beside the cloud, with which it shares files."""
    place = cloud.base / "secrets"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    provide(place)
    yield place
    for role in ("glance", "keystone"):
        stop_if_there(role, place)
    shutil.rmtree(place)


def test_a_deployment_at_full_verbosity_shows_no_secret(place: Path) -> None:
    """Every secret of a fresh deployment, those that the services make for themselves included."""
    watch = ProcessWatch()
    watch.start()
    run = run_playbook(ROOT / "tests" / "support" / "cloud.yml", {"demo_dir": str(place)}, "-vvv", "--diff")
    processes = watch.stop()
    built_nothing(run.succeeded())
    secrets = set(json.loads((place / "settings.json").read_text(encoding="utf-8"))["demo_passwords"].values())
    for name in ("fernet-keys", "credential-keys"):
        secrets |= {key.read_text(encoding="ascii") for key in (place / "keystone").rglob(f"{name}/*")}
    assert len(secrets) >= 6
    logs = {path: path.read_text(encoding="utf-8", errors="replace") for path in place.rglob("log/*")}
    assert logs
    for secret in secrets:
        assert secret not in run.output
        assert secret.encode() not in processes
        assert not [path for path, text in logs.items() if secret in text]


# Secrets by which content is fetched, each at its place; none is a part of another word.
SOURCE_SECRETS = {
    "password in an address": "pW-of-the-address",
    "its form in the address": "pW%2Dof-the-address",
    "signature": "5ig0fTheAddress0123456789abcdef",
    "SAS": "5as%2BOfTheAddress%3D",
    "SAS decoded": "5as+OfTheAddress=",
    "token": "t0ken-of-the-address",
    "signature of the list": "5ig0fTheList0123456789abcdef",
    "password": "url-pA55word",
    "header": "t0ken-of-the-header",
}


def signed(mirror: Mirror, data: bytes) -> dict[str, Any]:
    """Options that name content by addresses full of secrets, behind which it is."""
    query = f"X-Amz-Signature={SOURCE_SECRETS['signature']}&sig={SOURCE_SECRETS['SAS']}&access_token={SOURCE_SECRETS['token']}"
    path, listed = f"/disk.raw?{query}", f"/SHA256SUMS?X-Amz-Signature={SOURCE_SECRETS['signature of the list']}"
    mirror.files = {path: data, listed: f"{hashlib.sha256(data).hexdigest()}  disk.raw\n".encode()}

    def address(path: str) -> str:
        return mirror.uri(path).replace("//", f"//reader:{SOURCE_SECRETS['its form in the address']}@")

    given = {"url_username": "reader", "url_password": SOURCE_SECRETS["password"], "headers": {"Authorization-Of-Test": f"Bearer {SOURCE_SECRETS['header']}"}}
    return {"uri": address(path), "checksum": f"sha256:{address(listed)}", **given}


def shows_none(text: str) -> str:
    assert not [name for name, secret in SOURCE_SECRETS.items() if secret in text]
    return text


def test_no_secret_of_a_source_is_shown_or_kept_by_glance(cloud: Cloud, image_name: str) -> None:
    data = partitioned(os.urandom(100_000))
    with Mirror() as mirror:
        options = {**cloud.auth("alice"), "name": image_name, **signed(mirror, data)}
        unchecked = {name: value for name, value in options.items() if name != "checksum"}
        predicted = run_module("glance_image", unchecked, check=True)
        assert shows_none(predicted.output)
        assert predicted.succeeded()["diff"]["after"]["content"] == mirror.uri("/disk.raw")
        assert "reader" in predicted.output, "user names are no secrets and stay readable"
        made = run_module("glance_image", unchecked)
        assert shows_none(made.output)
        assert made.succeeded()["changed"]
        # Another signature of the same content is no change, and needs no transfer.
        again = options["uri"].replace(SOURCE_SECRETS["signature"], "0ther5ignature0123456789")
        mirror.files["/" + again.rpartition("@")[2].partition("/")[2]] = data
        repeated = run_module("glance_image", {**unchecked, "uri": again}).succeeded()
        assert (repeated["changed"], repeated["image"]["id"]) == (False, made.values["image"]["id"])
        item = {name: options[name] for name in ("name", "uri", "checksum")}
        rest = {name: options[name] for name in ("url_username", "url_password", "headers")}
        many = run_module("glance_images", {**cloud.auth("alice"), "images": [item], "defaults": rest})
        assert shows_none(many.output)
        assert not many.succeeded()["changed"]
        for images in ([{**item, **rest}], [{**item, **rest, "uri": options["uri"] + "&missing=1", "name": f"{image_name} 2"}], [{**item, **rest, "bad": 1}]):
            assert shows_none(run_module("glance_images", {**cloud.auth("alice"), "images": images}).output)
        mirror.files.clear()
        for missing in (options, unchecked, {**options, "state": "nonsense"}, {**unchecked, "import_method": "web-download"}):
            failed = run_module("glance_image", {**missing, "name": f"{image_name} 2"})
            assert failed.failed
            shows_none(failed.output)
        (kept,) = [image for image in cloud.images("alice") if image["name"] == image_name]
        shows_none(json.dumps(kept))


def test_glance_fetches_by_itself_from_an_address_whose_secrets_stay_secret(cloud: Cloud, image_name: str) -> None:
    with Mirror() as mirror:
        uri = signed(mirror, partitioned(os.urandom(100_000)))["uri"]
        options = {**cloud.auth("alice"), "name": image_name, "uri": uri, "import_method": "web-download", "disk_format": "raw"}
        done = run_module("glance_image", options)
        assert shows_none(done.output)
        repeated = run_module("glance_image", options)
        assert shows_none(repeated.output)
        if not done.failed:
            assert not repeated.succeeded()["changed"]


@pytest.mark.usefixtures("cleared_pool")
def test_no_secret_of_a_source_is_shown_or_kept_by_a_pool(pool: PoolUnderTest) -> None:
    with Mirror() as mirror:
        source = signed(mirror, partitioned(os.urandom(100_000)))
        unchecked = {name: value for name, value in source.items() if name != "checksum"}
        for options in (unchecked, source):
            for check in (True, False):
                done = run_module("xen_vdi_import", pool.options(name="test image", **options), check=check)
                assert shows_none(done.output)
                done.succeeded()
        vdi = done.values["vdi"]
        assert vdi["other_config"]["image_services_source"] == mirror.uri("/disk.raw")
        again = run_module("xen_vdi_import", pool.options(name="test image", **source)).succeeded()
        assert not again["changed"]
        mirror.files.clear()
        for options in (unchecked, source, {**source, "disk_format": "nonsense"}):
            failed = run_module("xen_vdi_import", pool.options(name="test image 2", **options))
            assert failed.failed
            shows_none(failed.output)
        shows_none(json.dumps([{**record, "snapshot_time": "", "xenstore_data": ""} for record in pool.api.VDI.get_all_records().values()], default=str))


def test_a_playbook_at_full_verbosity_shows_no_secret_of_a_source(cloud: Cloud, image_name: str, tmp_path: Path) -> None:
    with Mirror() as mirror:
        options = {**cloud.auth("alice"), **signed(mirror, partitioned(os.urandom(100_000)))}
        item = {"name": image_name, **{name: options[name] for name in ("uri", "checksum", "url_username", "url_password", "headers")}}
        one, many = {**options, "name": image_name}, {**cloud.auth("alice"), "images": [item]}
        variables = {"one": one, "many": many, "missing": {**one, "name": f"no {image_name}", "uri": options["uri"] + "&x=1"}}
        tasks = [
            {f"xenstack.image_services.{module}": {option: f"{{{{ {name}.{option} }}}}" for option in variables[name]}, "ignore_errors": name == "missing"}
            for name, module in (("one", "glance_image"), ("many", "glance_images"), ("missing", "glance_image"))
        ]
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        playbook = tmp_path / "play.yml"
        playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": local, "tasks": tasks}]), encoding="utf-8")
        run = run_playbook(playbook, variables, "-vvv", "--diff", "-i", "localhost,")
    run.succeeded()
    shows_none(run.output)
    assert "no answer" not in run.output

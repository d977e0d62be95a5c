# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that keeps the UUID of a Nova installation, on real file systems: full, read-only, another user's, and with runs that are killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._instances import installation_job as nova_installation
from ansible_collections.xenstack.image_services.tests.support.deployment import ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount file systems and be another user")
UUID = "0b5c1c9a-58f3-4b8e-9a6f-6f0d2a3f9c11"
CONFIG = b"# Nova\n[DEFAULT]\ntransport_url = rabbit://nova:secret@mq\n"


class Recorded:
    """What Ansible does with files, without Ansible; its own part is shown by the module's target."""

    def move(self, temporary: str, path: str) -> None:
        os.replace(temporary, path)

    def keep_copy(self, path: str) -> str:
        copy = f"{path}.copy"
        Path(copy).write_bytes(Path(path).read_bytes())
        return copy

    def settle(self, path: str, changed: bool, diff: dict[str, Any] | None) -> bool:
        return changed


def options(**given: Any) -> dict[str, Any]:
    usual = dict.fromkeys(("path", "config_file", "uuid", "owner", "group", "mode", "backup"))
    return {
        **usual,
        "section": "DEFAULT",
        "option": "nova_installation_uuid",
        **{name: str(value) if isinstance(value, Path) else value for name, value in given.items()},
    }


def keep(place: Recorded | None = None, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    return carry_out(nova_installation.InstallationJob(options(**given), place or Recorded()), check_mode)


def refusal(**given: Any) -> str:
    with pytest.raises(ImageServicesError) as refused:
        keep(**given)
    assert str(refused.value).startswith("Cannot keep installation UUID in '")
    return str(refused.value)


@contextmanager
def ordinary_user() -> Iterator[None]:
    group = os.getegid()
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "nova.conf"
    path.write_bytes(CONFIG)
    path.chmod(0o640)
    return path


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    mount_point = tmp_path / "volume"
    mount_point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", str(mount_point)], check=True)
    yield mount_point
    subprocess.run(["umount", str(mount_point)], check=True)


def test_it_is_made_once_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "installation_uuid"
    predicted = keep(path=path, check_mode=True)
    assert (predicted["changed"], predicted["installation_uuid"], path.exists()) == (True, None, False)
    made = keep(path=path)
    assert (made["changed"], path.read_text()) == (True, made["installation_uuid"] + "\n")
    assert made["diff"] == {"before": {"uuid": None}, "after": {"uuid": made["installation_uuid"]}}
    for check_mode in (True, False):
        again = keep(path=path, check_mode=check_mode)
        assert (again["changed"], again["installation_uuid"]) == (False, made["installation_uuid"])
        assert again["diff"]["before"] == again["diff"]["after"]
    assert keep(path=tmp_path / "second")["installation_uuid"] != made["installation_uuid"]


def test_the_one_of_another_host_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "installation_uuid"
    assert keep(path=path, uuid=UUID.upper(), check_mode=True)["installation_uuid"] == UUID
    assert keep(path=path, uuid=UUID.upper())["installation_uuid"] == UUID
    before = path.read_bytes()
    other = "7a2b5f0e-6c0c-4f0d-9d1e-3a5f4f3d2c1b"
    for check_mode in (True, False):
        assert f"it is {UUID}, and uuid is {other}" in refusal(path=path, uuid=other, check_mode=check_mode)
    assert path.read_bytes() == before


def test_a_configuration_keeps_its_bytes_its_mode_and_a_copy(conf: Path) -> None:
    made = keep(config_file=conf, backup=True)
    line = f"nova_installation_uuid = {made['installation_uuid']}\n".encode()
    assert conf.read_bytes() == CONFIG.replace(b"[DEFAULT]\n", b"[DEFAULT]\n" + line)
    assert Path(made["backup_file"]).read_bytes() == CONFIG
    assert b"secret" not in repr(made).encode()
    again = keep(config_file=conf, backup=True)
    assert (again["changed"], again["backup_file"]) == (False, None)


def test_a_link_is_followed(conf: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    link = tmp_path / "etc" / "nova.conf"
    link.symlink_to(conf)
    made = keep(config_file=link)
    assert link.is_symlink()
    assert made["path"] == str(conf)
    assert made["installation_uuid"].encode() in conf.read_bytes()
    assert [entry.name for entry in (tmp_path / "etc").iterdir()] == ["nova.conf"]


def test_one_that_is_written_otherwise_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "installation_uuid"
    path.write_text(UUID.upper().replace("-", ""))
    assert keep(path=path, uuid=UUID) == {**keep(path=path), "changed": False, "installation_uuid": UUID}
    assert path.read_text() == UUID.upper().replace("-", "")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"path": "{}/no/uuid"}, "there is no directory {}/no. Make it first."),
        ({"path": "{}"}, "it is no regular file. Give the path of a file."),
        ({"config_file": "{}/nova.conf"}, "there is no such file. Write Nova's configuration first, or give path instead of config_file."),
        ({"path": "{}/fifo"}, "it is no regular file"),
        ({"path": "{}/loop"}, "Too many levels of symbolic links"),
        ({"path": "{}/file/uuid"}, "Not a directory"),
        ({"path": "{}/large"}, "bytes. Give the path of a configuration file."),
        ({"path": "{}/uuid", "uuid": "x"}, "uuid 'x' is no UUID"),
        ({"path": "{}/uuid", "owner": "no such user"}, "this host has no user 'no such user'"),
        ({"path": "{}/uuid", "group": "no such group"}, "this host has no group 'no such group'"),
        ({"path": "{}/uuid", "owner": "4294967295"}, "4294967295 is no number of a user or group"),
        ({"path": "{}/uuid", "mode": "rw"}, "mode 'rw' is none"),
        ({"config_file": "{}/file", "section": "a]b"}, "section 'a]b' is no name of a section in an INI file"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_left(tmp_path: Path, given: dict[str, str], sentence: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(2**30)
    before = sorted(tmp_path.iterdir())
    for check_mode in (True, False):
        assert sentence.format(tmp_path) in refusal(**{name: value.format(tmp_path) for name, value in given.items()}, check_mode=check_mode)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("mode", ["0644", "644", "u=rw,g=r,o=", "a+r", "u=rwX,go=u-w", 0o600])
def test_every_mode_of_ansible_is_taken(tmp_path: Path, mode: object) -> None:
    assert keep(path=tmp_path / "uuid", mode=mode)["changed"]


def test_a_mode_that_is_no_text(tmp_path: Path) -> None:
    assert "mode '[6, 4, 4]' is none" in refusal(path=tmp_path / "uuid", mode=[6, 4, 4])


@as_root
def test_a_full_file_system(tmpfs: Path) -> None:
    conf = tmpfs / "nova.conf"
    conf.write_bytes(CONFIG + bytes(40_000))
    before = conf.read_bytes()
    assert "No space left on device. Free space on its file system." in refusal(config_file=conf)
    assert conf.read_bytes() == before
    assert list(tmpfs.iterdir()) == [conf]


@as_root
def test_a_read_only_file_system(tmpfs: Path) -> None:
    (tmpfs / "there").write_text(UUID)
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=True)
    assert "Read-only file system. Mount its file system for writing." in refusal(path=tmpfs / "uuid")
    assert keep(path=tmpfs / "there")["installation_uuid"] == UUID


@as_root
def test_an_ordinary_user_is_told_what_is_missing(conf: Path, tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent != Path("/tmp"):
            parent.chmod(0o755)
    readable = tmp_path / "readable.conf"
    readable.write_bytes(CONFIG)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "nova.conf").write_bytes(CONFIG)
    with ordinary_user():
        assert "Permission denied. Run the task with become: true" in refusal(config_file=conf)
        assert "Permission denied" in refusal(config_file=readable)
        assert "Operation not permitted. Run the task with become: true" in refusal(config_file=shared / "nova.conf"), "or its owner would change"
        assert "only root can give it to another user or group" in refusal(path=shared / "uuid", owner="root")
        made = keep(path=shared / "uuid")
        assert keep(path=shared / "uuid")["installation_uuid"] == made["installation_uuid"]
    assert (shared / "nova.conf").read_bytes() == readable.read_bytes() == CONFIG
    assert sorted(path.name for path in shared.iterdir()) == ["nova.conf", "uuid"]


@as_root
def test_a_configuration_keeps_its_owner(conf: Path) -> None:
    os.chown(conf, 42436, 42436)
    keep(config_file=conf)
    assert (conf.stat().st_uid, conf.stat().st_gid) == (42436, 42436)


def test_a_run_that_is_killed_before_the_move_has_changed_nothing(conf: Path) -> None:
    script = f"""
import os, signal, sys
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._instances import installation_job as nova_installation
class Recorded:
    def move(self, temporary, path):
        os.kill(os.getpid(), signal.SIGKILL)
carry_out(nova_installation.InstallationJob({options(config_file=conf)!r}, Recorded()), False)
"""
    killed = subprocess.run([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT / ".build")}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert conf.read_bytes() == CONFIG
    (leftover,) = (path for path in conf.parent.iterdir() if path != conf)
    assert leftover.stat().st_mode & 0o077 == 0, "it holds what nova.conf holds"
    assert keep(config_file=conf)["changed"]
    assert list(conf.parent.iterdir()) == [conf]


@pytest.mark.parametrize(
    ("raised", "sentence"),
    [
        (OSError(errno.EBUSY, "busy"), "Device or resource busy. It is a mount point of its own"),
        (OSError(errno.EIO, "io"), "Input/output error. Look in the kernel's log."),
    ],
)
def test_a_move_that_fails_leaves_nothing(conf: Path, raised: OSError, sentence: str) -> None:
    class Failing(Recorded):
        def move(self, temporary: str, path: str) -> None:
            # As Ansible's own function does where its way around fails too.
            raise Exception("Could not replace") from raised

    assert sentence in refusal(place=Failing(), config_file=conf)
    assert list(conf.parent.iterdir()) == [conf]
    assert conf.read_bytes() == CONFIG


def test_runs_at_once_agree(conf: Path) -> None:
    begin, found = threading.Barrier(8, timeout=60), []

    def run() -> None:
        begin.wait()
        found.append(keep(config_file=conf))

    threads = [threading.Thread(target=run) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({result["installation_uuid"] for result in found}) == 1
    assert [result["changed"] for result in found].count(True) == 1

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real directory, changed for real; what the machine cannot produce is injected at the system call."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._core.runner import carry_out
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory import job as store_dir
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory import mounts, owners, paths, selinux, tree
from ansible_collections.xenstack.image_services.plugins.module_utils._stores.directory.plan import Volume

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users and mount file systems")
ME = str(os.geteuid())


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory that every user can reach, unlike pytest's own."""
    for parent in (tmp_path, *tmp_path.parents[:3]):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(0o755)
    return tmp_path


def declared(path: Path, **options: Any) -> dict[str, Any]:
    return {
        "path": str(path),
        "state": "present",
        "owner": None,
        "group": None,
        "mode": None,
        "recurse": False,
        "require_mount": False,
        "mount_point": None,
        "min_free": None,
        "setype": None,
        "follow": False,
        "other_stores": [],
        "probe": True,
        "force": False,
        **options,
    }


def manage(path: Path, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    return carry_out(store_dir.StoreDirectoryJob(declared(path, **options)), check_mode)


def manage_all(*entries: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    return carry_out(store_dir.StoreDirectoriesJob({"directories": list(entries)}), check_mode)


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(ImageServicesError) as failure:
        manage(path, **options)
    return str(failure.value)


def image(directory: Path, size: int = 5) -> Path:
    path = directory / str(uuid.uuid4())
    path.write_bytes(b"x" * size)
    return path


def test_create_repeat_and_check_mode(base: Path) -> None:
    path = base / "a" / "store"
    predicted = manage(path, check_mode=True, owner=ME)
    assert not path.parent.exists()
    made = manage(path, owner=ME)
    assert predicted["changed"]
    assert made["diff"] == predicted["diff"]
    assert (made["directory"]["mode"], made["directory"]["state"]) == ("0750", "present")
    assert path.parent.stat().st_mode & 0o777 == 0o755
    assert not manage(path, owner=ME)["changed"]
    assert list(path.iterdir()) == []


def test_images_and_space_are_counted(base: Path) -> None:
    image(base, 7)
    image(base, 4)
    (base / "note").write_text("x")
    (base / "sub").mkdir()
    image(base / "sub")
    found = manage(base, probe=False)["directory"]
    assert (found["images"], found["bytes"], found["other_entries"]) == (2, 11, 2)
    assert 0 < found["free_bytes"] <= found["total_bytes"]


@as_root
def test_recurse_repairs_everything_below_and_follows_no_link(base: Path) -> None:
    outside = base / "outside"
    outside.write_text("x")
    store = base / "store"
    (store / "sub").mkdir(parents=True)
    image(store / "sub")
    (store / "link").symlink_to(outside)
    (store / "sub" / "around").symlink_to(base)
    predicted = manage(store, check_mode=True, owner="xavs", recurse=True)
    assert predicted["repaired"] == 4
    assert store.stat().st_uid == 0
    done = manage(store, owner="xavs", recurse=True)
    assert (done["repaired"], done["directory"]["uid"], done["directory"]["gid"]) == (4, 42424, 42424)
    assert outside.stat().st_uid == 0
    assert (store / "link").lstat().st_uid == 42424
    again = manage(store, owner="xavs", recurse=True)
    assert (again["changed"], again["repaired"]) == (False, 0)


@as_root
def test_many_files_are_shared_among_processes(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "WORTH_A_PROCESS", 10)
    for _number in range(45):
        image(base, 2)
    done = manage(base, owner="kolla", recurse=True)
    assert (done["repaired"], done["directory"]["images"], done["directory"]["bytes"]) == (45, 45, 90)
    assert {entry.stat().st_uid for entry in base.iterdir()} == {42415}


@as_root
def test_many_directories_are_shared_among_processes(base: Path) -> None:
    for first in range(3):
        for second in range(4):
            directory = base / str(first) / str(second)
            directory.mkdir(parents=True)
            image(directory)
    done = manage(base, owner="kolla", recurse=True)
    assert (done["repaired"], done["directory"]["images"], done["directory"]["other_entries"]) == (3 + 12 + 12, 0, 3)
    assert {path.stat().st_uid for path in base.rglob("*")} == {42415}
    assert not manage(base, owner="kolla", recurse=True)["changed"]


def test_a_tree_that_never_ends_is_refused_by_a_helper_process_too(base: Path) -> None:
    for name in "abcd":
        (base / name / "/".join(["d"] * 70)).mkdir(parents=True)
    assert "nested more than 64 deep" in refusal(base, recurse=True)


@as_root
def test_a_failure_in_a_helper_process_is_reported(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "WORTH_A_PROCESS", 10)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    for _number in range(45):
        image(base)
    parent = os.getpid()

    def chown(*_args: Any, **_kwargs: Any) -> None:
        if os.getpid() != parent:
            raise OSError(errno.EROFS, "read-only")

    monkeypatch.setattr(os, "chown", chown)
    assert f"is mounted read-only at '{base}/" in refusal(base, owner="kolla", recurse=True)


@as_root
def test_lost_and_found_stays_with_root(base: Path) -> None:
    (base / "lost+found").mkdir()
    assert manage(base, owner="xavs", recurse=True)["directory"]["other_entries"] == 0
    assert (base / "lost+found").stat().st_uid == 0


def test_a_tree_that_never_ends_is_refused(base: Path) -> None:
    (base / "/".join(["d"] * 70)).mkdir(parents=True)
    assert "nested more than 64 deep" in refusal(base, recurse=True)


@pytest.mark.parametrize("kind", ["itself", "above"])
def test_links_are_refused_unless_asked_for(base: Path, kind: str) -> None:
    real = base / "real"
    real.mkdir()
    link = base / "link"
    link.symlink_to(real)
    path = link if kind == "itself" else link / "store"
    assert f"'{link}' is a symbolic link to '{real}'" in refusal(path)
    assert manage(path, follow=True)["directory"]["path"] == str(path).replace("/link", "/real")


def test_a_link_to_the_system_is_refused_even_then(base: Path) -> None:
    (base / "link").symlink_to("/etc")
    assert "belongs to the system" in refusal(base / "link", follow=True)


def test_a_link_that_appears_during_the_task_is_not_followed(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = base / "victim"
    victim.mkdir()
    store = base / "store"
    make = paths.make

    def attacked(location: paths.Location, mode: int = 0o755) -> list[str]:
        make(location, mode)
        store.rmdir()
        store.symlink_to(victim)
        return []

    monkeypatch.setattr(paths, "make", attacked)
    assert "replaced by a link" in refusal(store, mode="0700")
    assert victim.stat().st_mode & 0o777 != 0o700


def test_a_file_in_the_way(base: Path) -> None:
    (base / "file").write_text("x")
    assert "'{}' is not a directory".format(base / "file") in refusal(base / "file" / "store")


def test_a_path_that_is_too_long(base: Path) -> None:
    assert "Cannot keep store directory" in refusal(base / ("x" * 300))


def test_other_stores(base: Path) -> None:
    (base / "one").mkdir()
    (base / "name").symlink_to(base / "one")
    assert "lies inside" in refusal(base / "one" / "two", other_stores=[str(base / "name")])


def test_removal_never_takes_images(base: Path) -> None:
    store = base / "store"
    store.mkdir()
    kept = image(store)
    assert "it holds 1 image(s) with 5 bytes" in refusal(store, state="absent")
    assert kept.exists()
    predicted = manage(store, check_mode=True, state="absent", force=True)
    assert kept.exists()
    done = manage(store, state="absent", force=True)
    assert done["diff"] == predicted["diff"]
    assert not store.exists()
    assert not manage(store, state="absent")["changed"]


def test_an_empty_directory_goes(base: Path) -> None:
    store = base / "store"
    store.mkdir()
    assert manage(store, state="absent")["directory"]["state"] == "absent"
    assert not store.exists()


@as_root
def test_the_probe_writes_as_the_owner(base: Path) -> None:
    closed = base / "closed"
    closed.mkdir(mode=0o700)
    sentence = refusal(closed / "store", owner="xavs")
    assert f"user 42424:42424 cannot reach it: '{closed}' does not let it pass" in sentence
    assert list(closed.iterdir()) == []
    assert manage(closed / "store", owner="xavs", probe=False)["changed"]


@as_root
def test_the_probe_in_check_mode_asks_and_leaves_nothing(base: Path) -> None:
    store = base / "store"
    manage(store, owner="xavs")
    before = store.stat().st_mtime_ns
    assert not manage(store, check_mode=True)["changed"]
    assert store.stat().st_mtime_ns == before
    base.chmod(0o700)
    with pytest.raises(ImageServicesError, match="cannot reach it"):
        manage(store, check_mode=True)


@pytest.fixture
def tmpfs(base: Path) -> Iterator[Path]:
    mount_point = base / "volume"
    mount_point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(mount_point)], check=True)
    yield mount_point
    subprocess.run(["umount", str(mount_point)], check=True)


@as_root
def test_a_read_only_volume(tmpfs: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=True)
    assert f"the file system at '{tmpfs}' is mounted read-only. Mount it for writing" in refusal(tmpfs / "store", owner="xavs")


@as_root
def test_a_full_volume(tmpfs: Path) -> None:
    free = os.statvfs(tmpfs).f_bavail * os.statvfs(tmpfs).f_frsize
    (tmpfs / "ballast").write_bytes(bytes(free))
    assert f"the file system at '{tmpfs}' is full" in refusal(tmpfs, owner="xavs")


@as_root
def test_a_volume_has_to_be_mounted(tmpfs: Path, base: Path) -> None:
    assert manage(tmpfs / "store", owner="xavs", mount_point=str(tmpfs), require_mount=True)["directory"]["filesystem"] == "tmpfs"
    assert f"nothing is mounted at '{base / 'other'}'" in refusal(base / "other" / "store", mount_point=str(base / "other"))
    assert "is not at or below mount_point" in refusal(base / "store", mount_point=str(tmpfs))
    assert "bytes are free" in refusal(tmpfs / "store", min_free="2M")


@as_root
def test_a_mount_point_is_not_removed(tmpfs: Path) -> None:
    assert "is a mount point" in refusal(tmpfs, state="absent", force=True)
    assert "is a mount point" in refusal(tmpfs.parent, state="absent", force=True)


@as_root
def test_a_volume_below_keeps_its_owners(tmpfs: Path) -> None:
    (tmpfs / "file").write_text("x")
    manage(tmpfs.parent, owner="xavs", recurse=True)
    assert (tmpfs / "file").stat().st_uid == 0


@as_root
def test_one_directory_under_two_names(base: Path) -> None:
    one, other = base / "one", base / "other"
    one.mkdir()
    other.mkdir()
    subprocess.run(["mount", "--bind", str(one), str(other)], check=True)
    try:
        assert "under a second name" in refusal(other, other_stores=[str(one)])
    finally:
        subprocess.run(["umount", str(other)], check=True)


@as_root
@pytest.mark.parametrize(
    ("filesystem", "number", "expected"),
    [
        ("nfs4", errno.EPERM, "treats root as nobody (root_squash)"),
        ("nfs", errno.EACCES, "treats root as nobody (root_squash)"),
        ("vfat", errno.EPERM, "refuses the change even to root"),
        ("xfs", errno.EROFS, "is mounted read-only"),
        ("xfs", errno.EDQUOT, "a quota is used up"),
        ("xfs", errno.EIO, "Input/output error"),
    ],
)
def test_refusals_of_file_systems_that_this_machine_lacks(base: Path, monkeypatch: pytest.MonkeyPatch, filesystem: str, number: int, expected: str) -> None:
    def fchown(*_args: Any) -> None:
        raise OSError(number, os.strerror(number))

    real = mounts.volume(str(base))
    monkeypatch.setattr(mounts, "volume", lambda _path: Volume("/srv", filesystem, False, real.free, real.total))
    monkeypatch.setattr(os, "fchown", fchown)
    assert expected in refusal(base / "store", owner="xavs")
    assert not (base / "store").exists()


def test_an_ordinary_user_is_told_to_become_root(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "only root can give it to another user than 1000" in refusal(base / "store", owner="xavs")
    assert not (base / "store").exists()


@as_root
def test_selinux_types_are_set_where_selinux_is_on(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels: dict[int, str] = {}

    def inode(path: str | int) -> int:
        return (os.fstat(path) if isinstance(path, int) else os.lstat(path)).st_ino

    monkeypatch.setattr(selinux, "enabled", lambda: True)
    monkeypatch.setattr(selinux, "get_type", lambda path: labels.get(inode(path), "default_t"))
    monkeypatch.setattr(selinux, "set_type", lambda path, setype: labels.update({inode(path): setype}))
    stored = image(base)
    predicted = manage(base, check_mode=True, setype="glance_var_lib_t", recurse=True)
    assert labels == {}
    done = manage(base, setype="glance_var_lib_t", recurse=True)
    assert done["diff"] == predicted["diff"]
    assert labels == {inode(str(base)): "glance_var_lib_t", inode(str(stored)): "glance_var_lib_t"}
    assert not manage(base, setype="glance_var_lib_t", recurse=True)["changed"]


@pytest.mark.parametrize(
    ("owner", "group", "expected"),
    [
        ("xavs", None, (42424, 42424)),
        ("loci", None, (42424, 42424)),
        ("kolla", None, (42415, 42415)),
        ("kolla", "xavs", (42415, 42424)),
        ("0", None, (0, 0)),
        ("4294967000", None, (4294967000, 4294967000)),
        ("root", "12345", (0, 12345)),
        (None, None, (None, None)),
    ],
)
def test_owners(owner: str | None, group: str | None, expected: tuple[int | None, int | None]) -> None:
    assert owners.resolve("/srv/x", owner, group) == expected


@pytest.mark.parametrize(("owner", "group"), [("no-such-user", None), ("root", "no-such-group"), ("4294967295", None)])
def test_unknown_owners_are_refused(owner: str, group: str | None) -> None:
    with pytest.raises(ImageServicesError, match="no (user|group) |no number of a user"):
        owners.resolve("/srv/x", owner, group)


def process(proc: Path, pid: int, uid: int, *arguments: str, **environment: str) -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "cmdline").write_bytes(b"\0".join(argument.encode() for argument in arguments) + b"\0")
    (proc / str(pid) / "environ").write_bytes(b"\0".join(f"{name}={value}".encode() for name, value in environment.items()))
    (proc / str(pid) / "status").write_text(f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n")


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(owners, "PROC", tmp_path)
    process(tmp_path, 1, 0, "/sbin/init")
    process(tmp_path, 2, 7, "/usr/bin/less", "/var/log/glance/glance-api.log")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["/usr/bin/python3", "/usr/bin/glance-api", "--config-file=x"], {}),
        (["/usr/bin/uwsgi", "--module", "glance.wsgi.api:application"], {}),
        (["gunicorn: worker [glance]"], {}),
        (["glance-uWSGI worker 1"], {}),
        (["uwsgi", "--ini", "/etc/glance/glance-api-uwsgi.ini"], {}),
        (["/opt/glance/current/bin/gunicorn"], {"OS_GLANCE_CONFIG_DIR": "/etc/glance"}),
    ],
)
def test_auto_finds_the_user_of_the_service(proc: Path, arguments: list[str], environment: dict[str, str]) -> None:
    process(proc, 3, 0, *arguments, **environment)
    process(proc, 4, 42424, *arguments, **environment)
    assert owners.resolve("/srv/x", "auto", None) == (42424, 42424)


def test_auto_without_a_service_or_with_two(proc: Path) -> None:
    with pytest.raises(ImageServicesError, match="no Glance API runs on this host"):
        owners.resolve("/srv/x", "auto", None)
    process(proc, 3, 5, "/usr/bin/glance-api")
    process(proc, 4, 6, "/usr/bin/glance-api")
    with pytest.raises(ImageServicesError, match=r"several users run on this host \(5:5, 6:6\)"):
        owners.resolve("/srv/x", "auto", None)


def test_mounts_are_read_as_the_kernel_writes_them() -> None:
    text = (
        "22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw\n"
        "40 22 0:35 / /srv/with\\040blank rw shared:20 - nfs4 server:/x rw,vers=4.2\n"
        "41 22 0:36 / /srv rw - xfs /dev/vdb rw\n"
    )
    assert mounts.holder(text, "/srv/with blank/store") == ("/srv/with blank", "nfs4")
    assert mounts.holder(text, "/srv/with") == ("/srv", "xfs")
    assert mounts.holder(text, "/srvx") == ("/", "ext4")


def test_nothing_is_left_when_a_directory_cannot_be_made(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.mkdir

    def mkdir(path: Any, *args: Any, **kwargs: Any) -> None:
        if path == "c":
            raise OSError(errno.ENOSPC, "full")
        real(path, *args, **kwargs)

    monkeypatch.setattr(os, "mkdir", mkdir)
    assert "is full" in refusal(base / "a" / "b" / "c")
    assert not (base / "a").exists()


def test_force_does_not_follow_links(base: Path) -> None:
    outside = base / "outside"
    outside.mkdir()
    kept = image(outside)
    store = base / "store"
    store.mkdir()
    (store / "link").symlink_to(outside)
    manage(store, state="absent", force=True)
    assert kept.exists()
    shutil.rmtree(outside)


def test_a_look_and_a_plan_change_nothing(base: Path) -> None:
    """Of everything below, too: the pass that repairs belongs to the steps that apply."""
    image(base)
    base.chmod(0o700)
    job = store_dir.StoreDirectoryJob(declared(base, owner="xavs", mode="0750", recurse=True) if ME == "0" else declared(base, mode="0750"))
    before = [(path, path.stat().st_uid, path.stat().st_mode, path.stat().st_ctime_ns) for path in (base, *base.rglob("*"))]
    seen = job.look()
    plan = job.plan(seen)
    assert plan.changed
    job.result(seen, plan, None)
    assert [(path, path.stat().st_uid, path.stat().st_mode, path.stat().st_ctime_ns) for path in (base, *base.rglob("*"))] == before


def test_directories_of_one_task_are_created_and_repeated(base: Path) -> None:
    """Both need the directory above them, which the first one creates."""
    entries = [declared(base / "volume" / name, owner=ME) for name in ("one", "two")] + [declared(base / "old", state="absent")]
    (base / "old").mkdir()
    predicted = manage_all(*entries, check_mode=True)
    assert sorted(path.name for path in base.iterdir()) == ["old"]
    made = manage_all(*entries)
    for result in (predicted, made):
        assert [(each["state"], each["changed"], each["repaired"]) for each in result["directories"]] == [("present", True, 0)] * 2 + [("absent", True, 0)]
    assert made["diff"] == predicted["diff"]
    assert [path.name for path in base.iterdir()] == ["volume"]
    again = manage_all(*entries)
    assert (again["changed"], again["diff"], [each["changed"] for each in again["directories"]]) == (False, [], [False] * 3)


def test_nothing_changes_where_one_of_them_is_refused(base: Path) -> None:
    (base / "file").write_text("x")
    (base / "store").mkdir(mode=0o700)
    first = [declared(base / "new"), declared(base / "store", mode="0750")]
    for bad, cause in (
        (declared(base / "file"), "is not a directory"),
        (declared(base / "other", min_free="1000P"), "are wanted"),
        (declared(base / "new" / "inner"), "it contains"),
        (declared(base / "store"), "it is declared twice"),
        (declared(Path("/usr/lib/images")), "belongs to the system"),
    ):
        with pytest.raises(ImageServicesError, match=cause):
            manage_all(*first, bad)
    assert (sorted(path.name for path in base.iterdir()), (base / "store").stat().st_mode & 0o777) == (["file", "store"], 0o700)


def test_what_was_done_before_a_failure_is_returned(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.mkdir

    def mkdir(path: Any, *args: Any, **kwargs: Any) -> None:
        if path == "two":
            raise OSError(errno.ENOSPC, "full")
        real(path, *args, **kwargs)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(ImageServicesError, match=f"^Cannot keep store directory '{base}/two'") as failure:
        manage_all(*(declared(base / name) for name in ("one", "two", "three")))
    assert (failure.value.result["changed"], [each["path"] for each in failure.value.result["directories"]]) == (True, [str(base / "one")])
    assert [path.name for path in base.iterdir()] == ["one"]


def test_the_refusal_names_the_directory_that_it_is_about(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.listdir

    def listdir(directory: Any) -> list[str]:
        if os.readlink(f"/proc/self/fd/{directory}").endswith("/one"):
            raise OSError(errno.EIO, "Input/output error")
        return real(directory)

    for name in ("one", "two"):
        (base / name).mkdir()
    monkeypatch.setattr(os, "listdir", listdir)
    with pytest.raises(ImageServicesError, match=f"^Cannot keep store directory '{base}/one'"):
        manage_all(*(declared(base / name) for name in ("one", "two")))

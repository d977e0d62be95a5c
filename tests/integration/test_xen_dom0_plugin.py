# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugins of XAPI on a host without a Python that Ansible could use, over a real sshd."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_archive import build
from ansible_collections.xenstack.image_services.tests.support.dom0 import FILES, pythons
from ansible_collections.xenstack.image_services.tests.support.dom0_play import NO_TERMINAL, changed, on
from ansible_collections.xenstack.image_services.tests.support.dom0_sshd import DEADLINE, PLUGINS, USER, Cut, Dom0, has_namespaces, running

FIRST = "#!/bin/sh\necho first\n"
SECOND = "#!/bin/sh\necho second\n"
# As other tasks would have it: every file below the directory above the plugins, hidden ones too.
LIST = {"_raw": f"cd {PLUGINS}/.. && find . -type f -exec ls -ln {{}} + -exec sha256sum {{}} +"}


def sha256(content: bytes | str) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Dom0]:
    """A host without any Python."""
    (tmp_path / "host").mkdir()
    with running(tmp_path / "host") as host:
        yield host


@pytest.fixture
def source(tmp_path: Path) -> Callable[[str], str]:
    """Writes a plugin on the controller."""

    def write(content: str) -> str:
        path = tmp_path / f"source-{sha256(content)[:8]}"
        path.write_text(content)
        return str(path)

    return write


def owned(host: Dom0, mode: str, content: bytes | str) -> tuple[str, int, int, bytes]:
    """An entry of host.files()."""
    return (mode, *host.owner, content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("version", pythons())
def test_the_role_installs_what_runs_with_the_only_python(tmp_path: Path, version: str) -> None:
    given = {"xen_dom0_plugins_imagestore_config": {"sr_base_path": "/srv/sr"}, "xen_dom0_plugins_compatibility": True}
    with running(tmp_path, python=pythons()[version]) as host:
        predicted, installed, again = on(host).role({**given, "_check_mode": True}, given, given)
        assert (changed(predicted), changed(installed), changed(again)) == (2, 2, 0)
        assert f'"checksum": "{sha256(build(str(FILES / "imagestore")))}"' in predicted
        assert '"version": "1.0.0"' in predicted
        assert "imagestore 1.0.0 runs with Python" not in predicted
        for shown in (installed, again):
            assert f"imagestore 1.0.0 runs with Python {version}." in shown
            assert "[WARNING]" not in shown
        files = host.files()
        assert files["plugins/imagestore"] == owned(host, "0755", build(str(FILES / "imagestore")))
        assert files["plugins/glance"] == owned(host, "0755", build(str(FILES / "glance")))
        assert files["imagestore.json"] == owned(host, "0600", '{\n  "sr_base_path": "/srv/sr"\n}\n')


def test_the_role_tells_that_python_is_missing_and_leaves_nothing(bare: Dom0) -> None:
    (shown,) = on(bare).role({}, fails=True)
    sentence = "Cannot verify plugin 'imagestore': it does not run there, since the host has none of python3, python2, python, python2.7. Install a Python on"
    assert sentence in " ".join(shown.split())
    assert bare.files() == {}


def test_the_role_removes_what_is_ours_alone(bare: Dom0) -> None:
    given, absent = {"xen_dom0_plugins_verify": False}, {"xen_dom0_plugins_state": "absent"}
    foreign = [{"name": "Foreign", "ansible.builtin.raw": f"echo foreign >{bare.directory}/glance", "changed_when": False, **NO_TERMINAL}]
    plays = on(bare).role({**given, "xen_dom0_plugins_compatibility": True}, given, {**absent, "_pre_tasks": foreign}, absent)
    # The second: a glance of ours goes without compatibility.
    assert [changed(shown) for shown in plays] == [2, 1, 1, 0]
    assert bare.files() == {"plugins/glance": owned(bare, bare.files()["plugins/glance"][0], "foreign\n")}


def test_a_plugin_is_installed_changed_and_removed(bare: Dom0, source: Callable[[str], str]) -> None:
    first, second = {"name": "report", "src": source(FIRST)}, {"name": "report", "src": source(SECOND), "mode": "0700", "config": {"days": 7}}
    gone = {"name": "report", "state": "absent"}
    listing = {"_raw": LIST["_raw"].replace(PLUGINS, bare.directory)}
    steps = [first, second, gone]
    tasks = [task for step in steps for task in (listing, {**step, "_check_mode": True}, listing, step, listing, step, listing)]
    answers = on(bare).tasks(*tasks)
    diffs = []
    for number, step in enumerate(steps):
        before, predicted, still, done, after, again, kept = answers[7 * number : 7 * number + 7]
        assert (predicted["changed"], done["changed"], again["changed"]) == (True, True, False), (step, predicted, done, again)
        assert predicted["diff"] == done["diff"]
        assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]
        assert before["stdout"] == still["stdout"], "check mode changed something"
        assert after["stdout"] == kept["stdout"]
        assert after["stdout"] != before["stdout"]
        assert done["backup_file"] is None
        diffs.append(done["diff"])
    uid, gid = bare.owner
    assert [diff["before"]["plugin"].get("checksum") for diff in diffs] == [None, sha256(FIRST), sha256(SECOND)]
    assert diffs[1]["after"]["plugin"] == {"checksum": sha256(SECOND), "mode": "0700", "uid": uid, "gid": gid}
    assert diffs[1]["after"]["config"]["mode"] == "0600"
    assert answers[3]["path"] == f"{bare.directory}/report"
    assert (answers[3]["checksum"], answers[3]["mode"]) == (sha256(FIRST), "0755")
    assert bare.files() == {}


def test_wrong_rights_are_put_right_without_an_upload(bare: Dom0, source: Callable[[str], str]) -> None:
    task = {"name": "report", "src": source(FIRST)}
    path = f"{bare.directory}/report"
    spoil = {"_raw": f"chmod 666 {path}" + (f"; chown 42:42 {path}" if bare.isolated else "")}
    inode = {"_raw": f"ls -i {path}"}
    dummy, before, dummy, predicted, done, again, after = on(bare).tasks(task, inode, spoil, {**task, "_check_mode": True}, task, task, inode)
    assert (predicted["changed"], done["changed"], again["changed"]) == (True, True, False)
    assert done["diff"]["before"]["plugin"]["mode"] == "0666"
    assert bare.files()["plugins/report"] == owned(bare, "0755", FIRST)
    assert before["stdout"] == after["stdout"]


def test_a_foreign_plugin_is_kept_where_xapi_finds_none(bare: Dom0, source: Callable[[str], str]) -> None:
    foreign = "#!/usr/bin/python2\nimport pickle\n"
    for name in ("glance", "other"):
        (bare.plugins / name).write_text(foreign)
        (bare.plugins / name).chmod(0o755)
    kept = f"plugins.backup/glance.{sha256(foreign)[:12]}"
    task = {"name": "glance", "src": source(FIRST)}
    predicted, done, again, refused, removed = on(bare).tasks(
        {**task, "_check_mode": True},
        task,
        task,
        {"name": "other", "state": "absent"},
        {"name": "other", "state": "absent", "force": True, "backup": False},
    )
    assert predicted["backup_file"] == done["backup_file"] == f"{Path(bare.directory).parent}/{kept}"
    assert (again["changed"], again["backup_file"]) == (False, None)
    assert refused["msg"] == (f"Cannot remove file '{bare.directory}/other': this module did not install it. Set force: true to remove it all the same.")
    assert (refused["error"]["code"], removed["changed"]) == ("unmanaged", True)
    files = bare.files()
    assert files.keys() == {"plugins/glance", "plugins.installed/glance.plugin", kept}
    assert files[kept] == owned(bare, "0600", foreign)
    assert files["plugins/glance"] == owned(bare, "0755", FIRST)


def test_what_somebody_has_changed_since_is_foreign(bare: Dom0, source: Callable[[str], str]) -> None:
    edited = FIRST + "echo by hand\n"
    dummy, dummy, refused, done = on(bare).tasks(
        {"name": "report", "src": source(FIRST), "config": {"days": 7}},
        {"_raw": f"cd {bare.directory} && echo echo by hand >>report && printf {{}} >../report.json"},
        {"name": "report", "state": "absent"},
        {"name": "report", "src": source(SECOND), "config": {"days": 8}},
    )
    assert "it was changed after this module had installed it" in refused["msg"]
    assert bare.files()[f"plugins.backup/report.{sha256(edited)[:12]}"] == owned(bare, "0600", edited)
    assert bare.files()[f"plugins.backup/report.json.{sha256('{}')[:12]}"] == owned(bare, "0600", "{}")
    assert json.loads(bare.files()["report.json"][3]) == {"days": 8}
    assert done["config_backup_file"].endswith(sha256("{}")[:12])


def test_a_lost_connection_leaves_what_was_there(bare: Dom0, source: Callable[[str], str], tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(os.urandom(8 << 20))
    # What a host that was switched off in an upload has left; no process has this number.
    (bare.plugins / ".report.99999999.part").write_bytes(b"half")
    with Cut(bare.port, 1 << 20) as cut:
        first, lost = on(bare).tasks({"name": "report", "src": source(FIRST)}, {"name": "report", "src": str(large), "_vars": {"ansible_port": cut.port}})
        assert cut.cuts == 1
    assert first["changed"]
    assert lost["unreachable"], lost
    assert "Cannot install plugin 'report': the connection was lost (" in lost["msg"]
    assert lost["msg"].endswith(f"). Run the task again: {bare.directory}/report is unchanged or complete."), lost["msg"]
    # The host notices it in its own time.
    end = time.monotonic() + DEADLINE
    while bare.files().keys() != {"plugins/report", "plugins.installed/report.plugin"}:
        assert time.monotonic() < end, bare.files().keys()
        time.sleep(0.05)
    assert bare.files()["plugins/report"] == owned(bare, "0755", FIRST)
    (done,) = on(bare).tasks({"name": "report", "src": str(large)})
    assert done["changed"]
    assert bare.files()["plugins/report"] == owned(bare, "0755", large.read_bytes())


def test_what_does_not_run_replaces_nothing(bare: Dom0, source: Callable[[str], str]) -> None:
    struct = "<value><struct><member><name>Status</name><value>{}</value></member>{}</struct></value>"
    answer = f"<methodResponse><params><param>{struct}</param></params></methodResponse>"
    value = "<member><name>Value</name><value>{{&quot;version&quot;: &quot;{}&quot;}}</value></member>".format
    error = "<member><name>ErrorDescription</name><value><array><data><value>{}</value><value>why</value></data></array></value></member>".format
    reply = "#!/bin/sh\ncase $1 in *'<methodName>version<'*) echo '{}' ;; esac\n".format
    tasks = [
        reply(answer.format("Success", value("2"))),
        "#!/bin/sh\necho broken >&2\nexit 3\n",
        reply(answer.format("Failure", error("NO_LUCK"))),
        "#!/bin/sh\necho Success\n",
        reply(answer.format("Failure", error("UNKNOWN_XENAPI_PLUGIN_FUNCTION"))),
        reply(answer.format("Success", value("2")).removeprefix("<methodResponse>").removesuffix("</methodResponse>")),
    ]
    good, broken, failure, chatter, none, alone = on(bare).tasks(*({"name": "report", "src": source(text), "verify": True, "backup": False} for text in tasks))
    assert good["plugin"] == {"version": "2"}
    assert none["plugin"] == {}
    assert "the host has none of python3" in broken["msg"]
    assert failure["msg"] == "Cannot verify plugin 'report': it answered NO_LUCK why. Try it on the host, by hand."
    assert "its answer is not that of a plugin (Success)" in chatter["msg"]
    # XAPI takes parameters in a complete response alone.
    assert "its answer is not that of a plugin (<params>" in alone["msg"]
    assert none["diff"]["before"]["plugin"]["checksum"] == good["checksum"]


def test_a_host_that_is_none_of_a_pool_is_told(bare: Dom0, source: Callable[[str], str]) -> None:
    nowhere = f"{bare.directory}/../nowhere/plugins"
    (bare.plugins / "folder").mkdir()
    answers = on(bare).tasks(
        {"name": "report", "src": source(FIRST), "path": nowhere},
        {"name": "report", "src": source(FIRST), "path": nowhere, "_check_mode": True},
        {"name": "report", "state": "absent", "path": nowhere},
        {"name": "folder", "src": source(FIRST)},
    )
    told = f"the host has no directory {Path(bare.directory).parent}/nowhere/plugins (is this a Dom0?)."
    assert [told in str(answer.get("msg")) for answer in answers] == [True, True, False, False]
    assert not answers[2]["changed"]
    assert answers[3]["error"]["code"] == "no_file"


def test_who_may_not_is_told_before_anything_changes(bare: Dom0, source: Callable[[str], str]) -> None:
    """Another user of the host, also by become; an ordinary user can give nothing to root."""
    task = {"name": "report", "src": source(FIRST), "uid": 0, "gid": 0}
    if bare.isolated:
        other = {**task, "_vars": {"ansible_user": USER}}
        become = {"_become": True, "_become_method": "ansible.builtin.su", "_become_user": USER}
        answers = on(bare).tasks(other, {**other, "_check_mode": True}, {**task, **become})
        expected = f"the user '{USER}' may not write to {bare.directory}."
    else:
        answers = on(bare).tasks(task, {**task, "_check_mode": True})
        expected = "may not give files to the user with the number 0."
    for answer in answers:
        assert answer["error"]["code"] == "not_allowed", answer
        assert expected in answer["msg"]
        assert answer["msg"].endswith("Connect as root, or set become: true.")
    assert bare.files() == {}


def test_files_are_compared_by_what_the_host_has(tmp_path: Path, source: Callable[[str], str]) -> None:
    task = {"name": "report", "src": source(FIRST)}
    openssl = shutil.which("openssl")
    assert openssl
    (tmp_path / "host").mkdir()
    with running(tmp_path / "host", python=next(iter(pythons().values()))) as host:
        # Busybox as a shell has its applets without their files.
        (host.root / "bin/sh").unlink()
        shutil.copy("/bin/dash", host.root / "bin/sh")
        (host.root / "bin/sha256sum").unlink()
        shutil.copy(openssl, host.root / "bin/openssl")
        second = {**task, "src": source(SECOND), "backup": False}
        less = ({"_raw": f"rm {host.directory}/../../../bin/{name}"} for name in ("openssl", "md5sum"))
        by_openssl, same, dummy, by_md5, still, dummy, refused = on(host).tasks(task, task, next(less), second, second, next(less), task)
        assert (by_openssl["changed"], same["changed"], by_openssl["diff"]["after"]["plugin"]["checksum"]) == (True, False, sha256(FIRST)), by_openssl
        assert (by_md5["changed"], still["changed"], by_md5["checksum"]) == (True, False, sha256(SECOND))
        assert by_md5["warnings"] == ["Files are compared by md5: the host of the plugin 'report' has neither sha256sum nor openssl."]
        assert refused["msg"].startswith("Cannot install plugin 'report': the host has none of sha256sum, openssl and md5sum to compare files by.")


# What only root can make.
if has_namespaces():

    def test_become_is_used(bare: Dom0, source: Callable[[str], str]) -> None:
        """From root to a user whom the directory belongs to: the file is that user's then."""
        os.chown(bare.plugins, 4242, 4242)
        os.chown(bare.plugins.parent, 4242, 4242)
        task = {"name": "report", "src": source(FIRST), "uid": 4242, "gid": 4242, "_become": True, "_become_method": "ansible.builtin.su", "_become_user": USER}
        done, again = on(bare).tasks(task, task)
        assert (done["changed"], again["changed"]) == (True, False), done
        assert set(bare.files().values()) == {("0755", 4242, 4242, FIRST.encode()), ("0600", 4242, 4242, f"{sha256(FIRST)}\n".encode())}

    def test_a_full_or_read_only_file_system_keeps_what_it_has(tmp_path: Path, source: Callable[[str], str]) -> None:
        (tmp_path / "host").mkdir()
        large = tmp_path / "large"
        large.write_bytes(os.urandom(2 << 20))
        with running(tmp_path / "host", small=1024) as host:
            small = {"name": "report", "src": source(FIRST)}
            done, full, gone_on = on(host).tasks(small, {**small, "src": str(large)}, small)
            assert (done["changed"], gone_on["changed"]) == (True, False)
            assert full["error"]["code"] == "no_space"
            assert full["msg"] == f"Cannot install plugin 'report': the host could not write to {PLUGINS}, since no space is left there. Make room on the host."
            before = host.files()
            assert before["plugins/report"] == owned(host, "0755", FIRST)
            host.remount("ro")
            change, remove, nothing = on(host).tasks({**small, "src": source(SECOND)}, {"name": "report", "state": "absent"}, small)
            assert (change["error"]["code"], remove["error"]["code"]) == ("read_only", "read_only")
            assert "that file system is read-only. Mount it for writing on the host." in change["msg"]
            assert not nothing["changed"]
            assert host.files() == before

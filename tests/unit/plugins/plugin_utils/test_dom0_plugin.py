# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided on the controller about a plugin of a host: options, plans, quoting, and the answer of a call."""

from __future__ import annotations

import subprocess
import xmlrpc.client
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.modules import xen_dom0_plugin
from ansible_collections.xenstack.image_services.plugins.plugin_utils import dom0_scripts
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_archive import build
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_call import read_version, version_call
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_host import Dom0Host
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_options import create_dom0_plugin_argspec, judged
from ansible_collections.xenstack.image_services.plugins.plugin_utils.dom0_plan import (
    MARKED_LINES,
    DesiredFile,
    Seen,
    mode_of,
    places,
    plan_absent,
    plan_present,
    plan_settings_absent,
    told,
    version_of,
)
from ansible_collections.xenstack.image_services.tests.support.dom0 import FILES

PLUGIN, CONFIG = places("/etc/xapi.d/plugins", "imagestore")
WANTED = DesiredFile("new", "0755", 0, 0, "2")
GIVEN = {"name": "report", "state": "present", "path": "/etc/xapi.d/plugins", "mode": "0755", "uid": 0, "gid": 0}


def test_the_documentation_has_the_options_of_the_action() -> None:
    spec = create_dom0_plugin_argspec().module_kwargs()
    documented = yaml.safe_load(xen_dom0_plugin.DOCUMENTATION)["options"]
    assert {name: {key: value for key, value in option.items() if key != "description"} for name, option in documented.items()} == spec["argument_spec"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        *(({"name": name}, "bad_name") for name in ("", ".", "..", "a/b", ".hidden", "-f", "two words", "line\nend", "$(id)")),
        *(({"path": path}, "bad_path") for path in ("", "etc/xapi.d/plugins", "/", "/plugins", "/etc/../plugins", "/etc/xapi.d\n/plugins")),
        *(({"mode": mode}, "bad_mode") for mode in ("493", "755x", "0666", "0777", "0775", "4755", "u+x", "420")),
        ({"uid": -1}, "bad_owner"),
    ],
)
def test_what_cannot_be_is_refused_before_a_host_is_asked(given: dict[str, Any], code: str) -> None:
    with pytest.raises(ImageServicesError) as refused:
        judged({**GIVEN, **given})
    assert refused.value.code == code
    assert str(refused.value).startswith("Cannot install plugin '")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": "a/b"}, "begins with no dot or dash. Give the name by which XAPI is to call it."),
        ({"path": "/plugins"}, "not the absolute path of a directory within another one. Give the directory of XAPI's plugins."),
        ({"mode": "493"}, "the mode '493' is not one like '0755'. Give it in quotes."),
        ({"mode": "0775"}, "root cannot run it, or others can change what root runs. Use '0755' or '0700'."),
        ({"gid": -1}, "uid and gid are numbers from 0. Leave them out for root."),
    ],
)
def test_each_refusal_says_why_and_what_to_do(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ImageServicesError) as refused:
        judged({**GIVEN, **given})
    assert str(refused.value).endswith(sentence)


def test_path_and_mode_get_one_form() -> None:
    assert judged({**GIVEN, "path": "//etc/./xapi.d/plugins/", "mode": "755"}) == GIVEN


@pytest.mark.parametrize(
    ("seen", "action", "kept"),
    [
        (Seen(), "install", False),
        (Seen("file", "new", "0755", 0, 0), "nothing", False),
        (Seen("file", "new", "0644", 0, 0), "adjust", False),
        (Seen("file", "new", "0755", 42, 0), "adjust", False),
        (Seen("file", "old", "0755", 0, 0), "install", True),
        (Seen("file", "old", "0755", 0, 0, recorded="old"), "install", False),
        (Seen("file", "old", "0755", 0, 0, told="imagestore 1"), "install", False),
        (Seen("file", "old", "0755", 0, 0, told="another 1"), "install", True),
        (Seen("file", "old", "0755", 0, 0, told="imagestore 1", recorded="older"), "install", True),
    ],
)
def test_what_is_done_to_what_is_there(seen: Seen, action: str, kept: bool) -> None:
    plan = plan_present(PLUGIN, seen, WANTED, "imagestore", backup=True)
    assert (plan.action, plan.changed) == (action, action != "nothing")
    assert plan.backup_file == ("/etc/xapi.d/plugins.backup/imagestore.old" if kept else None)
    assert plan_present(PLUGIN, seen, WANTED, "imagestore", backup=False).backup_file is None
    assert (plan.before != plan.after) == plan.changed


def test_a_removal_of_what_is_foreign_has_to_be_asked_for() -> None:
    ours, foreign = Seen("file", "old", "0755", 0, 0, recorded="old"), Seen("file", "old", "0755", 0, 0)
    assert plan_absent(PLUGIN, Seen(), "imagestore", backup=True, force=False).action == "nothing"
    removal = plan_absent(PLUGIN, ours, "imagestore", backup=True, force=False)
    assert (removal.action, removal.backup_file, removal.after) == ("remove", None, {})
    with pytest.raises(ImageServicesError, match="this module did not install it"):
        plan_absent(PLUGIN, foreign, "imagestore", backup=True, force=False)
    forced = plan_absent(PLUGIN, foreign, "imagestore", backup=True, force=True)
    assert (forced.action, forced.backup_file) == ("remove", "/etc/xapi.d/plugins.backup/imagestore.old")


def test_settings_that_we_have_not_written_stay() -> None:
    assert CONFIG.path == "/etc/xapi.d/imagestore.json"
    assert plan_settings_absent(CONFIG, Seen("file", "old", "0600", 0, 0), "imagestore", backup=True).action == "nothing"
    assert plan_settings_absent(CONFIG, Seen("file", "old", "0600", 0, 0, recorded="old"), "imagestore", backup=True).action == "remove"


def test_a_directory_in_the_place_is_refused() -> None:
    said = "Cannot {} file '/etc/xapi.d/plugins/imagestore': what has this name is no regular file"
    with pytest.raises(ImageServicesError, match=said.format("install")):
        plan_present(PLUGIN, Seen("other"), WANTED, "imagestore", backup=True)
    with pytest.raises(ImageServicesError, match=said.format("remove")):
        plan_absent(PLUGIN, Seen("other"), "imagestore", backup=True, force=True)


@pytest.mark.parametrize("name", ["imagestore", "glance"])
def test_what_we_build_tells_its_name_and_version(name: str) -> None:
    said = told(build(str(FILES / name)))
    assert said.split()[0] == name
    assert (version_of(said) is not None) == (name == "imagestore")
    assert told(b"\n" * MARKED_LINES + b"# xenstack.image_services dom0 plugin late 1\n") == ""


@pytest.mark.parametrize(
    ("listed", "mode"),
    [("-rwxr-xr-x", "0755"), ("-rw-------", "0600"), ("-rwsr-x--T", "5750"), ("-rw-rw-rw-.", "0666"), ("-r-Sr-sr-t+", "7455")],
)
def test_modes_are_read_from_a_listing(listed: str, mode: str) -> None:
    assert mode_of(listed) == mode


@pytest.mark.parametrize("value", ["two words", "$(touch made) `touch made` $HOME", "back\\slash", 'quo"te', "apo'strophe", "!x *"])
def test_values_reach_a_script_as_they_are(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dom0_scripts.SCRIPTS, "say", 'printf "%s" "$given"')
    done = subprocess.run(["sh", "-c", dom0_scripts.command("say", {"given": value})], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert (done.stdout, list(tmp_path.iterdir())) == (value, [])


def test_a_call_is_that_of_xapi() -> None:
    assert "\n" not in version_call()
    assert xmlrpc.client.loads(version_call()) == (("OpaqueRef:NULL", {"params": "{}"}), "version")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"Status": "Success", "Value": '{"version": "1"}'}, {"version": "1"}),
        ({"Status": "Failure", "ErrorDescription": ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", "version"]}, {}),
        ({"Status": "Failure", "ErrorDescription": ["WHY", "not"]}, "it answered WHY not"),
        ({"Status": "Success", "Value": "[]"}, "its function version answered [], and no object"),
        ({"Status": "Success", "Value": "{"}, "its answer is not that of a plugin"),
        ({"Status": "Success"}, "its answer is not that of a plugin"),
    ],
)
def test_an_answer_is_read_or_refused(answer: dict[str, Any], said: Any) -> None:
    text = xmlrpc.client.dumps((answer,), methodresponse=True)
    if isinstance(said, dict):
        assert read_version("report", text) == said
    else:
        with pytest.raises(ImageServicesError) as refused:
            read_version("report", text)
        assert f"Cannot verify plugin 'report': {said}" in str(refused.value)


BARE = xmlrpc.client.dumps(({"Status": "Success", "Value": '{"version": "1"}'},))


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last):", "<params>", "<params></params>", BARE])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises(ImageServicesError, match="its answer is not that of a plugin"):
        read_version("report", text)


def test_a_host_whose_shell_does_not_work_is_told() -> None:
    def execute(command: str, data: bytes | None) -> dict[str, Any]:
        return {"rc": 127, "stdout": "", "stderr": "sudo: not found\n"}

    with pytest.raises(ImageServicesError, match=r"the host runs no commands for this task \(sudo: not found\)\. See that"):
        Dom0Host(execute, "report", PLUGIN, CONFIG).look("install")

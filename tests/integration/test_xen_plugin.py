# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugins of a pool's hosts: what they are, one call of them, and the words for what they fail with."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.modules import Result, run_module
from ansible_collections.xenstack.image_services.tests.support.xapi import PoolUnderTest

NAME = "test_plugin"
# Answers as the body says: of `function`, `args` and `session` it makes `value`, or `failure`.
PLUGIN = """#!{python}
import json, sys, xmlrpc.client
(session, args), function = xmlrpc.client.loads(sys.argv[1])
failure = value = None
{body}
answer = {{"Status": "Success", "Value": value}} if failure is None else {{"Status": "Failure", "ErrorDescription": failure}}
print(xmlrpc.client.dumps((answer,), "", True))
"""
ECHO = """
if function == "echo":
    value = json.dumps(args)
elif function == "text":
    value = "no JSON <&> " + args["text"]
elif function == "version":
    value = json.dumps({"name": "test_plugin", "version": "1.2.3", "api": 1, "python": "3.6.15", "functions": ["echo", "version"]})
elif function == "fail":
    failure = args["code"].split(",") + [args.get("said", "")]
elif function == "exit":
    sys.stderr.write("no such interpreter")
    sys.exit(3)
elif function == "print":
    print("hello")
    value = ""
else:
    failure = ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", function]
"""
Write = Callable[..., Path]


@pytest.fixture
def write(pool: PoolUnderTest) -> Iterator[Write]:
    """Puts a plugin on all hosts, or on one, which has no others then."""
    directory = pool.server.state / "plugins"
    made: list[Path] = []

    def put(body: str, name: str = NAME, host: str | None = None) -> Path:
        where = directory / host if host is not None else directory
        where.mkdir(parents=True, exist_ok=True)
        made.append(where if host is not None else where / name)
        (where / name).write_text(PLUGIN.format(python=sys.executable, body=body))
        (where / name).chmod(0o755)
        return where / name

    yield put
    for path in made:
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True)


def ask(pool: PoolUnderTest, check: bool = False, **options: Any) -> Result:
    with pool.nothing_left():
        return run_module("xen_plugin", pool.options(**options), check=check)


def hosts(pool: PoolUnderTest) -> list[dict[str, Any]]:
    """The records of the two hosts, the coordinator first."""
    (leader,) = [record["master"] for record in pool.api.pool.get_all_records().values()]
    return [record for _ref, record in sorted(pool.api.host.get_all_records().items(), key=lambda item: item[0] != leader)]


def test_every_host_tells_its_own_plugins(pool: PoolUnderTest, write: Write) -> None:
    first, second = hosts(pool)
    write(ECHO)
    write('value = "7 \\n"', "plain")
    write(ECHO.replace('"version"', '"none"', 1), host=second["uuid"])
    wanted = [NAME, "plain", "nobody_has_it"]
    done = ask(pool, plugins=wanted).succeeded()
    assert done["changed"] is False
    found = {host["uuid"]: host for host in done["hosts"]}
    assert {host["name"] for host in done["hosts"]} == {first["name_label"], second["name_label"]}
    assert [found[each["uuid"]]["coordinator"] for each in (first, second)] == [True, False]
    absent = {"present": False, "version": None, "api": None, "python": None, "functions": None, "error": None}
    known = {"present": True, "version": "1.2.3", "api": 1, "python": "3.6.15", "functions": ["echo", "version"], "error": None}
    assert found[first["uuid"]]["plugins"] == [
        {"name": NAME, **known},
        {**absent, "name": "plain", "present": True, "version": "7"},
        {**absent, "name": "nobody_has_it"},
    ]
    # There without telling its version.
    assert found[second["uuid"]]["plugins"] == [{**absent, "name": NAME, "present": True}, {**absent, "name": "plain"}, {**absent, "name": "nobody_has_it"}]
    (only,) = ask(pool, check=True, plugins=[NAME], host=second["name_label"]).succeeded()["hosts"]
    assert only["uuid"] == second["uuid"]
    assert [each["name"] for each in ask(pool).succeeded()["hosts"][0]["plugins"]] == ["imagestore"]


def test_a_plugin_that_does_not_run_is_no_failure_of_the_list(pool: PoolUnderTest, write: Write) -> None:
    bare = "XMLRPC.RunTimeTypeError(\"unbox: Element=params should contain 'methodResponse'\", _)"
    for body, words in (
        ("sys.exit(3)", "the plugin ended with an error of its own"),
        ('print(xmlrpc.client.dumps(({"Status": "Success", "Value": "1"},)))\nsys.exit()', f"an answer that XAPI does not understand ({bare})"),
    ):
        write(body)
        for host in ask(pool, plugins=[NAME]).succeeded()["hosts"]:
            (plugin,) = host["plugins"]
            assert (plugin["present"], plugin["version"]) == (True, None)
            assert plugin["error"].endswith(words)


def test_a_host_that_is_down_tells_nothing(pool: PoolUnderTest, write: Write) -> None:
    write(ECHO)
    pool.fault(kind="fail_call", method="host.call_plugin", error=["HOST_OFFLINE", "OpaqueRef:1"])
    states = sorted(str(host["plugins"][0]["present"]) for host in ask(pool, plugins=[NAME]).succeeded()["hosts"])
    assert states == ["None", "True"]


def test_one_call(pool: PoolUnderTest, write: Write) -> None:
    write(ECHO)
    given = {"text": " grüße <&> ", "number": 5, "flag": True, "nothing": None, "deep": {"list": [1, "x"]}}
    done = ask(pool, name=NAME, function="echo", arguments=given).succeeded()
    texts = {"text": " grüße <&> ", "number": "5", "flag": "true", "nothing": "", "deep": '{"list": [1, "x"]}'}
    assert (done["changed"], done["called"], done["result_json"]) == (True, True, texts)
    assert json.loads(done["result"]) == texts
    assert done["host"] == {"uuid": hosts(pool)[0]["uuid"], "name": hosts(pool)[0]["name_label"]}
    assert "hosts" not in done
    done = ask(pool, name=NAME, function="text", arguments={"text": "x"}, mutating=False, host=hosts(pool)[1]["uuid"]).succeeded()
    assert (done["changed"], done["result"], done["result_json"]) == (False, "no JSON <&> x", None)
    assert done["host"]["uuid"] == hosts(pool)[1]["uuid"]


def test_check_mode_calls_only_what_changes_nothing(pool: PoolUnderTest, write: Write) -> None:
    write(ECHO)
    done = ask(pool, check=True, name=NAME, function="echo").succeeded()
    assert (done["changed"], done["called"], done["result"]) == (True, False, None)
    done = ask(pool, check=True, name=NAME, function="echo", mutating=False).succeeded()
    assert (done["changed"], done["called"], done["result_json"]) == (False, True, {})


@pytest.mark.parametrize(
    ("function", "arguments", "words"),
    [
        ("fly", {}, "the plugin has no function fly. Check the name of the function, and the version of the plugin on the host."),
        ("fail", {"code": "XENAPI_PLUGIN_FAILURE,fail,ValueError", "said": "its own words"}, "the plugin failed in fail: its own words. See"),
        ("fail", {"code": "IMAGESTORE_SR", "said": "The SR is of the type lvm."}, "The SR is of the type lvm. Choose an SR that keeps files"),
        ("fail", {"code": "MY_CODE", "said": "one"}, "XAPI says MY_CODE [one]"),
        ("exit", {}, "the plugin ended with an error of its own (no such interpreter). See"),
        ("print", {}, "the plugin gives an answer that XAPI does not understand"),
    ],
)
def test_failures_are_sentences(pool: PoolUnderTest, write: Write, function: str, arguments: dict[str, str], words: str) -> None:
    write(ECHO)
    sentence = ask(pool, name=NAME, function=function, arguments=arguments).sentence()
    assert sentence.startswith(f"Cannot call plugin '{NAME}': {words}"), sentence


def test_what_cannot_be_called(pool: PoolUnderTest, write: Write) -> None:
    write(ECHO)
    assert ask(pool, name="none", function="echo").sentence() == (
        "Cannot call plugin 'none': the host has no plugin none. Install it with the role xen_dom0_plugins."
    )
    assert ask(pool, host="none").sentence() == "Cannot ask host 'none': the pool has none of this name or uuid. Check the name."
    # Ansible's own words.
    assert ask(pool, function="echo").values["msg"] == "parameters are required together: name, function"
    assert ask(pool, arguments={"a": "b"}).values["msg"] == "missing parameter(s) required by 'arguments': function"
    twice = ask(pool, name=NAME, function="echo", arguments={"a": "1"}, secret_arguments={"a": "another"}).sentence()
    assert "a is in arguments and in secret_arguments" in twice


def test_arguments_that_linux_would_not_pass_on_are_refused_before_the_call(pool: PoolUnderTest, write: Write) -> None:
    write(ECHO)
    # Quotes take six bytes each on the way.
    for text, fits in (("x" * 100_000, True), ("x" * 131_000, False), ('"' * 20_000, True), ('"' * 22_000, False)):
        done = ask(pool, name=NAME, function="echo", arguments={"text": text})
        if fits:
            assert done.succeeded()["result_json"] == {"text": text}
        else:
            assert "the arguments take 13" in done.sentence()
            assert done.values["error"]["code"] == "too_long"


def test_secrets_are_shown_nowhere(pool: PoolUnderTest, write: Write) -> None:
    """Not even where the plugin repeats them."""
    write(ECHO)
    secret = "a-token-of-the-test"
    options = {"name": NAME, "arguments": {"user": "reader", "code": "MY_CODE"}, "secret_arguments": {"said": secret, "params": {"deep": [secret + "-2"]}}}
    done = ask(pool, function="echo", **options)
    assert done.succeeded()["result_json"]["user"] == "reader"
    failed = ask(pool, function="fail", **options)
    assert "MY_CODE" in failed.sentence()
    for text in (done.output, failed.output):
        assert secret not in text
        assert pool.options()["password"] not in text

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What any pool makes of a plugin's output: the simulated one, or a real one by the variables of test_conformance.py.

On a real one, copy tests/support/dom0_probe to /etc/xapi.d/plugins of every host first, with the path of its Python in
the first line, and name it in XAPI_PROBE.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import XenAPI
from ansible_collections.xenstack.image_services.tests.support.xapi import error, start

PROBE = Path(__file__).resolve().parents[3] / "support/dom0_probe"
Call = Callable[..., str]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    """A call of the probe."""
    if "XAPI_URL" in os.environ:
        made = XenAPI.Session(os.environ["XAPI_URL"], ignore_ssl=True)
        made.xenapi.login_with_password(os.environ.get("XAPI_USER", "root"), os.environ["XAPI_PASSWORD"], "2.21", "conformance")
        yield caller(made.xenapi, os.environ["XAPI_PROBE"])
        made.xenapi.session.logout()
        made("close")()
        return
    state = tmp_path_factory.mktemp("conformance") / "state"
    server = start(state, "--no-tls")
    (state / "plugins").mkdir(exist_ok=True)
    (state / "plugins/probe").write_text(PROBE.read_text().replace("/usr/bin/env python", sys.executable, 1))
    shutil.copymode(PROBE, state / "plugins/probe")
    yield caller(server.login().xenapi, "probe")
    server.stop()


def caller(api: Any, name: str) -> Call:
    host = api.host.get_all()[0]
    return lambda function, plugin=name, **args: str(api.host.call_plugin(host, plugin, function, args))


def test_a_string_arrives_as_it_is(call: Call) -> None:
    for text in ("", "grüße <&> \"quoted\" 'too'", "two\nlines", "x" * 100_000):
        assert call("echo", text=text) == text
    # XAPI stops to read where the answer is complete, and drops a text that is blank.
    assert call("behind", text="before") == "before"
    assert call("echo", text=" \n ") == ""


def types(said: str) -> list[str]:
    return ["INTERNAL_ERROR", f'XMLRPC.RunTimeTypeError("{said}", _)']


def broken(*said: str) -> list[str]:
    return ["XENAPI_PLUGIN_FAILURE", *said]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("bare", types("unbox: Element=params should contain 'methodResponse'")),
        ("number", types("unbox: Element=int should contain 'string'")),
        ("object", types("unbox: Element=struct should contain 'string'")),
        ("list", types("unbox: Element=array should contain 'string'")),
        ("none", types("unbox: Element=nil should contain 'string'")),
        ("no status", types("Status")),
        ("no value", types("Status")),
        ("no words", types("Empty array of error strings")),
        ("text", types("unbox: Element=string should contain 'struct'")),
        ("words", broken("failed to parse plugin output", "hello\n", "expected root element line 1")),
        ("nothing", broken("failed to parse plugin output", "", "unexpected end of input line 1")),
        ("failure", ["MY_CODE", "one", ""]),
        ("fault", broken("fault", "7", "the reason")),
        ("exit", broken("non-zero exit", "", "")),
        ("signal", broken("signal: SIGKILL", "", "")),
    ],
)
def test_any_other_answer_is_told(call: Call, function: str, expected: list[str]) -> None:
    assert error(call, function) == expected


def test_an_answer_behind_or_before_other_text(call: Call) -> None:
    for function, line in (("noise", "expected root element line 1"), ("cut", "unexpected end of input line ")):
        code, kind, output, said = error(call, function)
        assert (code, kind) == ("XENAPI_PLUGIN_FAILURE", "failed to parse plugin output")
        assert "<methodResponse>" in output
        assert said.startswith(line)


def test_the_arguments_are_strings_that_fit_into_one_argument(call: Call) -> None:
    assert error(call, "echo", text=1) == ["INTERNAL_ERROR", "Failure(\"Expected string, got 'I(1)'\")"]
    assert error(call, "echo", text="x" * 200_000) == ["XENAPI_PLUGIN_FAILURE", "non-zero exit", "", ""]
    # Beyond 300 KiB the call does not reach the plugins at all.
    with pytest.raises(Exception, match="500"):
        call("echo", text="x" * 310_000)


@pytest.mark.parametrize("name", ["nope", "../probe", "a/b", "..", ""])
def test_a_plugin_is_a_name_in_its_directory(call: Call, name: str) -> None:
    assert error(call, "echo", plugin=name) == ["XENAPI_MISSING_PLUGIN", name]

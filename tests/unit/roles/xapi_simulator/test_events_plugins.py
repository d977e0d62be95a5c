# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""event.from and host.call_plugin."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.xenstack.image_services.tests.support.xapi import Server, error

PLUGIN = """#!{python}
import os, sys, xmlrpc.client
(session, args), function = xmlrpc.client.loads(sys.argv[1])
def answer(value):
    print(xmlrpc.client.dumps((value,), "", True))
if function == "echo":
    answer({{"Status": "Success", "Value": args["text"]}})
elif function == "environment":
    answer({{"Status": "Success", "Value": " ".join(sorted(set(os.environ) - {{"LC_CTYPE"}})) + " " + os.getcwd()}})
elif function == "sleep":
    import time; time.sleep(0.5); answer({{"Status": "Success", "Value": session}})
else:
    sys.exit(1)
"""


@pytest.fixture
def plugin(server: Server, api: Any) -> Callable[..., str]:
    path = server.state / "plugins" / "image"
    path.parent.mkdir(exist_ok=True)
    path.write_text(PLUGIN.format(python=sys.executable))
    path.chmod(0o755)
    host = api.host.get_all()[0]
    return lambda function, name="image", **args: api.host.call_plugin(host, name, function, args)


def test_a_plugin_is_run_as_on_a_host(plugin: Callable[..., str]) -> None:
    assert plugin("echo", text="grüße <&>") == "grüße <&>"
    assert plugin("environment") == "PATH /"
    assert len(plugin("echo", text="x" * 100_000)) == 100_000


def test_a_host_with_a_directory_of_its_own_has_the_plugins_in_it(server: Server, plugin: Callable[..., str], api: Any) -> None:
    first, second = api.host.get_all()
    own = server.state / "plugins" / api.host.get_uuid(second)
    own.mkdir()
    try:
        assert error(api.host.call_plugin, second, "image", "echo", {"text": "x"}) == ["XENAPI_MISSING_PLUGIN", "image"]
        assert plugin("echo", text="x") == "x"
        (server.state / "plugins" / "image").rename(own / "image")
        assert api.host.call_plugin(second, "image", "echo", {"text": "x"}) == "x"
        assert error(api.host.call_plugin, first, "image", "echo", {"text": "x"}) == ["XENAPI_MISSING_PLUGIN", "image"]
    finally:
        shutil.rmtree(own)


def test_other_calls_are_answered_while_a_plugin_runs(server: Server, plugin: Callable[..., str], session: Any) -> None:
    worker = threading.Thread(target=plugin, args=("sleep",))
    worker.start()
    time.sleep(0.1)
    started = time.monotonic()
    server.json("VDI.get_all", session.handle)
    assert time.monotonic() - started < 0.3
    worker.join()


def since(api: Any, token: str, *classes: str, timeout: float = 0.0) -> tuple[list[tuple[str, str, str]], str]:
    batch = api.event_from(list(classes), token, timeout)
    return [(event["class"], event["operation"], event["ref"]) for event in batch["events"]], batch["token"]


class Events:
    """The client of PyPI cannot say event.from, which is a keyword."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def event_from(self, *args: Any) -> Any:
        return getattr(self.session.xenapi.event, "from")(*args)


@pytest.fixture
def events(session: Any) -> Events:
    return Events(session)


def test_events_tell_what_changed_since_the_token(api: Any, events: Events, make_vdi: Callable[..., str]) -> None:
    kept = make_vdi()
    first, token = since(events, "", "vdi")
    assert ("vdi", "add", kept) in first
    assert since(events, token, "vdi")[0] == []
    gone, made = make_vdi(), make_vdi()
    api.VDI.destroy(gone)
    api.VDI.set_name_label(kept, "new")
    found, later = since(events, token, "VDI")
    assert found == [("vdi", "add", made), ("vdi", "mod", kept)]  # what came and went in between was never there
    api.VDI.destroy(made)
    assert ("vdi", "del", made) in since(events, later, "*")[0]
    assert since(events, later, f"vdi/{kept}", "nonsense")[0] == []


def test_an_event_carries_the_record(api: Any, events: Events, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi()
    batch = events.event_from([f"VDI/{vdi}"], "", 0.0)
    (event,) = batch["events"]
    assert event["snapshot"] == api.VDI.get_record(vdi)
    assert batch["valid_ref_counts"]["vdi"] == str(len(api.VDI.get_all()))


def test_waiting_ends_with_the_event_or_the_time(server: Server, session: Any, api: Any, events: Events, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi()
    token = since(events, "", "vdi")[1]
    started = time.monotonic()
    assert since(events, token, "vdi", timeout=0.3)[0] == []
    assert time.monotonic() - started >= 0.3
    timer = threading.Timer(0.3, server.json, ("VDI.set_name_label", session.handle, vdi, "later"))
    timer.start()
    assert since(events, token, "vdi", timeout=30.0)[0] == [("vdi", "mod", vdi)]
    timer.join()
    assert time.monotonic() - started < 10


def test_a_disk_is_changed_by_what_is_connected_to_it(api: Any, events: Events, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi()
    token = since(events, "", f"vdi/{vdi}")[1]
    given = {"VM": api.VM.get_by_name_label("Other install media")[0], "VDI": vdi, "userdevice": "autodetect", "bootable": True, "mode": "RW"}
    given |= {"type": "Disk", "empty": False, "other_config": {}, "qos_algorithm_type": "", "qos_algorithm_params": {}}
    vbd = api.VBD.create(given)
    assert since(events, token, f"vdi/{vdi}")[0] == [("vdi", "mod", vdi)]
    api.VBD.destroy(vbd)


@pytest.mark.parametrize(
    ("classes", "token", "expected"),
    [(["vdi"], "nonsense", ["EVENT_FROM_TOKEN_PARSE_FAILURE", "nonsense"]), (["a/b/c"], "", ["EVENT_SUBSCRIPTION_PARSE_FAILURE", "a/b/c"])],
)
def test_a_token_or_class_that_is_none_is_refused(events: Events, classes: list[str], token: str, expected: list[str]) -> None:
    assert error(events.event_from, classes, token, 0.0) == expected


def test_an_event_is_injected(api: Any, events: Events, make_vdi: Callable[..., str]) -> None:
    vdi = make_vdi()
    token = since(events, "", "vdi")[1]
    assert api.event.inject("VDI", vdi) > token
    assert since(events, token, "vdi")[0] == [("vdi", "mod", vdi)]
    assert error(api.event.inject, "VDI", "x") == ["HANDLE_INVALID", "VDI", "x"]

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses, fingerprints, values and failures, as an operator writes and reads them."""

from __future__ import annotations

import json
import xmlrpc.client

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.client import plain, sendable
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.failures import SENTENCES, XapiFailure, sentence, xapi_errors
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.tasks import result_text
from ansible_collections.xenstack.image_services.plugins.module_utils._xapi.tls import Address, parse_address, pins
from ansible_collections.xenstack.image_services.tests.support.xapi_facts import ERRORS


@pytest.mark.parametrize(
    ("given", "address", "url"),
    [
        ("xen1", ("https", "xen1", 443), "https://xen1"),
        (" https://xen1.example.org/ ", ("https", "xen1.example.org", 443), "https://xen1.example.org"),
        ("http://xen1", ("http", "xen1", 80), "http://xen1"),
        ("xen1:8443", ("https", "xen1", 8443), "https://xen1:8443"),
        ("HTTP://10.0.0.1:8080", ("http", "10.0.0.1", 8080), "http://10.0.0.1:8080"),
        ("2001:db8::1", ("https", "2001:db8::1", 443), "https://[2001:db8::1]"),
        ("[2001:db8::1]:8443", ("https", "2001:db8::1", 8443), "https://[2001:db8::1]:8443"),
    ],
)
def test_an_address_may_be_written_in_many_ways(given: str, address: tuple[str, str, int], url: str) -> None:
    found = parse_address(given)
    assert (found.scheme, found.host, found.port) == address
    assert found.url == url


@pytest.mark.parametrize("given", ["", "https://", "xen1/path", "user@xen1", "xen1:0", "xen1:65536", "xen1:x", "ftp://xen1", "xen 1", "[xen1]"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ImageServicesError, match="it is not the address of a host"):
        parse_address(given)


@pytest.mark.parametrize(("said", "url"), [("10.0.0.2", "http://10.0.0.2:8080"), ("10.0.0.2:81", "http://10.0.0.2:81"), ("fd00::2", "http://[fd00::2]:8080")])
def test_another_host_of_the_pool_is_reached_as_the_first_one(said: str, url: str) -> None:
    assert parse_address(said, near=Address("http", "xen1", 8080)).url == url


def test_fingerprints_are_compared_in_one_spelling() -> None:
    digits = "ab" * 32
    spellings = [digits.upper(), ":".join(["AB"] * 32), f"sha256:{digits}", f"SHA-256={digits}", " ".join(["ab"] * 32)]
    assert pins({"fingerprint": spellings}) == {digits}
    assert pins({}) == pins({"fingerprint": None}) == frozenset()


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_every_sentence_has_the_parameters_that_its_code_has(code: str) -> None:
    cause, advice = sentence(XapiFailure(code, ["zero", "one", "two", "three"]))
    assert code not in cause
    assert "{" not in cause + advice
    # A server that gives none of them is no reason to fail.
    assert sentence(XapiFailure(code, []))[0]


@pytest.mark.parametrize("code", sorted(set(SENTENCES) - {"UNKNOWN_XENAPI_PLUGIN_FUNCTION"}))
def test_every_code_is_one_that_xapi_has(code: str) -> None:
    known: dict[str, list[str] | None] = json.loads(ERRORS.read_text())
    assert code in known or code.startswith("SR_BACKEND_FAILURE_")
    if params := known.get(code):
        failure = XapiFailure(code, params)
        assert not sentence(failure)[0].startswith("XAPI says"), "it uses a parameter that the code has not"


@pytest.mark.parametrize(
    ("code", "params", "cause"),
    [
        ("SR_BACKEND_FAILURE_73", ["", "NFS mount error [opterr=x]", ""], "the storage driver reports NFS mount error [opterr=x] (SR_BACKEND_FAILURE_73)"),
        ("SR_BACKEND_FAILURE", ["", "", ""], "the storage driver reports an error without a text (SR_BACKEND_FAILURE)"),
        ("SOMETHING_NEW", ["a", "b\nc"], "XAPI says SOMETHING_NEW [a, b c]"),
        ("SOMETHING_NEW", [], "XAPI says SOMETHING_NEW"),
    ],
)
def test_a_code_without_words_is_named(code: str, params: list[str], cause: str) -> None:
    assert sentence(XapiFailure(code, params))[0] == cause


@pytest.mark.parametrize(
    ("code", "params", "cause", "advice"),
    [
        ("XENAPI_PLUGIN_FAILURE", ["download", "ValueError", "boom"], "the plugin failed in download: boom", "See the log"),
        ("XENAPI_PLUGIN_FAILURE", ["signal: SIGKILL", "", ""], "the plugin was ended by the signal SIGKILL", "See the log"),
        ("XENAPI_PLUGIN_FAILURE", ["non-zero exit", "", ""], "the plugin ended with an error of its own", "See the log"),
        ("XENAPI_PLUGIN_FAILURE", ["non-zero exit", "", "no\npython\n"], "the plugin ended with an error of its own (python)", "See the log"),
        ("XENAPI_PLUGIN_FAILURE", ["failed to parse plugin output", "hello", ""], "the plugin gives an answer that XAPI does not understand (hello)", "See"),
        (
            "INTERNAL_ERROR",
            ['XMLRPC.RunTimeTypeError("Status", _)'],
            'the plugin gives an answer that XAPI does not understand (XMLRPC.RunTimeTypeError("Status", _))',
            "See the log",
        ),
        ("INTERNAL_ERROR", ["Not_found"], "XAPI reports an internal error (Not_found)", "See the log"),
        ("XENAPI_MISSING_PLUGIN", ["imagestore"], "the host has no plugin imagestore", "Install it with the role xen_dom0_plugins"),
        ("UNKNOWN_XENAPI_PLUGIN_FUNCTION", ["fly"], "the plugin has no function fly", "Check the name of the function, and the version of the plugin"),
        ("IMAGESTORE_SOURCE", ["No source answered: refused."], "No source answered: refused", "See that the host reaches Glance"),
        ("IMAGESTORE_SR", [], "XAPI says IMAGESTORE_SR", "See the log"),
    ],
)
def test_what_plugins_fail_with(code: str, params: list[str], cause: str, advice: str) -> None:
    found = sentence(XapiFailure(code, params))
    assert found[0] == cause
    assert found[1].startswith(advice)


def test_a_failure_keeps_its_code_for_programs() -> None:
    with pytest.raises(ImageServicesError) as caught, xapi_errors("import", "image", "x"):
        raise XapiFailure("SR_FULL", [10, 5])
    assert str(caught.value) == "Cannot import image 'x': the SR has no room left (10 bytes asked, 5 at most). Free space in it, or choose another SR."
    assert caught.value.as_result()["error"] == {"code": "SR_FULL", "details": ["10", "5"], "request_id": None}


def test_numbers_travel_as_texts_and_times_come_back_as_such() -> None:
    assert sendable((1 << 40, True, {"size": 5, "deep": [6, 0.5]})) == (str(1 << 40), True, {"size": "5", "deep": ["6", 0.5]})
    assert plain({"at": [xmlrpc.client.DateTime("20260821T01:02:03Z")], "n": "1"}) == {"at": ["2026-08-21T01:02:03Z"], "n": "1"}


@pytest.mark.parametrize(
    ("given", "text"), [("<value>OpaqueRef:1</value>", "OpaqueRef:1"), ("<value/>", ""), ("", ""), ("<value>a &lt;b&gt; &amp;</value>", "a <b> &")]
)
def test_the_result_of_a_task_is_its_text(given: str, text: str) -> None:
    assert result_text(given) == text

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences, specs, waiting and queries."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._core.argspec import ArgumentSpec
from ansible_collections.xenstack.image_services.plugins.module_utils._core.errors import ImageServicesError, cannot
from ansible_collections.xenstack.image_services.plugins.module_utils._core.query import compile_query
from ansible_collections.xenstack.image_services.plugins.module_utils._core.sizes import parse_size
from ansible_collections.xenstack.image_services.plugins.module_utils._core.wait import Stalled, wait_while_moving
from ansible_collections.xenstack.image_services.tests.support.clocks import JumpingClock
from hypothesis import given
from hypothesis import strategies as st


def test_an_error_is_two_sentences_and_a_structure() -> None:
    error = cannot("upload", "image", "debian", "the store is full", "Free space in it", code=413, details={"store": "fast"}, request_id="req-1")
    assert error.as_result() == {
        "msg": "Cannot upload image 'debian': the store is full. Free space in it.",
        "error": {"code": 413, "details": {"store": "fast"}, "request_id": "req-1"},
    }
    assert str(cannot("a", "b", "c", "really?", "")) == "Cannot a b 'c': really?"


def test_specs_merge_without_changing_either() -> None:
    one = ArgumentSpec(options={"a": {"type": "str"}}, mutually_exclusive=[("a", "b")])
    two = ArgumentSpec(options={"b": {"type": "int"}}, required_one_of=[("a", "b")])
    merged = one.merge(two).module_kwargs()
    assert merged["argument_spec"] == {"a": {"type": "str"}, "b": {"type": "int"}}
    assert (merged["mutually_exclusive"], merged["required_one_of"]) == ([["a", "b"]], [["a", "b"]])
    merged["argument_spec"]["a"]["type"] = "changed"
    assert one.options["a"]["type"] == "str"
    with pytest.raises(ValueError, match="twice"):
        one.merge(one)


def test_waiting_goes_on_while_something_moves() -> None:
    clock = JumpingClock()
    states: Iterator[int] = iter(range(100))
    assert wait_while_moving(lambda: next(states), lambda state: state == 99, idle_timeout=1.0, clock=clock, interval=0.9) == 99
    assert clock.time > 80, "far longer than the idle timeout"


def test_waiting_ends_where_nothing_moves() -> None:
    clock = JumpingClock()
    with pytest.raises(Stalled, match="last state seen: saving"):
        wait_while_moving(lambda: "saving", lambda state: False, idle_timeout=30.0, clock=clock)
    assert 30 <= clock.time < 36


def test_a_query_shapes_and_a_bad_one_is_refused_at_once() -> None:
    assert compile_query(None)([{"a": 1}]) == [{"a": 1}]
    assert compile_query("[].a")([{"a": 1}]) == [1]
    with pytest.raises(ImageServicesError, match="Write a JMESPath expression"):
        compile_query("[?")
    with pytest.raises(ImageServicesError, match="Cannot use query"):
        compile_query("abs(@)")([])


@given(st.text(max_size=40))
def test_no_query_ends_in_a_traceback(expression: str) -> None:
    with contextlib.suppress(ImageServicesError):
        compile_query(expression)([{"name": "x", "size": 1}])


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("2147483648", 2**31), (" 2 GiB ", 2**31), ("512m", 2**29), ("1.5G", 3 * 2**29), ("1 p", 2**50), ("2GB", 2**31)]
    + [(text, None) for text in ("1.5", "-1", "", "G", "2 cubits", "1e3", "9" * 20)],
)
def test_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size

# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A paste file with one filter more: where it goes, that nothing else moves, and what is refused."""

from __future__ import annotations

import configparser

import pytest
from ansible_collections.xenstack.image_services.plugins.module_utils._instances.paste import Filter, NotDerivable, derive
from hypothesis import given
from hypothesis import strategies as st

ADDED = Filter("mine", "extension.filter:factory", "# Ours.")
SECTION = "\n# Ours.\n[filter:mine]\npaste.filter_factory = extension.filter:factory\n"
ROUTED = "[composite:glance-api-keystone]\npaste.composite_factory = glance.api:root_app_factory\n/: api\n/healthcheck: healthcheck\n\n"
CONTEXT = "[filter:context]\npaste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory\n"

# The bar is where it belongs.
PLACES = {
    "a pipeline of the flavor": "[pipeline:glance-api-keystone]\npipeline = cors context| rootapp\n",
    "behind a composite": ROUTED + "[pipeline:api]\npipeline: cors authtoken context| cache rootapp\n",
    "of Glance 33": ROUTED
    + ROUTED.replace("-keystone", "-keystone+caching")
    + "[composite:api]\npaste.composite_factory = glance.api:pipeline_factory\nkeystone+caching = context| rootapp\nkeystone = cors context| rootapp\n",
    "several lines": "[pipeline:glance-api-keystone]\npipeline =\n  cors\n  # context is next\n  context|\n\n  rootapp\n",
    "indented": "[pipeline:glance-api-keystone]\n  pipeline = cors\n    context| rootapp\n  other = context\n",
    "the last one of a name": "[pipeline:glance-api-keystone]\npipeline = context old\n[pipeline:glance-api-keystone]\npipeline = context| rootapp\n",
    "at the end": ROUTED + "[pipeline:api]\npipeline = cors context|",
    "of another name": CONTEXT.replace("filter:context", "filter:who") + "[pipeline:glance-api-keystone]\npipeline = cors who| rootapp\n",
    "the other flavors too": "[pipeline:glance-api]\npipeline = context| rootapp\n[pipeline:glance-api-keystone]\npipeline = auth context| rootapp\n",
    "a flavor that asks nobody stays": "[pipeline:glance-api]\npipeline = unauthenticated-context rootapp\n"
    "[pipeline:glance-api-keystone]\npipeline = auth context| rootapp\n",
    "one pipeline of two flavors": ROUTED + ROUTED.replace("-keystone", "-keystone+caching") + "[pipeline:api]\npipeline = context| rootapp\n",
}


@pytest.mark.parametrize("case", PLACES)
def test_it_comes_right_after_the_context(case: str) -> None:
    marked = PLACES[case]
    gap = "" if marked.endswith("\n") else "\n"
    assert derive(marked.replace("|", ""), "keystone", ADDED) == marked.replace("|", " mine") + gap + SECTION


def test_windows_line_ends_stay() -> None:
    text = "[pipeline:glance-api]\r\npipeline = context rootapp\r\n"
    assert derive(text, "", ADDED) == "[pipeline:glance-api]\r\npipeline = context mine rootapp\r\n" + SECTION.replace("\n", "\r\n")


REFUSED = {
    "an unknown flavor": (ROUTED + "[pipeline:api]\npipeline = context rootapp\n", "caching", "no pipeline for the flavor 'caching'"),
    "a composite without it": (
        "[composite:glance-api]\npaste.composite_factory = glance.api:pipeline_factory\nkeystone = context rootapp\n",
        "",
        "no pipeline 'default'",
    ),
    "no context": ("[pipeline:glance-api]\npipeline = authtoken rootapp\n", "", "has no filter 'context'"),
    "everybody an administrator": (
        "[pipeline:glance-api]\npipeline = context rootapp\n"
        "[filter:context]\npaste.filter_factory = glance.api.middleware.context:UnauthenticatedContextMiddleware.factory\n",
        "",
        "has no filter 'context'",
    ),
    "two contexts": ("[pipeline:glance-api]\npipeline = context context rootapp\n" + CONTEXT, "", "several filters that make the context"),
    "by hand": (
        "[pipeline:glance-api]\npipeline = context x rootapp\n[filter:x]\npaste.filter_factory=extension.filter:factory\n",
        "",
        "in the section [filter:x]",
    ),
    "its name": (
        "[pipeline:glance-api]\npipeline = context mine rootapp\n[filter:mine]\npaste.filter_factory = other:factory\n",
        "",
        "in the section [filter:mine]",
    ),
    "a circle": ("[composite:glance-api]\n/ = glance-api\n", "", "no pipeline for the flavor ''"),
    "another file": ("[composite:glance-api]\nuse = config:other.ini\n", "", "no pipeline for the flavor ''"),
    "nothing": ("", "keystone", "no pipeline for the flavor 'keystone'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_nobody_can_extend_is_refused(case: str) -> None:
    text, flavor, expected = REFUSED[case]
    with pytest.raises(NotDerivable) as refused:
        derive(text, flavor, ADDED)
    assert expected in str(refused.value)


def test_without_a_flavor_all_that_can_have_it_get_it_and_none_must() -> None:
    text = "[pipeline:glance-api]\npipeline = rootapp\n[pipeline:glance-api-keystone]\npipeline = context rootapp\n" + CONTEXT
    assert derive(text, None, ADDED) == derive(text, "keystone", ADDED)
    assert "mine" not in derive("[pipeline:glance-api]\npipeline = rootapp\n", None, ADDED).split("[filter:mine]")[0]


NAMES = st.text("abcdefghijklmnopqrstuvwxyz-_", min_size=1, max_size=8).filter(lambda name: name not in ("context", "mine"))
NOISE = st.lists(
    st.sampled_from(["", "# a comment", "; context = rootapp", "[filter:cache]", "[app:api]", "paste.x = context", "  indented further"]), max_size=6
)


@given(
    st.lists(NAMES, max_size=4), st.lists(NAMES, min_size=1, max_size=4), NOISE, NOISE, st.sampled_from([" ", "\n  ", "\t"]), st.sampled_from(["\n", "\r\n"])
)
def test_configparser_sees_one_filter_more_and_nothing_else(
    before: list[str], after: list[str], above: list[str], below: list[str], gap: str, ending: str
) -> None:
    pipeline = gap.join([*before, "context", *after])
    lines = ["[filter:noise]", *above, "[pipeline:glance-api-keystone]", f"pipeline = {pipeline}", *below]
    text = "\n".join(lines).replace("\n", ending) + ending
    derived = derive(text, "keystone", ADDED)
    # What is taken out again is what was there.
    assert derived.replace("context mine", "context", 1)[: len(text)] == text
    found, expected = read(derived), read(text)
    assert found.pop("filter:mine") == {"paste.filter_factory": "extension.filter:factory"}
    words = expected["pipeline:glance-api-keystone"]["pipeline"].split()
    words.insert(words.index("context") + 1, "mine")
    assert found["pipeline:glance-api-keystone"]["pipeline"].split() == words
    for sections in (found, expected):
        del sections["pipeline:glance-api-keystone"]["pipeline"]
    assert found == expected


def read(text: str) -> dict[str, dict[str, str]]:
    """As paste.deploy reads it."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}

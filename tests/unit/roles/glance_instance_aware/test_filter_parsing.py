# SPDX-FileCopyrightText: 2026 xenstack.image_services contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filter reads out of headers, bodies and queries, and what it refuses with which reason; whatever comes, it never fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from fake_glance import ADMIN, ALPHA, OLD_PATCH, PATCH, A, Aware, B, ask, environ_of, make_table
from glance_instance_aware import relation_request, rewrite
from glance_instance_aware.filter import IMAGES, method_of
from glance_instance_aware.installations import installation_of, parse
from glance_instance_aware.relation_request import Malformed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SERVER = "c0ffee00-0000-4000-8000-000000000001"
IMAGE = "12345678-0000-4000-8000-000000000001"
# The same examples each time.
SETTLED = settings(derandomize=True, deadline=None, database=None, max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def aware(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aware]:
    made = Aware(make_table(tmp_path_factory.mktemp("parsing")), max_instance_ids=5, installations=parse([f"project:mapped={A}"]))
    yield made
    made.close()


@pytest.fixture
def refused(aware: Aware) -> Callable[..., str]:
    """That a request is refused with 400 before anything happens; returns the reason."""

    def check(method: str, path: str, body: Any = None, content_type: str = "", **headers: str) -> str:
        asked, rows = len(aware.glance.asked), aware.rows()
        answer = aware.ask(ALPHA, method, path, body, content_type, **headers)
        assert answer.code == 400
        assert len(aware.glance.asked) == asked
        assert aware.rows() == rows
        return answer.text

    return check


BAD_INSTALLATIONS = [
    "",
    "x",
    A[:-1],
    A + "0",
    A.replace("a", "g"),
    "{" + A + "}",
    "urn:uuid:" + A,
    f"{A},{B}",
    f"{A} {B}",
    "' OR 1=1 --",
    "*",
    A + "\n",
    "Ａ" * 32,
]
BAD_INSTANCES = [
    "",
    "-1",
    "+1",
    "01",
    "1.0",
    "1e3",
    "0x1",
    "1" * 20,
    "1,2",
    "1 2",
    "١٢٣",
    "'; DROP TABLE images; --",
    "in:1",
    SERVER[:-1],
    "1\n",
    "null",
    "%31",
    "1\x00",
]


@pytest.mark.parametrize("value", [*BAD_INSTALLATIONS, None, 5, True, 1.5, [A], {"a": A}])
def test_that_a_malformed_installation_is_refused(refused: Callable[..., str], value: Any) -> None:
    said = [refused("POST", "/v2/images", {"nova_installation_uuid": value, "instance_id": "1"})]
    said.append(refused("PATCH", f"/v2/images/{IMAGE}", [{"op": "add", "path": "/nova_installation_uuid", "value": value}], PATCH))
    said.append(refused("PATCH", f"/v2/images/{IMAGE}", [{"add": "/nova_installation_uuid", "value": value}], OLD_PATCH))
    if isinstance(value, str):
        said.append(refused("GET", "/v2/images?" + urlencode({"nova_installation_uuid": value, "instance_id": "1"})))
    assert all("is not a UUID" in each for each in said)


@pytest.mark.parametrize("value", [*BAD_INSTANCES, None, -5, True, 1.0, 10**19, 10**4000, [1], {"a": 1}])
def test_that_a_malformed_instance_is_refused(refused: Callable[..., str], value: Any) -> None:
    said = [refused("POST", "/v2/images", {"nova_installation_uuid": A, "instance_id": value})]
    said.append(refused("PATCH", f"/v2/images/{IMAGE}", [{"op": "replace", "path": "/instance_id", "value": value}], PATCH))
    if isinstance(value, str) and value not in ("in:1", "1,2"):
        said.append(refused("GET", "/v2/images?" + urlencode({"nova_installation_uuid": A, "instance_id": value})))
        said.append(refused("GET", "/v2/images?" + urlencode({"nova_installation_uuid": A, "instance_id": "in:5," + value})))
    if isinstance(value, str) and "1,2" not in value:
        assert all("neither a decimal number" in each for each in said)


@pytest.mark.parametrize("value", [each for each in BAD_INSTANCES if each != "1\n" and each.isascii()])
def test_that_a_malformed_header_is_refused(refused: Callable[..., str], value: str) -> None:
    for method, path in (("POST", "/v2/images"), ("PATCH", f"/v2/images/{IMAGE}")):
        said = refused(method, path, b"[]", "", HTTP_X_NOVA_INSTALLATION_UUID=A, HTTP_X_INSTANCE_ID=value)
        assert "Header X-Instance-ID" in said


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("POST", "/v2/images", {"instance_id": "1"}, "instance_id is given without nova_installation_uuid"),
        ("POST", "/v2/images", {"nova_installation_uuid": A}, "nova_installation_uuid is given without instance_id"),
        ("POST", "/v2/images", {"nova_installation_uuid": A, "instance_uuid": SERVER}, "without instance_id"),
        ("POST", "/v2/images", b'{"instance_id": "1", "nova_installation_uuid": "%s", "instance_id": "1"}' % A.encode(), "'instance_id' more than once"),
        ("POST", "/v2/images", b'{"nova_installation_uuid": 1, "nova_installation_uuid": 1}', "'nova_installation_uuid' more than once"),
        ("PATCH", f"/v2/images/{IMAGE}", b'[{"op": "add", "path": "/name", "path": "/instance_id", "value": "1"}]', "'path' more than once"),
        ("PATCH", f"/v2/images/{IMAGE}", b'[{"op": "add", "path": "/instance_id", "value": "1", "value": "2"}]', "'value' more than once"),
        ("PATCH", f"/v2/images/{IMAGE}", [{"op": "add", "path": "/instance_id"}], "neither a decimal number"),
        (
            "PATCH",
            f"/v2/images/{IMAGE}",
            [{"op": "remove", "path": "/instance_id"}, {"op": "add", "path": "/nova_installation_uuid", "value": A}],
            "both removes and sets the relation",
        ),
        ("GET", f"/v2/images?nova_installation_uuid={A}", None, "without instance_id"),
        ("GET", "/v2/images?instance_id=1", None, "without nova_installation_uuid"),
        ("GET", f"/v2/images?nova_installation_uuid={A}&instance_id=1&instance_id=1", None, "'instance_id' more than once"),
        ("GET", f"/v2/images?nova_installation_uuid={A}&instance_id=1&nova_installation_uuid={A}", None, "'nova_installation_uuid' more than once"),
        ("GET", f"/v2/images?nova_installation_uuid={A}&instance_id=1;instance%5fid=1", None, "'instance_id' more than once"),
        ("GET", f"/v2/images?nova_installation_uuid={A}&instance_id=in:", None, "neither a decimal number"),
        ("GET", f"/v2/images?nova_installation_uuid={A}&instance_id=in:1,2,3,4,5,6", None, "6 instance ids, and at most 5 are allowed"),
        ("GET", f"/v2/images?nova_installation_uuid={A}&instance_id=neq:1", None, "neither a decimal number"),
        ("GET", f"/v2/images?nova_installation_uuid={A}&instance_id=1&id=gt:x", None, "The filter of id"),
        ("GET", f"/v2/images?nova_installation_uuid={A}&instance_id=1&id=in:%22a", None, "The filter of id"),
        ("GET", "/v2/images?include_relation=yes", None, "neither true nor false"),
        ("GET", "/v2/images?include_relation=true&include_relation=true", None, "'include_relation' more than once"),
        ("GET", f"/v2/images/{IMAGE}?include_relation=", None, "neither true nor false"),
    ],
)
def test_that_what_cannot_be_meant_is_refused_with_the_reason(refused: Callable[..., str], method: str, path: str, body: Any, reason: str) -> None:
    assert reason in refused(method, path, body)


@pytest.mark.parametrize(("header", "value"), [("HTTP_X_INSTANCE_ID", "2"), ("HTTP_X_NOVA_INSTALLATION_UUID", B)])
def test_that_forms_that_contradict_each_other_are_refused(refused: Callable[..., str], header: str, value: str) -> None:
    pair = {"nova_installation_uuid": A, "instance_id": "1"}
    changes = [{"op": "add", "path": f"/{name}", "value": each} for name, each in pair.items()]
    assert "contradict each other" in refused("POST", "/v2/images", pair, "", **{header: value})
    assert "contradict each other" in refused("PATCH", f"/v2/images/{IMAGE}", changes, "", **{header: value})
    remove = [{"op": "remove", "path": "/instance_id"}]
    assert "both removes and sets" in refused("PATCH", f"/v2/images/{IMAGE}", remove, "", **{header: value})


def test_that_forms_that_agree_are_one(aware: Aware) -> None:
    pair = {"nova_installation_uuid": A.upper(), "instance_id": 1}
    answer = aware.ask(ALPHA, "POST", "/v2/images", pair, HTTP_X_NOVA_INSTALLATION_UUID=A, HTTP_X_INSTANCE_ID="1")
    assert aware.rows()[answer.json["id"]][:2] == (A, "1")


def test_that_a_repeated_header_is_refused(refused: Callable[..., str]) -> None:
    for joined in ("1,1", "1, 1", f"{A},{A}"):
        said = refused("POST", "/v2/images", {}, "", HTTP_X_NOVA_INSTALLATION_UUID=A, HTTP_X_INSTANCE_ID=joined)
        assert "Set it once" in said


def test_that_a_long_value_is_said_in_short(refused: Callable[..., str]) -> None:
    said = refused("POST", "/v2/images", {"nova_installation_uuid": "<script>" + "x" * 100000, "instance_id": "1"})
    assert len(said) < 500


# Free input

INTERESTING = [
    "instance_id",
    "nova_installation_uuid",
    "instance_uuid",
    "include_relation",
    "id",
    "owner",
    A,
    SERVER,
    "1",
    "in:1,2",
    "true",
    "op",
    "path",
    "value",
]
words = st.sampled_from(INTERESTING) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | words
documents = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=5), max_leaves=12)
pointers = st.builds(lambda parts: "/" + "/".join(parts), st.lists(words, min_size=1, max_size=2)) | words
changes = st.fixed_dictionaries(
    {}, optional={"op": st.sampled_from(["add", "replace", "remove", "move"]), "path": pointers, "value": scalars, "add": pointers, "remove": pointers}
)
bodies = (
    st.binary(max_size=60)
    | documents.map(lambda each: json.dumps(each).encode())
    | st.lists(changes | documents, max_size=4).map(lambda each: json.dumps(each).encode())
    | st.dictionaries(words, scalars, max_size=5).map(lambda each: json.dumps(each).encode())
)
latin = st.text(st.characters(max_codepoint=255), max_size=12)
queries = (
    latin
    | st.lists(st.tuples(words, words), max_size=5).map(lambda pairs: "&".join(f"{quote(name, safe='')}={quote(value, safe=',:')}" for name, value in pairs))
    | st.lists(st.sampled_from([*INTERESTING, "%", "%5f", "&", ";", "=", "+", "%ff", "é".encode().decode("latin-1")]), max_size=12).map("".join)
)


@SETTLED
@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE", "PUT", ""]),
    path=st.sampled_from(["/v2/images", f"/v2/images/{IMAGE}", "/v2/images/x", "//v2/images/", "/v2/info/instance-aware"]) | latin,
    query=queries,
    body=bodies,
    content_type=st.sampled_from([PATCH, OLD_PATCH, PATCH + "; charset=x", "application/json", ""]),
    headers=st.dictionaries(st.sampled_from(["HTTP_X_INSTANCE_ID", "HTTP_X_NOVA_INSTALLATION_UUID"]), words | latin, max_size=2),
    admin=st.booleans(),
)
def test_that_whatever_comes_has_an_answer(
    aware: Aware, method: str, path: str, query: str, body: bytes, content_type: str, headers: dict[str, str], admin: bool
) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b'{"id": "%s", "owner": "alpha"}' % IMAGE.encode()]

    environ = environ_of(ADMIN if admin else ALPHA, method, "", body, content_type, **headers)
    environ.update({"PATH_INFO": path, "QUERY_STRING": query})
    real, aware.filter.application = aware.filter.application, application
    aware.filter.reading.application = aware.filter.changing.application = application  # type: ignore[assignment]
    try:
        assert ask(aware.filter, environ).code in (200, 400, 403)
    finally:
        aware.filter.application = aware.filter.reading.application = aware.filter.changing.application = real
    assert {row[3] for row in aware.rows().values()} <= {"active", "pending"}


@SETTLED
@given(st.uuids(), st.booleans(), st.booleans())
def test_that_uuids_have_one_form(value: Any, upper: bool, dashes: bool) -> None:
    text = str(value) if dashes else value.hex
    assert relation_request.installation_uuid(text.upper() if upper else text) == relation_request.instance_id(text) == str(value)


@SETTLED
@given(st.integers(min_value=-(10**20), max_value=10**20))
def test_that_numbers_are_what_they_are(number: int) -> None:
    for given_as in (number, str(number)):
        if 0 <= number < 10**19:
            assert relation_request.instance_id(given_as) == str(number)
        else:
            with pytest.raises(Malformed):
                relation_request.instance_id(given_as)


@SETTLED
@given(st.text(max_size=40))
def test_that_nothing_else_is_an_instance(text: str) -> None:
    reason, found = "", ""
    try:
        found = relation_request.instance_id(text)
    except Malformed as exc:
        reason = str(exc)
    assert set(found) <= set("0123456789abcdef-")
    # What is said of it has no control characters, and nothing that looks like another letter.
    assert reason.isprintable()
    assert reason.replace("…", "").isascii()


@SETTLED
@given(st.lists(st.tuples(words, words), max_size=6))
def test_that_glances_part_of_a_query_stays(pairs: list[tuple[str, str]]) -> None:
    rest = [(name, value) for name, value in pairs if name not in (*rewrite.PARAMETERS, "id")]
    listing = rewrite.parse_index(urlencode([*rest, ("instance_id", "5"), ("nova_installation_uuid", A)]), 5)
    assert listing is not None
    given_on = parse_qsl(rewrite.for_glance(listing, [IMAGE]), keep_blank_values=True)
    assert given_on == [*rest, ("id", f"in:{IMAGE}")]
    # And comes back in links as Glance would have written it.
    document: dict[str, Any] = {"next": f"/v2/images?id=in%3A{IMAGE}&marker={IMAGE}", "first": "/v2/images?id=x"}
    rewrite.links(document, listing)
    own = dict(rewrite.pairs_of(urlencode([*rest, ("instance_id", "5"), ("nova_installation_uuid", A)])))
    own.pop("marker", None)
    assert document == {"first": f"/v2/images?{urlencode(own)}", "next": f"/v2/images?{urlencode({**own, 'marker': IMAGE})}"}


@SETTLED
@given(queries)
def test_that_the_cheap_test_misses_nothing(query: str) -> None:
    """Whatever names a parameter of ours by Glance's own reading is found."""
    try:
        names = {name for name, _value in rewrite.pairs_of(query)}
    except ValueError:
        return
    if names & set(rewrite.PARAMETERS):
        assert rewrite.MAYBE.search(query)


@SETTLED
@given(documents)
def test_that_other_properties_survive(document: Any) -> None:
    rest = {"x": document, "é": "\ud800"}
    body = json.dumps({**rest, "instance_id": "1"}).encode()
    loaded = relation_request.load(body)
    kept = relation_request.load(relation_request.create_body(loaded, relation_request.NAMES, IMAGE))
    assert json.dumps(kept) == json.dumps({**json.loads(json.dumps(rest)), "id": IMAGE})


def test_that_paths_are_read_as_glance_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own router, below the map of its versions."""
    from glance.api.v2.router import API
    from glance.common.wsgi import APIMapper
    from paste.urlmap import URLMap

    monkeypatch.setattr("glance.api.v2.images.load_custom_properties", dict)
    mapper = APIMapper()
    API(mapper)
    paths = [
        f"/v2{one}images{two}{rest}{end}"
        for one in ("/", "//")
        for two in ("", "/", "//")
        for rest in ("", "x", "x/y", "x.json", IMAGE)
        for end in ("", "/", "\n", "/\n")
    ]
    seen = []
    for path in paths:
        below = URLMap().normalize_url(path, False)[1][len("/v2") :]
        found = mapper.match(below, environ={"REQUEST_METHOD": "GET"}) or {}
        ours = IMAGES.match(path)
        expected = {"index": (None,), "show": (found.get("image_id"),)}.get(found.get("action"))
        assert (ours.groups() if ours else None) == expected, repr(path)
        seen.append(expected)
    assert len(set(seen)) > 3


def test_that_methods_are_read_as_glance_reads_them() -> None:
    for query, method in (
        ("", "POST"),
        ("_method=patch", "PATCH"),
        ("_method=", "POST"),
        ("a=_method", "POST"),
        ("_method=%ff", "POST"),
        ("_method=a&_method=get", "GET"),
    ):
        assert method_of({"REQUEST_METHOD": "POST", "QUERY_STRING": query}) == method


# Installations of callers

OTHER = "bbbbbbbb-0000-4000-8000-00000000000b"


@pytest.mark.parametrize(
    ("rule", "environ", "fits"),
    [
        ("*", {}, True),
        ("user:u1", {"HTTP_X_USER_ID": "u1"}, True),
        ("user:nova", {"HTTP_X_USER_NAME": "nova"}, True),
        ("user:nova", {"HTTP_X_USER_NAME": "Nova"}, False),
        ("user:nova", {}, False),
        ("project:p1", {"HTTP_X_PROJECT_ID": "p1"}, True),
        ("domain:default", {"HTTP_X_PROJECT_DOMAIN_ID": "default"}, True),
        ("domain:Default", {"HTTP_X_USER_DOMAIN_NAME": "Default"}, True),
        ("service_user:nova", {"HTTP_X_SERVICE_USER_NAME": "nova", "HTTP_X_SERVICE_IDENTITY_STATUS": "Confirmed"}, True),
        ("service_user:nova", {"HTTP_X_SERVICE_USER_NAME": "nova"}, False),
        ("address:192.0.2.0/24", {"REMOTE_ADDR": "192.0.2.7"}, True),
        ("address:192.0.2.7", {"REMOTE_ADDR": "192.0.2.7"}, True),
        ("address:192.0.2.0/24", {"REMOTE_ADDR": "::ffff:192.0.2.7"}, True),
        ("address:2001:db8::/32", {"REMOTE_ADDR": "2001:db8::1"}, True),
        ("address:192.0.2.0/24", {"REMOTE_ADDR": "198.51.100.1"}, False),
        ("address:192.0.2.0/24", {"REMOTE_ADDR": "2001:db8::1"}, False),
        ("address:192.0.2.0/24", {"REMOTE_ADDR": "unix:"}, False),
        ("address:192.0.2.0/24", {}, False),
    ],
)
def test_which_callers_a_rule_fits(rule: str, environ: dict[str, str], fits: bool) -> None:
    assert installation_of(environ, parse([f"{rule}={A.upper()}"])) == (A if fits else None)


def test_that_the_first_rule_that_fits_counts() -> None:
    rules = parse([f"project:p1={A}, *={OTHER}", ""])
    assert installation_of({"HTTP_X_PROJECT_ID": "p1"}, rules) == A
    assert installation_of({}, rules) == OTHER


@pytest.mark.parametrize("entry", ["x", "user=" + A, "user:=" + A, "host:a=" + A, "*:x=" + A, "user:a=b", "user:a", f"={A}", "address:nowhere=" + A])
def test_that_a_rule_that_cannot_be_meant_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="Cannot use the installation") as raised:
        parse([entry])
    assert entry in str(raised.value)


def test_that_the_table_is_untouched_by_injections(tmp_path: Path) -> None:
    aware = Aware(make_table(tmp_path))
    try:
        identifier = aware.create()
        hostile = "x'); DROP TABLE instance_aware_images; --"
        for query in (f"id={quote(hostile)}", f"name={quote(hostile)}", f"id=in:{quote(hostile)}"):
            assert aware.related(rest="&" + query) in ([], [identifier])
        assert aware.ask(ADMIN, "POST", "/v2/images", {"owner": hostile, "nova_installation_uuid": A, "instance_id": "5"}).code == 201
        assert sorted(row[2] for row in aware.rows().values()) == ["alpha", hostile]
    finally:
        aware.close()

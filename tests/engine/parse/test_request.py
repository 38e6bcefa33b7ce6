"""One HTTP request as what it asks for: routing, schema, method, ranges, and the order of checks.

Source: PostgREST 14, reference 0.3 to 0.5, 4.1 and 8.2.
"""

from dataclasses import replace

import pytest

from proxy.config import EngineConfig
from proxy.engine.parse.media import ANY, JSON, MediaType
from proxy.engine.parse.preferences import Preferences
from proxy.engine.parse.query import parse_query
from proxy.engine.parse.range import ALL_ROWS, NO_ROWS, RowRange
from proxy.engine.parse.request import ApiRequest, parse_request
from proxy.errors import ApiError
from proxy.messages import Headers, Request

MANY = EngineConfig(db_schemas=("dlm", "zoo", "other"), db_anon_role="dlm_anon")
ONE = EngineConfig(db_schemas=("dlm",), db_anon_role="dlm_anon")
EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNKNOWN_METHODS = ("TRACE", "CONNECT", "FOO", "get", "LINK", "")


def parse(
    target: bytes,
    method: str = "GET",
    headers: Headers = (),
    *,
    options: EngineConfig = MANY,
) -> ApiRequest:
    return parse_request(Request(method, target, headers, b"{}"), options)


def refusal(
    target: bytes, method: str = "GET", headers: Headers = (), *, options: EngineConfig = MANY
) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse(target, method, headers, options=options)
    return caught.value


# The whole


def test_a_plain_read() -> None:
    wanted = parse(b"/items?id=eq.1")
    assert (wanted.method, wanted.action, wanted.resource, wanted.name) == (
        "GET",
        "read",
        "relation",
        "items",
    )
    assert (wanted.schema, wanted.profile) == ("dlm", True)
    assert wanted.parameters == parse_query(b"id=eq.1")
    assert (wanted.rows, wanted.preferences) == (ALL_ROWS, Preferences())
    assert (wanted.accept, wanted.content_type) == ((ANY,), JSON)


def test_headers_are_found_in_any_case() -> None:
    wanted = parse(
        b"/items",
        headers=(
            (b"PREFER", b"count=exact"),
            (b"accept", b"text/csv"),
            (b"Content-Type", b"text/csv;x=y"),
            (b"prefer", b"tx=commit"),
        ),
    )
    csv = MediaType("csv", "text/csv")
    assert (wanted.accept, wanted.content_type) == ((csv,), csv)
    assert wanted.preferences == Preferences(count="exact", transaction="commit")


def test_of_several_headers_that_are_no_lists_the_first_counts() -> None:
    headers = ((b"accept", b"text/csv"), (b"accept", b"text/xml"), (b"range", b"1-"), (b"range", b"2-"))
    wanted = parse(b"/items", headers=headers)
    assert [media.name for media in wanted.accept] == ["text/csv"]
    assert wanted.rows == RowRange(1)


def test_head_is_told_apart_from_get() -> None:
    assert parse(b"/items", "HEAD").head
    assert not parse(b"/items").head


# Routing


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (b"/items", "items"),
        (b"/Items", "Items"),
        (b"/a%20b", "a b"),
        (b"/a+b", "a+b"),
        (b"/a%2Fb", "a/b"),
        (b"/a%2fb", "a/b"),
        (b"/%22a%22", '"a"'),
        (b"/caf%C3%A9", "café"),
        ("/café".encode(), "café"),
        (b"/rpc", "rpc"),
        (b"/100%", "100%"),
        (b"/a;b", "a;b"),
        (b"/.", "."),
        (b"/..", ".."),
        (b"/%2525", "%25"),
        (b"/a%3Fb", "a?b"),
        (b"/a#b", "a#b"),
    ],
)
def test_one_segment_is_a_relation_taken_literally_after_decoding(target: bytes, name: str) -> None:
    wanted = parse(target)
    assert (wanted.resource, wanted.action, wanted.name) == ("relation", "read", name)


@pytest.mark.parametrize(
    ("target", "name"),
    [(b"/rpc/f", "f"), (b"/rpc/", ""), (b"/rpc/a%20b", "a b"), (b"/rpc/a%2Fb", "a/b"), (b"/%72pc/f", "f")],
)
def test_two_segments_that_begin_with_rpc_are_a_function(target: bytes, name: str) -> None:
    wanted = parse(target)
    assert (wanted.resource, wanted.action, wanted.name) == ("function", "read", name)


@pytest.mark.parametrize("target", [b"/", b"", b"/?a=eq.1"])
def test_no_segment_is_the_root(target: bytes) -> None:
    wanted = parse(target)
    assert (wanted.resource, wanted.action, wanted.name) == ("root", "read", None)


@pytest.mark.parametrize(
    "target",
    [
        b"/items/",
        b"/items/1",
        b"//",
        b"//items",
        b"/RPC/f",
        b"/rpc/f/",
        b"/rpc/f/g",
        b"/a/b/c",
        b"/rpc%2Ff/x",
    ],
)
@pytest.mark.parametrize("method", [*EVERY_METHOD, *UNKNOWN_METHODS])
def test_anything_else_is_an_invalid_path(target: bytes, method: str) -> None:
    error = refusal(target, method)
    assert (error.status, error.code) == (404, "PGRST125")
    assert (error.message, error.details, error.hint) == ("Invalid path specified in request URL", None, None)


@pytest.mark.parametrize(
    ("target", "resource", "name"),
    [
        (b"http://api.example/items?id=eq.1", "relation", "items"),
        (b"http://api.example:3000/rpc/f?id=eq.1", "function", "f"),
        (b"https://api.example/?id=eq.1", "root", None),
        (b"http://api.example?id=eq.1", "root", None),
        (b"http://api.example?id=eq.1&x=like.http://y/z", "root", None),
    ],
)
def test_a_target_in_absolute_form_is_its_path_and_query(
    target: bytes, resource: str, name: str | None
) -> None:
    wanted = parse(target)
    assert (wanted.resource, wanted.name) == (resource, name)
    assert "id" in wanted.parameters.filter_names


def test_a_url_inside_a_query_does_not_make_a_target_absolute() -> None:
    assert parse(b"/items?link=eq.http://other.example/things").name == "items"


@pytest.mark.parametrize("options", [MANY, replace(MANY, db_root_spec="dlm.root")])
@pytest.mark.parametrize("method", [*EVERY_METHOD, *UNKNOWN_METHODS])
def test_a_disabled_root_is_not_found_whatever_is_asked_of_it(options: EngineConfig, method: str) -> None:
    error = refusal(b"/", method, options=replace(options, openapi_mode="disabled"))
    assert (error.status, error.code) == (404, "PGRST126")
    assert (error.message, error.details, error.hint) == ("Root endpoint metadata is disabled", None, None)


@pytest.mark.parametrize("spec", ["root_document", "other.root_document"])
def test_a_root_function_takes_the_place_of_the_root_in_the_requested_schema(spec: str) -> None:
    options = replace(MANY, db_root_spec=spec)
    wanted = parse(b"/", headers=((b"Accept-Profile", b"zoo"),), options=options)
    assert (wanted.resource, wanted.name, wanted.schema) == ("function", "root_document", "zoo")
    assert parse(b"/?a=5", options=options).parameters.arguments == (("a", "5"),)
    assert parse(b"/items", options=options).resource == "relation"
    assert refusal(b"/", "PATCH", options=options).code == "PGRST101"


# Schemas, reference 8.2


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_without_a_profile_the_first_schema_is_meant(method: str) -> None:
    assert parse(b"/items", method).schema == "dlm"


def test_an_answer_names_its_schema_if_there_are_several_or_one_was_asked_for() -> None:
    assert parse(b"/items").profile
    assert not parse(b"/items", options=ONE).profile
    assert parse(b"/items", headers=((b"Accept-Profile", b"dlm"),), options=ONE).profile


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_reads_look_at_one_header_and_writes_at_the_other(method: str) -> None:
    writes = method in ("POST", "PUT", "PATCH", "DELETE")
    accept, content = (b"Accept-Profile", b"zoo"), (b"Content-Profile", b"other")
    assert parse(b"/items", method, (accept, content)).schema == ("other" if writes else "zoo")
    ignored = (b"Accept-Profile" if writes else b"Content-Profile", b"nonsense")
    assert parse(b"/items", method, (ignored,)).schema == "dlm"


def test_posting_to_a_function_looks_at_the_header_of_writes() -> None:
    headers = ((b"Accept-Profile", b"nonsense"), (b"Content-Profile", b"zoo"))
    assert parse(b"/rpc/f", "POST", headers).schema == "zoo"
    assert refusal(b"/rpc/f", "GET", headers).code == "PGRST106"


@pytest.mark.parametrize("profile", [b"dlm_private", b"DLM", b"", b"dlm,zoo", b'"dlm"', "é".encode()])
def test_a_schema_that_is_not_exposed_is_refused(profile: bytes) -> None:
    error = refusal(b"/items", headers=((b"Accept-Profile", profile),))
    assert (error.status, error.code, error.details) == (406, "PGRST106", None)
    assert error.message == f"Invalid schema: {profile.decode()}"
    assert error.hint == "Only the following schemas are exposed: dlm, zoo, other"


def test_the_first_header_of_a_name_counts() -> None:
    headers = ((b"accept-profile", b"zoo"), (b"Accept-Profile", b"nonsense"))
    assert parse(b"/items", headers=headers).schema == "zoo"


# Methods, reference 0.5


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("GET", "read"),
        ("HEAD", "read"),
        ("POST", "create"),
        ("PUT", "upsert"),
        ("PATCH", "update"),
        ("DELETE", "delete"),
        ("OPTIONS", "info"),
    ],
)
def test_methods_of_a_relation(method: str, action: str) -> None:
    assert parse(b"/items", method).action == action


@pytest.mark.parametrize(
    ("method", "action"), [("GET", "read"), ("HEAD", "read"), ("POST", "call"), ("OPTIONS", "info")]
)
def test_methods_of_a_function(method: str, action: str) -> None:
    assert parse(b"/rpc/f", method).action == action


@pytest.mark.parametrize(("method", "action"), [("GET", "read"), ("HEAD", "read"), ("OPTIONS", "info")])
def test_methods_of_the_root(method: str, action: str) -> None:
    assert parse(b"/", method).action == action


@pytest.mark.parametrize(
    ("target", "method"),
    [(b"/items", method) for method in UNKNOWN_METHODS]
    + [(b"/", method) for method in ("POST", "PUT", "PATCH", "DELETE", *UNKNOWN_METHODS)],
)
def test_other_methods_are_not_supported(target: bytes, method: str) -> None:
    error = refusal(target, method)
    assert (error.status, error.code, error.headers) == (405, "PGRST117", ())
    assert (error.message, error.details, error.hint) == (f"Unsupported HTTP method: {method}", None, None)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", *UNKNOWN_METHODS])
def test_other_methods_cannot_be_used_on_functions(method: str) -> None:
    error = refusal(b"/rpc/f", method)
    assert (error.status, error.code, error.headers) == (405, "PGRST101", ())
    assert error.message == f"Cannot use the {method} method on RPC"


# Arguments, reference 6.2


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_functions_that_are_read_take_arguments_from_the_query(method: str) -> None:
    assert parse(b"/rpc/f?a=5&b=eq.6", method).parameters.arguments == (("a", "5"),)


@pytest.mark.parametrize(
    ("target", "method"), [(b"/rpc/f?a=5", "POST"), (b"/rpc/f?a=5", "OPTIONS"), (b"/t?a=5", "GET")]
)
def test_nothing_else_takes_arguments_from_the_query(target: bytes, method: str) -> None:
    assert refusal(target, method).code == "PGRST100"


# Ranges, reference 4.1

LIMIT = "Limit should be greater than or equal to zero."
LOWER = "The lower boundary must be lower than or equal to the upper boundary in the Range header."


def in_range(value: bytes) -> Headers:
    return ((b"Range", value),)


@pytest.mark.parametrize(
    ("query", "headers", "rows"),
    [
        (b"", (), ALL_ROWS),
        (b"limit=3", (), RowRange(0, 2)),
        (b"limit=3&offset=5", (), RowRange(5, 7)),
        (b"limit=0", (), NO_ROWS),
        (b"limit=0&offset=0", (), NO_ROWS),
        (b"limit=x&offset=0", (), NO_ROWS),
        (b"offset=-5", (), ALL_ROWS),
        (b"offset=-5&limit=10", (), RowRange(0, 4)),
        (b"offset=-3&limit=3", (), NO_ROWS),
        (b"limit=x", (), ALL_ROWS),
        (b"", in_range(b"0-9"), RowRange(0, 9)),
        (b"", in_range(b"10-"), RowRange(10)),
        (b"", in_range(b"items=0-9"), ALL_ROWS),
        (b"limit=3", in_range(b"0-9"), RowRange(0, 2)),
        (b"limit=30&offset=5", in_range(b"0-9"), RowRange(5, 9)),
        (b"limit=0", in_range(b"5-9"), NO_ROWS),
        (b"limit=0", in_range(b"9-5"), NO_ROWS),
        (b"rel.limit=-1&rel.offset=-1", (), ALL_ROWS),
    ],
)
def test_the_rows_of_a_read_are_those_of_parameters_and_header_together(
    query: bytes, headers: Headers, rows: RowRange
) -> None:
    assert parse(b"/items?" + query, headers=headers).rows == rows
    assert parse(b"/rpc/f?" + query, headers=headers).rows == rows


@pytest.mark.parametrize(
    ("query", "headers", "details"),
    [
        (b"limit=-1", (), LIMIT),
        (b"limit=-1&offset=5", (), LIMIT),
        (b"limit=0&offset=5", (), LIMIT),
        (b"limit=x&offset=5", (), LIMIT),
        (b"limit=3", in_range(b"5-10"), LIMIT),
        (b"", in_range(b"5-2"), LOWER),
        (b"limit=3", in_range(b"5-2"), LOWER),
        (b"limit=-1", in_range(b"5-2"), LOWER),
    ],
)
def test_a_range_without_rows_cannot_be_satisfied(query: bytes, headers: Headers, details: str) -> None:
    for path in (b"/items?", b"/rpc/f?", b"/?"):
        error = refusal(path + query, headers=headers)
        assert (error.status, error.code, error.hint) == (416, "PGRST103", None)
        assert (error.message, error.details) == ("Requested range not satisfiable", details)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"])
def test_only_get_looks_at_the_range_header(method: str) -> None:
    assert parse(b"/items", method, in_range(b"5-2")).rows == ALL_ROWS


@pytest.mark.parametrize("method", EVERY_METHOD)
def test_a_negative_limit_is_refused_for_every_method(method: str) -> None:
    assert refusal(b"/items?limit=-1", method).code == "PGRST103"


@pytest.mark.parametrize("query", [b"limit=5", b"offset=5", b"limit=0", b"limit=5&offset=0"])
def test_putting_takes_no_range(query: bytes) -> None:
    error = refusal(b"/items?" + query, "PUT")
    assert (error.status, error.code) == (400, "PGRST114")
    assert error.message == "limit/offset querystring parameters are not allowed for PUT"


@pytest.mark.parametrize("query", [b"offset=0", b"offset=-5", b"limit=x", b"rel.limit=5"])
def test_putting_takes_what_comes_to_no_range(query: bytes) -> None:
    assert parse(b"/items?" + query, "PUT").rows == ALL_ROWS


# The order of checks, reference 0.3


def test_each_check_comes_before_the_next() -> None:
    wrong_profile = ((b"Content-Profile", b"nonsense"), (b"Accept-Profile", b"nonsense"))
    query = b"?limit=-1&id=5"
    assert refusal(b"/items/1" + query, "PUT", wrong_profile).code == "PGRST125"
    assert refusal(b"/rpc/f" + query, "PUT", wrong_profile).code == "PGRST106"
    assert refusal(b"/rpc/f" + query, "PUT").code == "PGRST101"
    assert refusal(b"/items" + query, "FOO").code == "PGRST117"
    assert refusal(b"/items" + query, "PUT").code == "PGRST100"
    assert refusal(b"/items?limit=-1", "PUT").code == "PGRST103"
    assert refusal(b"/items?limit=1", "PUT").code == "PGRST114"


def test_preferences_and_acceptable_media_types_are_not_judged_here() -> None:
    headers = ((b"Prefer", b"handling=strict, nonsense"), (b"Accept", b"nonsense"))
    for method in EVERY_METHOD:
        wanted = parse(b"/items", method, headers)
        assert wanted.preferences.doubtful == ("nonsense",)
        assert wanted.accept[0].kind == "other"


def test_ranges_are_checked_before_the_body() -> None:
    for method in ("POST", "PATCH"):
        with pytest.raises(ApiError) as caught:
            parse_request(Request(method, b"/items?limit=-1", (), b"{"), MANY)
        assert caught.value.code == "PGRST103"

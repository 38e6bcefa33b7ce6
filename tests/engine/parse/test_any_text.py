"""Whatever a client sends, parsing answers, in steps proportional to what was sent.

Steps are function calls, counted by the interpreter, so that no clock is needed.
"""

import contextlib
import re
import sys
from collections.abc import Callable
from inspect import unwrap
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config import EngineConfig
from proxy.engine.parse.query import parse_query
from proxy.engine.parse.request import ApiRequest, parse_request
from proxy.errors import ApiError, render_error
from proxy.messages import Headers, Request

OPTIONS = EngineConfig(db_schemas=("dlm", "zoo"), db_anon_role="dlm_anon")
ROOT_FUNCTION = EngineConfig(db_schemas=("dlm",), db_root_spec="root")

# What the grammar is made of, so that random texts get past the first character.
FRAGMENTS = (
    *(
        "(",
        ")",
        ",",
        ".",
        ":",
        "::",
        "->",
        "->>",
        "-",
        "!",
        "...",
        "*",
        '"',
        "\\",
        "{",
        "}",
        "[",
        "]",
        " ",
        "\t",
    ),
    *(
        "a",
        "id",
        "1",
        "-3",
        "é",
        "\n",
        "\0",
        "%",
        "'",
        "count",
        "count()",
        ".sum()",
        "eq",
        "eq.",
        "not.",
        "in.(",
    ),
    *(
        "is.",
        "null",
        "or(",
        "and(",
        "not.or(",
        "asc",
        ".desc",
        ".nullsfirst",
        "any",
        "(any)",
        "fts(",
        "left",
        "!inner",
    ),
)
KEYS = (
    "select",
    "order",
    "or",
    "not.and",
    "a.or",
    "columns",
    "on_conflict",
    "limit",
    "offset",
    "a.limit",
    "a",
    "a->b",
)

fragments = st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join)
texts = fragments | st.text(max_size=20)
headers: st.SearchStrategy[Headers] = st.lists(
    st.tuples(
        st.sampled_from(
            [b"Prefer", b"Accept", b"Range", b"Accept-Profile", b"Content-Profile", b"Content-Type"]
        ),
        st.binary(max_size=20) | st.sampled_from([b"0-9", b"9-0", b"zoo", b"count=exact", b"text/csv;q=0.5"]),
    ),
    max_size=3,
).map(tuple)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO"])


def encoded(text: str) -> bytes:
    """``text`` percent-encoded throughout."""
    return b"".join(b"%%%02X" % byte for byte in text.encode("utf-8", "surrogatepass"))


def answers(request: Request, options: EngineConfig) -> None:
    """Parse; the result must be a request or an error that can be told to the client."""
    error: ApiError | None = None
    try:
        assert isinstance(parse_request(request, options), ApiRequest)
    except ApiError as refusal:
        error = refusal
    assert error is None or (400 <= error.status < 500 and error.code.startswith("PGRST") and error.message)
    assert error is None or render_error(error).body.startswith(b'{"code":"PGRST')


# Nothing but ApiError


@given(st.binary(max_size=40), methods, headers)
@settings(deadline=None)
def test_any_bytes_are_a_request_or_a_clients_error(target: bytes, method: str, headers: Headers) -> None:
    for options in (OPTIONS, ROOT_FUNCTION):
        answers(Request(method, target, headers), options)
        answers(Request(method, b"/" + target, headers), options)


@given(st.lists(st.tuples(st.sampled_from(KEYS) | texts, texts), max_size=4), methods, headers)
@settings(deadline=None, max_examples=400)
def test_any_parameters_are_a_request_or_a_clients_error(
    pairs: list[tuple[str, str]], method: str, headers: Headers
) -> None:
    query = b"&".join(encoded(key) + b"=" + encoded(value) for key, value in pairs)
    for path in (b"/items?", b"/rpc/f?"):
        answers(Request(method, path + query, headers), OPTIONS)


@pytest.mark.parametrize("key", KEYS)
@given(text=fragments)
@settings(deadline=None, max_examples=150)
def test_any_value_of_a_parameter_is_understood_or_refused_with_its_position(key: str, text: str) -> None:
    refusal: ApiError | None = None
    try:
        parse_query(encoded(key) + b"=" + encoded(text))
    except ApiError as error:
        refusal = error
    if refusal is not None:
        assert re.fullmatch(r'"failed to parse .*" \(line \d+, column \d+\)', refusal.message, re.DOTALL)
        assert str(refusal.details).startswith(("unexpected ", "expecting ", "unknown parse error"))


# Steps


def steps(query: str) -> int:
    """How many Python functions are called while ``query`` is parsed."""
    count = 0

    def on_event(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    with contextlib.suppress(ApiError):
        sys.setprofile(on_event)
        try:
            unwrap(parse_query)(query.encode(), with_arguments=True)
        finally:
            sys.setprofile(before)
    return count


NESTED: dict[str, Callable[[int], str]] = {
    "unclosed embeds": lambda n: "select=" + "a(" * n,
    "closed embeds": lambda n: "select=" + "a(" * n + "b" + ")" * n,
    "embeds closed too early": lambda n: "select=" + "a(" * n + "b!" + ")" * n,
    "unclosed embeds with everything": lambda n: "select=" + "x:a-b!c!inner(" * n,
    "unclosed embeds after a field": lambda n: "select=" + "a,b(" * n,
    "unclosed embeds before a broken field": lambda n: "select=" + "a(b::int.sum()," * n + "c!",
    "unclosed quoted embeds": lambda n: "select=" + '"a"(' * n,
    "unclosed spreads": lambda n: "select=" + "...a(" * n,
    "closed spreads": lambda n: "select=" + "...a(" * n + "b" + ")" * n,
    "unclosed trees": lambda n: "or=(" + "or(" * n,
    "closed trees": lambda n: "or=(" + "or(" * n + "a.eq.1" + ")" * n + ")",
    "trees with a broken leaf": lambda n: "or=(" + "or(" * n + "a.xx.1" + ")" * n + ")",
    "negated unclosed trees": lambda n: "not.and=(" + "not.and(" * n,
    "trees unclosed after a condition": lambda n: "and=(" + "or(a.eq.1," * n,
    "trees unclosed after a list": lambda n: "and=(" + 'or(a.in.("b",c),' * n,
}


@pytest.mark.parametrize("shape", NESTED)
def test_steps_grow_with_the_depth_and_not_with_its_power(shape: str) -> None:
    per_level = steps(NESTED[shape](4)) / 4
    # From shallow to deep, so that a power shows before it takes a lifetime.
    for depth in (8, 16, 60):
        assert steps(NESTED[shape](depth)) <= 1.1 * depth * per_level


LONG: dict[str, Callable[[int], str]] = {
    "fields": lambda n: "select=" + "a," * n + "a",
    "fields without end": lambda n: "select=" + "a," * n,
    "fields with everything": lambda n: "select=" + "x:a->b->>0::int.sum()::text," * n,
    "embeds": lambda n: "select=" + "a(b)," * n + "a",
    "spaces": lambda n: "select=" + " " * n + "a" + " " * n + "!",
    "dashes": lambda n: "select=" + "a-" * n,
    "json steps": lambda n: "select=a" + "->b" * n,
    "json indexes": lambda n: "select=a" + "->1" * n + "x!",
    "digits": lambda n: "select=a->" + "1" * n + "x",
    "an unclosed quote": lambda n: "select=" + '"' + "a" * n,
    "escapes": lambda n: "select=" + '"' + "\\a" * n,
    "quotes": lambda n: "select=" + '"' * n,
    "a long hint": lambda n: "select=a!" + "b" * n,
    "order terms": lambda n: "order=" + "a.desc.nullslast," * n,
    "related order terms": lambda n: "order=" + "a(b).desc," * n + "a(",
    "columns": lambda n: "columns=" + "a," * n + "!",
    "a key of many segments": lambda n: "a." * n + "b=eq.1",
    "a logic path": lambda n: "not." * n + "or=(a.eq.1)",
    "list elements": lambda n: "a=in.(" + "1," * n,
    "quoted list elements": lambda n: "a=in.(" + '"1",' * n + '"',
    "half quoted list elements": lambda n: "a=in.(" + '"a"b,' * n,
    "opened quotes in a list": lambda n: "a=in.(" + '"a,' * n,
    "escaped quotes in a list": lambda n: "a=in.(" + '"\\",' * n,
    "conditions": lambda n: "or=(" + "a.eq.1," * n + "a",
    "opened braces": lambda n: "or=(" + "a.eq.{b," * n + ")",
    "opened quotes in a tree": lambda n: "or=(" + 'a.eq."b,' * n + ")",
    "a long value": lambda n: "a=eq." + "b" * n,
    "a long operator": lambda n: "a=" + "not." * n,
    "filters": lambda n: "a=eq.1&" * n,
    "limits": lambda n: "a.limit=1&" * n,
    "empty pairs": lambda n: "&;" * n,
    "parentheses around a number": lambda n: "limit=" + "(" * n + "1" + ")" * n,
}


@pytest.mark.parametrize("shape", LONG)
def test_steps_grow_with_the_length_and_not_with_its_square(shape: str) -> None:
    short, long = steps(LONG[shape](100)), steps(LONG[shape](400))
    assert long <= 4.4 * short + 200

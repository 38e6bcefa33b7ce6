"""Heads are taken apart and put together again without changing a byte that is not this connection's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.server.heads import (
    BadMessage,
    parse_request_head,
    parse_response_head,
    request_line,
    status_line,
    with_request_id,
)

TOKEN = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=8).map(str.encode)
VALUE = st.binary(max_size=12).filter(lambda value: not set(value) & set(b"\r\n\0"))
PLAIN_LINES = st.lists(st.builds(lambda name, value: b"x-" + name + b":" + value, TOKEN, VALUE), max_size=8)
TARGET = st.binary(min_size=1, max_size=30).filter(
    lambda target: all(byte > 0x20 and byte != 0x7F for byte in target)
)


def section(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


@given(TOKEN, TARGET, PLAIN_LINES)
def test_a_request_head_comes_out_as_it_went_in(method: bytes, target: bytes, lines: list[bytes]) -> None:
    lines.insert(len(lines) // 2, b"Host: a")
    head = parse_request_head(b"%b %b HTTP/1.1" % (method, target), section(lines))
    assert request_line(head.method, head.target, b"") == b"%b %b HTTP/1.1\r\n" % (method, target)
    assert head.fields.section(chunked=False) == section(lines)
    pairs = [(name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]
    assert list(head.fields.headers) == pairs


@given(st.integers(0, 999), VALUE, PLAIN_LINES, st.integers(0, 8))
def test_a_chunked_response_head_comes_out_as_it_went_in(
    status: int, reason: bytes, lines: list[bytes], place: int
) -> None:
    lines.insert(min(place, len(lines)), b"transfer-encoding:  Chunked ")
    first = status_line(status, reason)
    head = parse_response_head(first[:-2], section(lines))
    assert status_line(head.status, head.reason) == first
    assert head.fields.section(chunked=True) == section(lines)


@given(PLAIN_LINES, PLAIN_LINES)
def test_what_connection_names_is_left_out_wherever_it_stands(
    before: list[bytes], after: list[bytes]
) -> None:
    named = [b"Secret-Hop: 1", b"SECRET-hop: 2"]
    lines = [*before, named[0], b"Connection: secret-hop, close", b"Host: a", named[1], *after]
    head = parse_request_head(b"GET / HTTP/1.1", section(lines))
    assert head.fields.section(chunked=False) == section([*before, b"Host: a", *after])
    assert not head.keep_alive


def test_the_coding_keeps_its_place_when_lines_before_it_are_left_out() -> None:
    lines = [b"A: 1", b"Hop: 1", b"Host: a", b"Transfer-Encoding: chunked", b"Hop: 2", b"B: 2"]
    head = parse_request_head(b"POST / HTTP/1.1", section([b"Connection: hop", *lines]))
    kept = [line for line in lines if not line.startswith(b"Hop")]
    assert head.fields.section(chunked=True) == section(kept)


@pytest.mark.parametrize(
    ("line", "lines", "keep_alive"),
    [
        (b"GET / HTTP/1.1", [], True),
        (b"GET / HTTP/1.1", [b"Connection: Close"], False),
        (b"GET / HTTP/1.1", [b"Connection: x", b"connection: a, CLOSE ,"], False),
        (b"GET / HTTP/1.2", [], True),
        (b"GET / HTTP/1.0", [], False),
        (b"GET / HTTP/1.0", [b"Connection: Keep-Alive"], True),
        (b"GET / HTTP/1.0", [b"Connection: keep-alive, close"], False),
    ],
)
def test_the_connection_is_kept_as_the_version_and_the_client_say(
    line: bytes, lines: list[bytes], keep_alive: bool
) -> None:
    assert parse_request_head(line, section([b"Host: a", *lines])).keep_alive == keep_alive


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        (b"/lone?a=%20", b"/api/lone?a=%20"),
        (b"//x", b"/api//x"),
        (b"*", b"*"),
        (b"http://host:1/lone?u=http://b/", b"http://host:1/api/lone?u=http://b/"),
        (b"http://host", b"http://host/api"),
        (b"/x?u=http://b/c", b"/api/x?u=http://b/c"),
    ],
)
def test_a_path_prefix_goes_where_the_path_begins(target: bytes, sent: bytes) -> None:
    assert request_line("GET", target, b"/api") == b"GET " + sent + b" HTTP/1.1\r\n"


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_make_the_parsers_fail_in_an_unforeseen_way(line: bytes, rest: bytes) -> None:
    for parse in (parse_request_head, parse_response_head):
        try:
            parse(line, rest)
        except BadMessage:
            continue


def test_a_request_id_stands_behind_all_others_and_only_where_there_is_none() -> None:
    head = parse_request_head(
        b"GET / HTTP/1.1", section([b"Host: a", b"Transfer-Encoding: chunked", b"A: 1"])
    )
    named = with_request_id(head, "X-Request-ID", lambda: "r-1")
    lines = [b"Host: a", b"Transfer-Encoding: chunked", b"A: 1", b"X-Request-ID: r-1"]
    assert named.fields.section(chunked=True) == section(lines)
    assert named.fields.headers[-1] == (b"X-Request-ID", b"r-1")
    assert with_request_id(named, "x-request-id", lambda: "r-2") is named


def test_what_was_refused_is_refused_again() -> None:
    section = b"Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n"
    for _ in range(2):
        with pytest.raises(BadMessage):
            parse_request_head(b"GET / HTTP/1.1", section)


@pytest.mark.parametrize(
    ("section", "kept"),
    [
        (b"Host: a\r\n" + b"X: 1\r\n" * 31, True),
        (b"Host: a\r\n" + b"X: 1\r\n" * 32, False),
        (b"Host: a\r\nX: %b\r\n" % (b"1" * 2048), False),
    ],
    ids=["common", "many lines", "long"],
)
def test_only_short_sections_of_few_lines_are_kept(section: bytes, kept: bool) -> None:
    line = b"GET / HTTP/1.1"
    one, again = parse_request_head(line, section), parse_request_head(line, section)
    assert one == again
    assert (one.fields is again.fields) is kept

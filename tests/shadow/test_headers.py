"""How each class of header is compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.difference import Difference
from proxy.messages import Answer, Headers
from proxy.shadow.headers import HEADERS, compare_headers


def differences(
    one: Headers, other: Headers, *, head: bool = False, opaque: bool = False
) -> list[Difference]:
    return compare_headers(Answer(200, one), Answer(200, other), head=head, opaque=opaque)


def named(how: str) -> list[bytes]:
    return [name for name, (comparison, _) in HEADERS.items() if comparison == how]


def test_every_entry_says_why() -> None:
    assert all(why and name == name.lower() for name, (_, why) in HEADERS.items())


@pytest.mark.parametrize("name", named("ignored"))
def test_an_ignored_header_may_differ_or_be_absent(name: bytes) -> None:
    assert not differences(((name, b"1"),), ((name, b"2"),))
    assert not differences(((name.title(), b"1"),), ())


@pytest.mark.parametrize("name", [*named("semantic"), *named("strict"), *named("secret"), b"x-own", b"ETag"])
@given(one=st.binary(max_size=6), other=st.binary(max_size=6))
def test_any_other_header_must_agree(name: bytes, one: bytes, other: bytes) -> None:
    def squeeze(value: bytes) -> bytes:
        return value.translate(None, b" \t")

    found = differences(((name, one),), ((name, other),))
    assert bool(found) or squeeze(one) == squeeze(other)
    assert differences(((name, one),), ())


def test_names_have_no_case_and_different_names_no_order() -> None:
    assert not differences(((b"X-A", b"1"), (b"Y", b"2")), ((b"y", b"2"), (b"x-a", b"1")))


def test_lines_of_one_strict_name_keep_their_order() -> None:
    assert differences(((b"X", b"1"), (b"X", b"2")), ((b"X", b"2"), (b"X", b"1")))
    assert differences(((b"X", b"1"), (b"X", b"2")), ((b"X", b"1, 2"),))


def test_lines_of_one_list_are_one_list() -> None:
    assert not differences(((b"Allow", b"GET"), (b"Allow", b"HEAD")), ((b"Allow", b"GET,HEAD"),))
    assert differences(((b"Allow", b"GET, HEAD"),), ((b"Allow", b"HEAD, GET"),))


def test_a_uri_is_no_list() -> None:
    assert differences(
        ((b"Content-Location", b"/t?id=gt.1,lt.5"),), ((b"Content-Location", b"/t?id=gt.1, lt.5"),)
    )


def test_of_server_timing_only_the_presence_counts() -> None:
    assert not differences(((b"Server-Timing", b"jwt;dur=0.4"),), ((b"Server-Timing", b"jwt;dur=9.9"),))
    assert differences(((b"Server-Timing", b"jwt;dur=0.4"),), ())


def test_the_length_counts_where_no_body_does() -> None:
    one, other = ((b"Content-Length", b"10"),), ((b"Content-Length", b"11"),)
    assert not differences(one, other)
    assert differences(one, other, head=True)
    assert not differences(one, (), head=True)


def test_a_coding_counts_only_where_it_could_not_be_undone() -> None:
    assert not differences(((b"Content-Encoding", b"gzip"),), ())
    assert differences(((b"Content-Encoding", b"br"),), (), opaque=True)


def test_cookies_are_compared_and_never_shown() -> None:
    assert differences(((b"Set-Cookie", b"session=abc"),), ((b"Set-Cookie", b"session=xyz"),)) == [
        Difference("headers", "set-cookie", "(hidden)", "(hidden)")
    ]

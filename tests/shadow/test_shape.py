"""The shape of a request: structure without values."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Headers, Request
from proxy.shadow.shape import MAX_SHAPE, read_shape


def shape(target: bytes, headers: Headers = (), method: str = "GET") -> str:
    return read_shape(Request(method, target, headers))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            b"/data_item?select=uid,uri&item_name=eq.M%2031&limit=5",
            "GET data_item?item_name=eq.*&limit=*&select=uid,uri",
        ),
        (
            b"/t?a=not.in.(1,2)&b=like(any).{x*}&c=fts(english).cat",
            "GET t?a=not.in.*&b=like(any).*&c=fts(english).*",
        ),
        (b"/t?a=is.NULL&b=not.is.true&c=is.odd", "GET t?a=is.null&b=not.is.true&c=is.*"),
        (
            b"/t?order=id.desc&rel.order=x&offset=3&rel.limit=2",
            "GET t?offset=*&order=id.desc&rel.limit=*&rel.order=x",
        ),
        (
            b'/t?or=(a.eq.1,and(b.in.(1,"x)"),c.not.is.null),d->>k.eq."a,b",e.cs.{1,2})',
            "GET t?or=(a.eq.*,and(b.in.*,c.not.is.null),d->>k.eq.*,e.cs.*)",
        ),
        (b"/t?or=(broken&and=1", "GET t?and=*&or=*"),
        (b"/rpc/latest?n=5&token=abc", "GET rpc/latest?n=*&token=*"),
        (b"/", "GET /"),
        (b"/a/b/c", "GET *"),
        (b"/t", "GET t"),
    ],
)
def test_values_are_taken_out_and_structure_stays(target: bytes, expected: str) -> None:
    assert shape(target) == expected


def test_headers_that_change_the_answer_are_part_of_the_shape() -> None:
    headers = (
        (b"Accept", b"text/csv"),
        (b"Accept-Profile", b"zoo"),
        (b"Prefer", b"count=exact, timezone=Europe/Berlin"),
        (b"Range", b"0-9"),
        (b"Authorization", b"Bearer secret"),
    )
    assert (
        shape(b"/t", headers)
        == "GET t profile=zoo accept=text/csv range=* prefer=count=exact prefer=timezone*"
    )
    assert shape(b"/t", ((b"Accept", b"application/json"),)) == "GET t"
    assert shape(b"/t", ((b"Accept", b"secret/type"),)) == "GET t accept=*"


@given(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    st.sampled_from(["eq", "gt", "like", "cs", "not.in", "fts(x)"]),
)
def test_a_value_never_shows_and_never_matters(value: str, operator: str) -> None:
    def with_value(text: str) -> str:
        return shape(f"/t?a={operator}.{text}&or=(b.{operator}.{text},c.is.null)&x={text}".encode())

    assert with_value(f"Q{value}Q") == with_value("other")


@given(st.permutations([b"a=eq.1", b"b=gt.2", b"select=a", b"limit=3"]))
def test_the_order_of_the_parameters_does_not_matter(pairs: list[bytes]) -> None:
    assert shape(b"/t?" + b"&".join(pairs)) == "GET t?a=eq.*&b=gt.*&limit=*&select=a"


@given(st.binary(), st.binary())
def test_any_bytes_have_a_short_shape_that_can_be_printed(target: bytes, value: bytes) -> None:
    text = shape(b"/" + target, ((b"Accept-Profile", value), (b"Prefer", value), (b"Accept", value)))
    assert len(text) <= MAX_SHAPE
    text.encode("utf-8")


@pytest.mark.parametrize(
    "piece", [b"a.b.", b"(and", b'"', b'a.eq."\\', b"a.in.(,", b" ", b"and (", b"a.eq.{", b'"a']
)
def test_hostile_trees_take_no_longer_than_their_length(piece: bytes) -> None:
    started = time.process_time()
    shape(b"/t?or=(" + piece * (60_000 // len(piece)))
    assert time.process_time() - started < 1.0

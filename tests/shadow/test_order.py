"""What a request leaves open of the rows' order and choice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Headers, Request
from proxy.shadow.order import BOUND, OrderContract, read_order


def order(target: bytes, headers: Headers = (), method: str = "GET") -> OrderContract:
    return read_order(Request(method, target, headers))


def test_a_request_without_order_leaves_it_open() -> None:
    assert order(b"/storage?select=id&id=gt.5") == OrderContract(open=True)


@pytest.mark.parametrize("query", [b"order=id", b"limit=3;order=id.desc", b"%6frder=a", b"a=eq.1&order="])
def test_an_order_binds(query: bytes) -> None:
    assert order(b"/storage?" + query) == BOUND


@pytest.mark.parametrize("query", [b"order", b"rel.order=id", b"Order=id", b"select=order"])
def test_what_is_no_order_of_the_rows_does_not_bind(query: bytes) -> None:
    assert order(b"/storage?" + query).open


def test_a_function_and_the_root_keep_their_own_order() -> None:
    assert order(b"/rpc/latest?limit=3") == BOUND
    assert order(b"/") == BOUND


@pytest.mark.parametrize(
    ("query", "offset", "limit"),
    [
        (b"limit=5", 0, 5),
        (b"limit=5&limit=3", 0, 3),
        (b"limit= 7 &offset=2", 2, 7),
        (b"offset=4", 4, None),
        (b"offset=-4", 0, None),
        (b"limit=0x1F", 0, 0),
        (b"offset=(5)", 1, None),
        (b"rel.limit=5&rel.offset=3", 0, None),
    ],
)
def test_limit_and_offset_are_the_page(query: bytes, offset: int, limit: int | None) -> None:
    assert order(b"/storage?" + query) == OrderContract(True, offset, limit)


@pytest.mark.parametrize(
    ("value", "offset", "limit"),
    [
        (b"0-9", 0, 10),
        (b"5-", 5, None),
        (b"5-5", 5, 1),
        (b"items=0-9", 0, None),
        (b"bytes=0-1", 0, None),
        (b"-5", 0, None),
        (b"", 0, None),
    ],
)
def test_the_range_header_is_the_page_in_its_bare_form_only(
    value: bytes, offset: int, limit: int | None
) -> None:
    assert order(b"/storage", ((b"Range", value),)) == OrderContract(True, offset, limit)


def test_head_ignores_range() -> None:
    assert order(b"/storage", ((b"Range", b"0-1"),), method="HEAD") == OrderContract(open=True)


def test_max_rows_is_a_limit_that_everyone_has() -> None:
    assert read_order(Request("GET", b"/storage?limit=50"), max_rows=10).limit == 10


def test_who_pins_a_whole_unique_key_leaves_nothing_open() -> None:
    keys = [frozenset({"id"}), frozenset({"year", "number"})]
    assert read_order(Request("GET", b"/storage?id=eq.5&limit=1"), keys=keys) == BOUND
    assert read_order(Request("GET", b"/storage?year=eq.1&number=eq.2"), keys=keys) == BOUND
    assert read_order(Request("GET", b"/storage?year=eq.1"), keys=keys).open
    assert read_order(Request("GET", b"/storage?id=gt.5"), keys=keys).open
    assert read_order(Request("GET", b"/storage?id=eq.5"), keys=[frozenset()]).open


def test_a_page_cuts_when_it_begins_late_or_is_full() -> None:
    assert OrderContract(True, offset=1).cuts(0, None)
    assert OrderContract(True, limit=3).cuts(3, None)
    assert OrderContract(True, limit=3).cuts(3, 4)
    assert not OrderContract(True, limit=3).cuts(3, 3)
    assert not OrderContract(True, limit=3).cuts(2, None)
    assert not OrderContract(True).cuts(1000, None)


@given(st.binary(), st.binary())
def test_any_bytes_can_be_read(query: bytes, value: bytes) -> None:
    order(b"/storage?" + query, ((b"Range", value),))

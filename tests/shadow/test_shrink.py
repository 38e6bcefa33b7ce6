"""Smaller requests, and the smallest that still shows a difference."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Headers, Request
from proxy.shadow.query import read_pairs
from proxy.shadow.shrink import can_shrink, drop_items, list_smaller, search_smallest

HOST = (b"Host", b"h")


def ask(query: str, headers: Headers = (HOST,)) -> Request:
    return Request("GET", b"/storage?" + query.encode(), headers)


def shrink(request: Request, shows: Callable[[Request], bool]) -> Request:
    """The smallest request by which ``shows`` is true."""
    search = search_smallest(request)
    try:
        candidate = next(search)
        for _ in range(2_000):
            candidate = search.send(shows(candidate))
    except StopIteration as end:
        found: Request = end.value
        return found
    raise AssertionError("the search does not end")


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("a,b", ["b", "a"]),
        ("a", []),
        ("", []),
        ("uid,storage(uid,files(a,b)),uri", ["b", "a"]),
        ('"a,b",c', ["c", '"a,b"']),
        ('"a\\",b",c', ["c", '"a\\",b"']),
        ("(a.eq.1,b.in.(1,2))", ["(a.eq.1,b.in.(2))", "(a.eq.1,b.in.(1))", "(b.in.(1,2))", "(a.eq.1)"]),
        ("cs.{x,y}", ["cs.{y}", "cs.{x}"]),
        ("a,b)", ["b)", "a"]),
        ("f(a,b", ["f(b", "f(a"]),
    ],
)
def test_items_are_dropped_from_the_deepest_list_first(text: str, shorter: list[str]) -> None:
    found = list(drop_items(text))
    if "files" in text:
        assert found[:2] == ["uid,storage(uid,files(b)),uri", "uid,storage(uid,files(a)),uri"]
        assert "uid,uri" in found
        assert "uid,storage(files(a,b)),uri" in found
    else:
        assert found == shorter


@given(st.text(st.sampled_from('ab(),{}"\\.'), max_size=40))
def test_whatever_is_proposed_is_shorter(text: str) -> None:
    for shorter in drop_items(text):
        assert len(shorter) < len(text)


@given(
    st.lists(
        st.sampled_from(
            [
                *("select=uid,storage(uid,files(*))", "order=uid.desc,uri", "limit=100", "offset=7"),
                *("and=(a.eq.1,or(b.gt.2,c.in.(1,2)))", "uri=like.*x%2Cy*", "storage.limit=9", "odd", "=x"),
            ]
        ),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.sampled_from([(b"Accept", b"text/csv"), (b"Prefer", b"count=exact"), HOST]), max_size=3),
    st.integers(0, 3),
)
def test_the_search_ends_with_one_that_shows_it_and_none_smaller_does(
    pieces: list[str], headers: list[tuple[bytes, bytes]], needle: int
) -> None:
    request = ask("&".join(pieces), tuple(headers))

    def shows(candidate: Request) -> bool:
        text = repr((read_pairs(candidate.query), candidate.headers))
        return text.count((*"u1,", "exact")[needle]) * 2 >= original.count((*"u1,", "exact")[needle])

    original = repr((read_pairs(request.query), request.headers))
    found = shrink(request, shows)
    assert shows(found)
    assert not any(map(shows, list_smaller(found)))
    assert len(found.target) <= len(request.target)


def test_a_fault_in_one_deep_place_is_all_that_is_left() -> None:
    request = ask(
        "select=uid,uri,storage(uid,location(name,country)),phase_change(*)&uri=like.*a*"
        "&and=(uid.gt.1,or(size.lt.5,state.in.(ready,lost,gone)),kind.neq.x)&order=uid.desc,uri&limit=64",
        (
            HOST,
            (b"Accept", b"application/json"),
            (b"Authorization", b"Bearer x"),
            (b"Prefer", b"count=exact"),
        ),
    )

    def shows(candidate: Request) -> bool:
        query = candidate.query
        return b"country" in query and b"lost" in query and b"limit=" in query

    found = shrink(request, shows)
    assert found == ask("select=storage(location(country))&and=(state.in.(lost))&limit=1", (HOST,))


def test_what_needs_nothing_becomes_the_bare_path() -> None:
    assert shrink(ask("a=eq.1&b=eq.2"), lambda _: True) == Request("GET", b"/storage", (HOST,))


def test_what_shows_only_as_it_is_stays_as_it_is() -> None:
    request = ask("a=eq.1&b=eq.2&limit=3")
    assert shrink(request, lambda candidate: candidate == request) == request


def test_other_pairs_keep_their_bytes() -> None:
    request = ask("a=eq.%41+b&select=x,y")
    assert b"/storage?a=eq.%41+b" not in [smaller.target for smaller in list_smaller(request)]
    assert b"/storage?a=eq.%41+b&select=x" in [smaller.target for smaller in list_smaller(request)]


def test_only_safe_requests_of_ordinary_length_are_shrunk() -> None:
    assert can_shrink(Request("GET", b"/"))
    assert can_shrink(Request("HEAD", b"/"))
    assert not can_shrink(Request("POST", b"/rpc/f"))
    assert not can_shrink(ask("a=eq." + "x" * 9_000))


def test_a_group_gives_way_to_its_members() -> None:
    targets = [smaller.target for smaller in list_smaller(ask('or=(a.eq.")",not.and(b.eq.1,c.eq.2))'))]
    assert b"/storage?or=(a.eq.%22)%22,b.eq.1,c.eq.2)".replace(b"%22", b'"') in targets

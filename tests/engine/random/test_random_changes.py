"""Whatever is to be changed: an answer in PostgREST's shape, and rows that agree with what a read shows.

Everything is undone at the end of its transaction, so that the worlds stay as they are.
"""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Answer, Request
from tests.engine.random.grammar import changes, reads
from tests.engine.random.test_random_requests import ERROR_KEYS, asking, catalog_of, check_range
from tests.engine.random.values import TOKENS
from tests.engine.random.world import World, encode, open_world

POSTGRESQL_ONLY = frozenset({"21000", "0A000", "55000", "54001"})
"""What PostgreSQL refuses and PostgREST calls the server's fault (reference 9.3)."""


@pytest.fixture(scope="module")
def writable(world: World) -> Iterator[World]:
    """The same world, where changes are let in and undone."""
    options = replace(world.options, db_tx_end="rollback")
    with open_world(world.name, options, read_only=False) as opened:
        yield opened


def check_change(request: Request, answered: Answer) -> None:
    """An error has the four keys; rows are as many as Content-Range says; no rows, no body."""
    if answered.status >= 300:
        told = json.loads(answered.body)
        assert told.keys() == ERROR_KEYS
        assert answered.status < 500 or told["code"] in POSTGRESQL_ONLY, answered
        return
    shown = b"return=representation" in b",".join(value for _, value in request.headers)
    if answered.status == 204 or not shown:
        assert answered.body == b""
    elif request.method != "POST" and request.method != "PUT":
        page, total = check_range(answered)
        rows = json.loads(answered.body)
        assert total is None or len(rows) == total
        assert request.method == "DELETE" or len(rows) == page


@given(data=st.data())
@asking
def test_every_change_is_answered_and_no_value_becomes_sql(writable: World, data: st.DataObject) -> None:
    request = data.draw(changes(catalog_of(writable)))
    writable.texts.clear()
    try:
        check_change(request, writable.send(request))
        assert not [text for text in writable.texts if TOKENS.search(text)]
    except BaseException:
        print(request)
        raise


@given(data=st.data())
@asking
def test_what_is_deleted_is_what_a_read_shows(writable: World, data: st.DataObject) -> None:
    """A representation takes its rows from the change: filters, select and embeds as in a read."""
    read = data.draw(reads(catalog_of(writable)))
    if read.method != "GET" or b"limit" in read.target or b"offset" in read.target:
        return
    profile = tuple(value for name, value in read.headers if name == b"Accept-Profile")
    # A relation may have a media type of its own.
    json_wanted = encode(("Accept", "application/json"))
    read = read._replace(
        headers=(*json_wanted, *encode(*(("Accept-Profile", value.decode()) for value in profile)))
    )
    named = encode(*(("Content-Profile", value.decode()) for value in profile))
    preferred = encode(("Prefer", "return=representation"))
    delete = Request("DELETE", read.target, (*json_wanted, *named, *preferred))
    shown, deleted = writable.send(read), writable.send(delete)
    if shown.status != 200 or deleted.status != 200 or shows_otherwise(read):
        return
    try:
        assert sorted(rows_of(deleted)) == sorted(rows_of(shown))
    except BaseException:
        print(read)
        raise


def rows_of(answered: Answer) -> list[str]:
    return [json.dumps(row) for row in json.loads(answered.body)]


def shows_otherwise(read: Request) -> bool:
    """Whether an embedded resource decides which rows are shown, which it does not for a change.

    Nor does a change show every column where nothing is selected, but the key (reference 7.2).
    """
    return any(word in read.target for word in (b"!inner", b"is.null", b".or=", b".and=", b"select=&")) or (
        read.target.endswith(b"select=")
    )

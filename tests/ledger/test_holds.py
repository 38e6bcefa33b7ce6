"""Holds in the ledger: once per table, for all replicas, written down when put and when taken."""

import time
from collections.abc import AsyncIterator, Callable

import pytest

from proxy.ledger.database import LedgerDatabase, LedgerDown
from proxy.ledger.holds import LedgerHolds, note_change
from proxy.ledger.read import list_changes
from proxy.shadow.guard import Hold

HOLD = Hold("storage", 900.0, "mismatches", "1 proven mismatch within 1 min")
MakeHolds = Callable[[str], LedgerHolds]


@pytest.fixture
async def make_holds(url: str) -> AsyncIterator[MakeHolds]:
    made: list[LedgerHolds] = []

    def make(replica: str) -> LedgerHolds:
        made.append(LedgerHolds(LedgerDatabase(url, create=True), replica, lambda: 1000.0))
        return made[-1]

    yield make
    for holds in made:
        await holds.close()


async def test_a_hold_of_one_replica_is_everybodys(make_holds: MakeHolds) -> None:
    one, other = make_holds("one"), make_holds("other")
    assert await other.list() == {}
    await one.put(HOLD)
    assert await other.list() == {"storage": HOLD}


async def test_who_was_first_counts(make_holds: MakeHolds) -> None:
    one, other = make_holds("one"), make_holds("other")
    await one.put(HOLD)
    await other.put(Hold("storage", 950.0, "errors", "5 engine errors"))
    assert await one.list() == {"storage": HOLD}


async def test_a_hold_is_taken_once_by_a_person(url: str, make_holds: MakeHolds) -> None:
    holds = make_holds("one")
    await holds.put(HOLD)
    await holds.remove("storage", "anna", "fixed in 1.2")
    await holds.remove("storage", "anna", "again")
    assert await holds.list() == {}
    database = LedgerDatabase(url, create=False)
    taken, put = await holds._apart(lambda: database.read(list_changes))
    await holds._apart(database.close)
    assert (put.at, put.before, put.after, put.who, put.why) == (900.0, "engine", "held", "guard", HOLD.words)
    assert (taken.at, taken.before, taken.after, taken.who, taken.why) == (
        1000.0,
        "held",
        "re-armed",
        "anna",
        "fixed in 1.2",
    )


async def test_a_change_by_way_of_the_file_is_written_down_with_who_and_why(
    url: str, make_holds: MakeHolds
) -> None:
    holds = make_holds("one")
    await holds._write(
        lambda connection: note_change(
            connection, "storage", "shadow", "canary 10 %", "anna@ops", "first one", 5.0
        )
    )
    database = LedgerDatabase(url, create=False)
    (change,) = await holds._apart(lambda: database.read(list_changes))
    await holds._apart(database.close)
    assert (change.table, change.after, change.who) == ("storage", "canary 10 %", "anna@ops")


async def test_a_ledger_that_is_gone_says_so() -> None:
    holds = LedgerHolds(LedgerDatabase("sqlite:////nowhere/at/all.db", create=True), "one", time.time)
    with pytest.raises(LedgerDown):
        await holds.put(HOLD)
    with pytest.raises(LedgerDown):
        await holds.list()
    await holds.close()

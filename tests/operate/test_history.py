"""What happened lately, per table and in slots of time."""

import pytest

from proxy.events import Judged, Served, SideAnswered, Skipped
from proxy.operate.history import EMPTY, SECONDS, SLOTS, TABLES, History, Moment


class Clock:
    now = 1000 * SECONDS

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def served(table: str = "storage", by: str = "upstream", *, read: bool = True) -> Served:
    assert by in ("upstream", "engine")
    side = "engine" if by == "engine" else "upstream"
    return Served(table, "GET", "shadow", read, "engine" if side == "engine" else "upstream", 200, 0.1, 0.0)


def test_reads_are_counted_by_who_answered_and_verdicts_by_what_they_come_to(clock: Clock) -> None:
    history = History(clock)
    for event in (
        *(served(), served(by="engine"), served(by="engine"), served(read=False)),
        *(Judged("storage", "match", ""), Judged("storage", "equivalent", "")),
        *(Judged("storage", "mismatch", ""), Judged("storage", "race", "")),
        *(Judged("storage", "failed", ""), Judged("storage", "unsupported", "")),
        Skipped("storage", "mode"),
    ):
        history.listen(event)
    *before, now = history.report("storage")
    assert now == Moment(1, 2, 2, 1, 1, 2)
    assert before == [EMPTY] * (SLOTS - 1)
    assert history.report("another") == (EMPTY,) * SLOTS


def test_times_are_those_in_the_middle_not_the_mean(clock: Clock) -> None:
    history = History(clock)
    for seconds in (0.001, 0.01, 10.0):
        history.listen(SideAnswered("storage", "upstream", seconds))
    history.listen(SideAnswered("storage", "engine", 0.5))
    history.listen(SideAnswered("storage", "engine", 0.0))
    now = history.report("storage")[-1]
    assert now.upstream_seconds == pytest.approx(0.0464, rel=0.01)
    assert now.engine_seconds == pytest.approx(0.5)


def test_a_moment_moves_back_with_time_and_is_forgotten(clock: Clock) -> None:
    history = History(clock)
    history.listen(served())
    clock.now += 3 * SECONDS
    history.listen(served())
    assert [moment.upstream for moment in history.report("storage")[-5:]] == [0, 1, 0, 0, 1]
    clock.now += (SLOTS - 1) * SECONDS
    assert [moment.upstream for moment in history.report("storage")[:2]] == [1, 0]
    clock.now += SECONDS
    assert history.report("storage") == (EMPTY,) * SLOTS


def test_there_is_room_for_so_many_tables_and_moments(clock: Clock) -> None:
    history = History(clock)
    for number in range(TABLES + 5):
        history.listen(served(f"t{number}"))
    assert sum(history.report(f"t{number}")[-1].upstream for number in range(TABLES + 5)) == TABLES
    for _ in range(3 * SLOTS):
        clock.now += SECONDS
        history.listen(served("t0"))
    assert [moment.upstream for moment in history.report("t0")] == [1] * SLOTS

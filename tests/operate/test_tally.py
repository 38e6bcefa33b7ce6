"""The tally: every read is accounted for, whatever happens."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from proxy.events import (
    Event,
    FellBack,
    Judged,
    ModeChanged,
    OutcomeLost,
    RehearsalVerdict,
    Rehearsed,
    Served,
    Shed,
    ShedReason,
    Side,
    SideAnswered,
    Skipped,
    SkipReason,
    Unrehearsed,
    UnrehearsedReason,
    Verdict,
)
from proxy.operate.tally import WRITE_REASON, TableTally, Tally

TABLES = ("storage", "location", "other")


def served(table: str, read: bool = True, answered_by: Side = "upstream") -> Served:
    return Served(table, "GET" if read else "POST", "shadow", read, answered_by, 200, 0.01, 0.001)


def tally(*events: Event) -> dict[str, TableTally]:
    counts = Tally()
    for event in events:
        counts.listen(event)
    return {table.table: table for table in counts.report()}


ends: st.SearchStrategy[tuple[Event, ...]] = st.one_of(
    st.builds(lambda table, verdict: (served(table), Judged(table, verdict, "GET /")), *(
        st.sampled_from(TABLES), st.sampled_from(get_args(Verdict)))),
    st.builds(lambda table, reason: (served(table), Shed(table, reason)), *(
        st.sampled_from(TABLES), st.sampled_from(get_args(ShedReason)))),
    st.builds(lambda table, reason: (served(table, reason != WRITE_REASON), Skipped(table, reason)), *(
        st.sampled_from(TABLES), st.sampled_from(get_args(SkipReason)))),
    st.sampled_from(TABLES).map(lambda table: (served(table, read=False),)),
    st.sampled_from(TABLES).map(
        lambda table: (FellBack(table, "timeout"), served(table), Skipped(table, "fell_back"))
    ),
)  # fmt: skip


@given(st.lists(ends), st.randoms(use_true_random=False))
def test_reads_are_verdicts_and_skipped_and_shed_in_whatever_order_they_are_told(
    requests: list[tuple[Event, ...]], chance: object
) -> None:
    events = [event for request in requests for event in request]
    chance.shuffle(events)  # type: ignore[attr-defined]
    for table in tally(*events).values():
        assert table.pending == 0
        assert table.reads == sum(table.verdicts.values()) + sum(table.skipped.values()) + sum(
            table.shed.values()
        )
    reads = sum(isinstance(event, Served) and event.read for event in events)
    assert sum(table.reads for table in tally(*events).values()) == reads


def test_a_read_whose_end_is_not_known_is_pending() -> None:
    assert tally(served("storage"), served("storage"), Shed("storage", "queue"))["storage"].pending == 1


def test_writes_are_counted_apart() -> None:
    storage = tally(served("storage", read=False), Skipped("storage", "method"))["storage"]
    assert (storage.reads, storage.writes, storage.pending) == (0, 1, 0)


def test_who_answered_and_who_stood_in_is_counted() -> None:
    storage = tally(
        served("storage", answered_by="engine"),
        Skipped("storage", "mode"),
        FellBack("storage", "failed"),
        served("storage"),
        Skipped("storage", "fell_back"),
    )["storage"]
    assert (storage.engine_served, storage.fallbacks["failed"], storage.pending) == (1, 1, 0)


def test_every_verdict_and_reason_is_in_the_report() -> None:
    storage = tally(served("storage"))["storage"]
    assert set(storage.verdicts) == set(get_args(Verdict))
    assert set(storage.skipped) == set(get_args(SkipReason)) - {"method"}
    assert set(storage.shed) == set(get_args(ShedReason))


def test_other_events_are_no_tables() -> None:
    assert tally(SideAnswered("x", "engine", 1.0), ModeChanged("y", "reads", "shadow", "engine")) == {}


def write(mode: str = "rehearse") -> Served:
    return Served("storage", "POST", mode, False, "upstream", 201, 0.1, 0.0)


rehearsal_ends: st.SearchStrategy[Event] = st.one_of(
    st.sampled_from(get_args(RehearsalVerdict)).map(lambda one: Rehearsed("storage", one, "POST /storage")),
    st.sampled_from(get_args(UnrehearsedReason)).map(lambda one: Unrehearsed("storage", one)),
)


@given(st.lists(rehearsal_ends), st.integers(0, 3), st.randoms(use_true_random=False))
def test_writes_in_rehearsal_are_verdicts_and_reasons_and_no_part_of_the_reads(
    ends: list[Event], others: int, chance: object
) -> None:
    events = [*ends, *(write() for _ in ends), *(write("engine") for _ in range(others)), served("storage")]
    chance.shuffle(events)  # type: ignore[attr-defined]
    storage = tally(*events)["storage"]
    assert storage.to_rehearse == len(ends)
    assert storage.to_rehearse == sum(storage.rehearsals.values()) + sum(storage.unrehearsed.values())
    assert (storage.reads, storage.settled, storage.writes) == (1, 0, len(ends) + others)


def test_writes_of_unknown_outcome_are_counted() -> None:
    storage = tally(write(), OutcomeLost("storage", "engine"), OutcomeLost("storage", "upstream"))["storage"]
    assert storage.unknown_outcomes == 2
    assert set(storage.rehearsals) == set(get_args(RehearsalVerdict))
    assert set(storage.unrehearsed) == set(get_args(UnrehearsedReason))

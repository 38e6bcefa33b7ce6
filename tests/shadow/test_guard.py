"""When a table is held back: errors, latency and proven mismatches in a window that slides."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.config import GuardConfig
from proxy.shadow.guard import Guard, Sign, Trip

LIMITS = GuardConfig()


def note(guard: Guard, sign: Sign, number: int, now: float = 0.0, table: str = "storage") -> list[Trip]:
    trips = [guard.note(table, sign, now, LIMITS) for _ in range(number)]
    return [trip for trip in trips if trip is not None]


def test_the_first_proven_mismatch_is_one_too_many() -> None:
    assert note(Guard(), "mismatch", 1) == [Trip("storage", "mismatches", "1 proven mismatch within 1 min")]


def test_as_many_mismatches_as_are_allowed_are_borne() -> None:
    guard, limits = Guard(), GuardConfig(max_mismatches=2)
    trips = [guard.note("storage", "mismatch", 0.0, limits) for _ in range(3)]
    assert [trip is None for trip in trips] == [True, True, False]


def test_a_broken_engine_is_held_at_the_fifth_error() -> None:
    guard = Guard()
    assert note(guard, "failed", 4) == []
    assert note(guard, "failed", 1) == [
        Trip("storage", "errors", "5 engine errors of 5 requests within 1 min, over the limit 0.01")
    ]


def test_errors_within_the_limit_are_borne_and_beyond_it_they_are_not() -> None:
    guard = Guard()
    assert note(guard, "answered", 990) == []
    assert note(guard, "failed", 10) == []
    assert [trip.reason for trip in note(guard, "failed", 1)] == ["errors"]


def test_slow_answers_count_by_a_limit_of_their_own() -> None:
    guard = Guard()
    assert note(guard, "answered", 96) == []
    assert note(guard, "slow", 5) == []
    assert note(guard, "slow", 1) == [
        Trip(
            "storage",
            "latency",
            "6 answers slower than 1 s of 102 requests within 1 min, over the limit 0.05",
        )
    ]


def test_what_is_older_than_the_window_counts_no_more() -> None:
    guard = Guard()
    assert note(guard, "failed", 4, now=0.0) == []
    assert note(guard, "failed", 4, now=61.0) == []
    assert [trip.reason for trip in note(guard, "failed", 1, now=62.0)] == ["errors"]


def test_old_answers_do_not_hide_new_errors_for_longer_than_the_window() -> None:
    guard = Guard()
    assert note(guard, "answered", 100_000, now=0.0) == []
    assert note(guard, "failed", 6, now=30.0) == []
    assert [trip.reason for trip in note(guard, "answered", 1, now=70.0)] == ["errors"]


def test_tables_are_watched_apart() -> None:
    guard = Guard()
    assert note(guard, "failed", 4, table="storage") + note(guard, "failed", 4, table="location") == []


def test_after_a_trip_the_window_begins_anew() -> None:
    guard = Guard()
    assert len(note(guard, "failed", 5)) == 1
    assert note(guard, "failed", 4) == []
    guard.forget("storage")
    assert note(guard, "failed", 4) == []


@given(
    st.lists(
        st.tuples(st.sampled_from(("answered", "slow", "failed")), st.floats(0, 5)), min_size=1, max_size=300
    )
)
def test_the_window_counts_what_a_list_of_everything_would(signs: list[tuple[Sign, float]]) -> None:
    """Exact but for the width of one slot, by which what is old may be forgotten late or early."""
    limits = GuardConfig(window=20.0, max_error_rate=0.3, max_slow_rate=0.3, min_errors=3)
    guard, seen, now = Guard(), list[tuple[float, Sign]](), 0.0
    slot = limits.window / 60
    for sign, wait in signs:
        now += wait
        seen.append((now, sign))
        trip = guard.note("storage", sign, now, limits)

        def count(wanted: Sign, reach: float, now: float = now) -> int:
            return sum(1 for at, one in seen if one == wanted and at > now - reach)

        short, long = limits.window - slot, limits.window + slot
        if trip is not None:
            beyond: Sign = "failed" if trip.reason == "errors" else "slow"
            assert count(beyond, long) >= limits.min_errors
            seen.clear()
        else:
            for one in ("failed", "slow"):
                most = sum(count(other, long) for other in ("answered", "slow", "failed"))
                assert not (count(one, short) >= limits.min_errors and count(one, short) > 0.3 * most)

"""What repeats something shortly before is not fresh, in bounded memory."""

from proxy.shadow.freshness import Freshness


def test_a_repetition_is_fresh_again_after_a_window_or_two() -> None:
    freshness = Freshness(window=60.0)
    assert freshness.note("a", 1000.0)
    assert not freshness.note("a", 1059.0)
    assert freshness.note("b", 1059.0)
    assert not freshness.note("b", 1061.0)
    assert not freshness.note("a", 1061.0)
    assert freshness.note("a", 1200.0)


def test_a_poll_that_never_pauses_is_never_fresh_again() -> None:
    freshness = Freshness(window=60.0)
    assert [freshness.note("a", 1000.0 + 30 * step) for step in range(100)] == [True] + [False] * 99


def test_after_a_long_silence_nothing_is_remembered() -> None:
    freshness = Freshness(window=60.0)
    freshness.note("a", 1000.0)
    assert freshness.note("a", 1000.0 + 3600)


def test_without_room_nothing_is_fresh() -> None:
    freshness = Freshness(window=60.0, most=3)
    assert [freshness.note(number, 1000.0) for number in range(5)] == [True, True, True, False, False]
    assert freshness.note(4, 1060.0)

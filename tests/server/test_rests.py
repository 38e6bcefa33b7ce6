"""Shapes that are left alone for a while."""

from proxy.server.rests import MOST_SHAPES, Rests


def test_a_shape_rests_until_its_time_is_over_and_others_do_not() -> None:
    rests = Rests()
    assert not rests
    rests.begin("GET a", 10.0)
    assert rests
    assert rests.has("GET a", 9.9)
    assert not rests.has("GET b", 9.9)
    assert not rests.has("GET a", 10.0)
    assert not rests


def test_of_the_newest_thousand_it_is_known() -> None:
    rests = Rests()
    for number in range(MOST_SHAPES + 1):
        rests.begin(f"GET {number}", 10.0)
    assert not rests.has("GET 0", 0.0)
    assert rests.has("GET 1", 0.0)
    assert rests.has(f"GET {MOST_SHAPES}", 0.0)

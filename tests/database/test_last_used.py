"""What was used last stays, as far as there is room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.database.last_used import LastUsed


def test_what_was_used_longest_ago_makes_room() -> None:
    kept: LastUsed[str, int] = LastUsed(3)
    assert [kept.put(key, number) for number, key in enumerate("abc")] == [[], [], []]
    assert kept["a"] == 0
    assert kept.put("d", 3) == [1]
    with pytest.raises(KeyError):
        kept["b"]
    assert kept.put("e", 4, size=2) == [2, 0]
    assert (kept["d"], kept["e"]) == (3, 4)


def test_the_newest_is_kept_whatever_its_size() -> None:
    kept: LastUsed[str, int] = LastUsed(3)
    kept.put("a", 0)
    assert kept.put("b", 1, size=1000) == [0]
    assert kept["b"] == 1
    assert kept.put("c", 2) == [1]


def test_none_is_a_value() -> None:
    kept: LastUsed[str, None] = LastUsed(1)
    kept.put("a", None)
    assert kept["a"] is None


STEPS = st.lists(
    st.tuples(st.sampled_from(["put", "get", "drop", "clear"]), st.integers(0, 8), st.integers(0, 5))
)


@given(STEPS)
def test_nothing_is_lost_but_what_is_given_back_and_there_is_never_more_than_room(
    steps: list[tuple[str, int, int]],
) -> None:
    kept: LastUsed[int, tuple[int, int]] = LastUsed(10)
    there: dict[int, tuple[int, int]] = {}
    for number, (step, key, size) in enumerate(steps):
        if step == "put":
            value = (number, size)
            there.pop(key, None)
            there[key] = value
            for gone in kept.put(key, value, size):
                assert there.pop(next(iter(there))) == gone, "the one used longest ago"
            assert sum(size for _, size in there.values()) <= 10 or len(there) == 1
        elif step == "drop":
            there.pop(key, None)
            kept.drop(key)
        elif step == "clear":
            assert kept.clear() == list(there.values())
            there.clear()
        elif key in there:
            there[key] = there.pop(key)
            assert kept[key] == there[key]
        assert len(kept) == len(there)

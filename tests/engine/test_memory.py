"""What is remembered, in a bounded space."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.engine.sql.memory import Memory


def make(space: int) -> Memory[str, str]:
    return Memory(space, lambda key, value: len(value))


def test_what_was_used_least_lately_goes_first() -> None:
    memory = make(64)
    for number in range(64):
        memory.put(f"k{number}", "x")
    assert memory.get("k0") == "x"
    memory.put("new", "x")
    assert (memory.get("k0"), memory.get("k1"), memory.get("new")) == ("x", None, "x")
    assert (memory.lookups, memory.hits, memory.used) == (4, 3, 64)


def test_what_would_drive_out_too_much_is_not_kept() -> None:
    memory = make(640)
    memory.put("small", "x" * 10)
    memory.put("large", "x" * 11)
    assert (memory.get("small"), memory.get("large")) == ("x" * 10, None)


def test_what_is_forgotten_takes_no_space() -> None:
    memory = make(640)
    memory.put("a", "x")
    memory.clear()
    assert (memory.get("a"), memory.used, len(memory)) == (None, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 20), st.text("x", max_size=12))))
def test_it_is_never_fuller_than_it_may_be_and_never_wrong(entries: list[tuple[int, str]]) -> None:
    memory: Memory[int, str] = Memory(640, lambda key, value: 10 * len(value))
    first: dict[int, str] = {}
    for key, text in entries:
        known = memory.get(key)
        assert known is None or known == first[key]
        if known is None:
            first[key] = text
            memory.put(key, text)
        assert memory.used <= 640

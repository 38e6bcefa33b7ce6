"""What readings, one after the other, come to. Whatever is written meanwhile, it must not deceive."""

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.difference import Difference
from proxy.messages import Answer
from proxy.reading import BOUND, Reading
from proxy.shadow.compare import compare
from proxy.shadow.parts import SAMPLE, Fact, Parts, find_field, find_parts
from proxy.shadow.proof import (
    HALVINGS,
    QUIET_ROUNDS,
    Case,
    Round,
    Ruling,
    add_round,
    find_proven,
    narrow,
    open_case,
    rule,
)
from tests.shadow.answers import answer, any_answers, any_requests, get

KEYED = Reading(key=("id",))
PRICE = ("row", "[b'1']", "price")
WRONG = Fact(PRICE, 1, 2)
ABSENT: Parts = frozenset()


def parts(*facts: Fact) -> Parts:
    return frozenset(facts)


def play(first: Parts, *rounds: Round) -> tuple[Case, Ruling | None]:
    """The case and the ruling after the rounds, none of which may come after a ruling."""
    case = open_case(first)
    ruling: Ruling | None = None
    for one in rounds:
        assert ruling is None
        case = add_round(case, one)
        ruling = rule(case)
    return case, ruling


def busy(*facts: Fact) -> Round:
    return Round(parts(*facts), agreed=False)


def quiet(*facts: Fact, noise: Parts = ABSENT) -> Round:
    return Round(parts(*facts), agreed=False, noise=noise)


AGREED = Round(ABSENT, agreed=True)


def test_an_agreement_makes_it_a_race() -> None:
    assert play(parts(WRONG), AGREED)[1] == "race"
    assert play(parts(WRONG), busy(WRONG), busy(WRONG), AGREED)[1] == "race"


def test_quiet_rounds_prove_a_mismatch() -> None:
    case, ruling = play(parts(WRONG), *[quiet(WRONG)] * QUIET_ROUNDS)
    assert ruling == "mismatch"
    assert find_proven(case) == {("row", "price")}


def test_busy_rounds_prove_it_when_they_are_many() -> None:
    assert play(parts(WRONG), *[busy(WRONG)] * (HALVINGS - 1))[1] is None
    assert play(parts(WRONG), *[busy(WRONG)] * HALVINGS)[1] == "mismatch"


def test_many_candidates_need_more_rounds() -> None:
    others = [Fact(("row", f"[b'{n}']", "qty"), n, n + 1) for n in range(1, 64)]
    first = parts(WRONG, *others)
    assert play(first, *[busy(WRONG)] * (HALVINGS + 5))[1] is None
    assert play(first, *[busy(WRONG)] * (HALVINGS + 6))[1] == "mismatch"


def test_a_fact_that_turns_round_begins_anew() -> None:
    turned = Fact(PRICE, 2, 1)
    rounds = [busy(WRONG), busy(turned)] * HALVINGS
    assert play(parts(WRONG), *rounds)[1] is None


def test_a_value_that_the_upstream_makes_up_is_volatile() -> None:
    assert play(parts(WRONG), quiet(Fact(PRICE, 3, 4), noise=parts(Fact(PRICE, 3, 5))))[1] == "volatile"


def test_beside_a_volatile_field_a_mismatch_is_still_one() -> None:
    seen = ("row", "[b'1']", "seen")
    rounds = [
        quiet(WRONG, Fact(seen, n, -n), noise=parts(Fact(seen, n, n + 100)))
        for n in range(1, QUIET_ROUNDS + 1)
    ]
    case, ruling = play(parts(WRONG, Fact(seen, 50, 60)), *rounds)
    assert ruling == "mismatch"
    assert find_proven(case) == {("row", "price")}


def test_places_are_cleared_one_by_one() -> None:
    other = Fact(("row", "[b'2']", "price"), 1, 2)
    third = Fact(("row", "[b'3']", "price"), 5, 6)
    assert play(parts(WRONG, other), busy(other, third), busy(third))[1] == "race"


@pytest.mark.parametrize(
    "coarse",
    [
        Fact(("status",), 200, 500),
        Fact(("body",), 1, 2),
        Fact(("rows",), 1, 2),
        Fact(("row", "[b'1']"), 1, 0),
        Fact(("row", "", "price"), 1, 0),
        Fact(("whole",), 1, 2),
    ],
)
def test_a_place_is_not_cleared_by_what_differs_as_a_whole(coarse: Fact) -> None:
    case, ruling = play(parts(WRONG), busy(coarse))
    assert ruling is None
    assert case.open == {PRICE}


def test_a_header_is_cleared_whatever_the_body_does() -> None:
    count = Fact(("headers", "content-range"), 1, 2)
    case, _ = play(parts(count, WRONG), busy(WRONG))
    assert case.open == {PRICE}


def test_only_the_proven_differences_are_told() -> None:
    price = Difference("body", "$[3].price", "1.10", "1.1", "format")
    qty = Difference("body", "$[4].qty.n", "1", "2")
    status = Difference("status", "", "200", "206")
    length = Difference("body", "$", "3 items", "2 items", "count")
    gone = Difference("body", "$[2]", "{}", "(absent)", "missing")
    told = (status, price, qty, length, gone)
    assert narrow(told, frozenset({("row", "price")})) == (price,)
    assert narrow(told, frozenset({("row",)})) == (price, qty, length, gone)
    assert narrow(told, frozenset({("status",)})) == (status,)
    assert narrow(told, frozenset({("headers", "x")})) == told
    order = Difference("order", "$[1].part", "the same rows", "in another order", "order")
    assert narrow((qty, order), frozenset({("row", "part")})) == (order,)
    rows = Difference("order", "$", "the same rows", "in another order", "order")
    assert narrow((rows, qty, length), frozenset({("order",)})) == (rows,)
    assert narrow((rows, qty, length), frozenset({("row", "qty")})) == (qty,)


@given(any_requests, any_answers, any_answers)
def test_every_mismatch_has_parts(request: object, one: Answer, other: Answer) -> None:
    if compare(request, one, other).verdict == "mismatch":  # type: ignore[arg-type]
        there = find_parts(request, one, other)  # type: ignore[arg-type]
        back = find_parts(request, other, one)  # type: ignore[arg-type]
        assert there
        assert {fact.place for fact in there} == {fact.place for fact in back}
        turned = {replace(fact, upstream=fact.engine, engine=fact.upstream) for fact in back}
        assert all(fact in turned for fact in there) or {("status",)} & {find_field(f.place) for f in there}


def test_when_everything_differs_each_field_is_one_fact() -> None:
    one = answer(json.dumps([{"id": key, "v": 1, "w": 1} for key in range(3000)]))
    other = answer(json.dumps([{"id": key, "v": 2, "w": 1} for key in range(3000)]))
    found = find_parts(get(), one, other, KEYED)
    assert {find_field(fact.place) for fact in found} == {("row", "v")}
    (fact,) = (fact for fact in found if fact.place == ("row", "*", "v"))
    assert len(found) == SAMPLE + 1
    few = answer(json.dumps([{"id": key, "v": 1 + key % 2, "w": 1} for key in range(3000)]))
    there, again = find_parts(get(), one, few, KEYED), find_parts(get(), one, few, KEYED)
    assert len(there) == 1500
    assert there == again
    # What was known of rows is neither cleared nor confirmed by what is known of a field.
    case, ruling = play(there, busy(fact))
    assert (ruling, len(case.open)) == (None, 1500)


def test_rows_in_the_wrong_order_are_told_pair_by_pair_so_that_writers_do_not_hide_them() -> None:
    one = answer(json.dumps([{"id": key, "v": 1} for key in range(6)]))
    other = answer(json.dumps([{"id": key, "v": 1} for key in (1, 0, 2, 3, 5, 4)]))
    later = answer(json.dumps([{"id": key, "v": 7 if key == 2 else 1} for key in (1, 0, 2, 3, 5, 4)]))
    there, then = find_parts(get(), one, other, KEYED), find_parts(get(), one, later, KEYED)
    assert {fact.place for fact in there} == {("order",)}
    assert len(there) == 2
    assert there <= then


def test_rows_that_tie_prove_nothing_by_their_order() -> None:
    tied = Reading("partial", ("v",), ("id",))
    one = answer('[{"id":1,"v":1},{"id":2,"v":1},{"id":3,"v":2},{"id":4,"v":2}]')
    other = answer('[{"id":2,"v":1},{"id":1,"v":1},{"id":4,"v":2},{"id":3,"v":5}]')
    assert {fact.place for fact in find_parts(get(), one, other, tied)} == {("row", "[b'3']", "v")}
    turned = answer('[{"id":3,"v":2},{"id":4,"v":2},{"id":1,"v":1},{"id":2,"v":1}]')
    assert {fact.place for fact in find_parts(get(), one, turned, tied)} == {("order",)}


Table = dict[int, int]
State = Callable[[Table], str]


def show(table: Table) -> str:
    """The rows of the table as both sides would answer them."""
    return json.dumps([{"id": key, "v": value} for key, value in sorted(table.items())])


def show_wrongly(table: Table) -> str:
    """The same with a fault: threes are fours, where the row is odd."""
    wrong = {key: 4 if value == 3 and key % 2 else value for key, value in table.items()}
    return show(wrong)


class Shop:
    """A table that changes before every reading, and often back; readings of both sides of it."""

    def __init__(self, chance: Random, rows: int, changes: float, values: int, engine: State) -> None:
        self._chance = chance
        self._table = {key: chance.randrange(values) for key in range(rows)}
        self._changes = changes
        self._values = values
        self._engine = engine

    def _read(self, state: State) -> Answer:
        while self._chance.random() < self._changes:
            key = self._chance.randrange(len(self._table) + 1)
            if key in self._table and self._chance.random() < 0.1 and len(self._table) > 1:
                del self._table[key]
            else:
                self._table[key] = self._chance.randrange(self._values)
        return answer(state(self._table))

    def judge(self, reading: Reading, most_rounds: int) -> Ruling | str | None:
        first = self._read(show), self._read(self._engine)
        if compare(get(), *first, reading).verdict != "mismatch":
            return "match"
        case = open_case(find_parts(get(), *first, reading))
        for _ in range(most_rounds):
            if self._chance.random() < 0.5:
                upstream, engine = self._read(show), self._read(self._engine)
            else:
                engine = self._read(self._engine)
                upstream = self._read(show)
            agreed = compare(get(), upstream, engine, reading).verdict != "mismatch"
            found = ABSENT if agreed else find_parts(get(), upstream, engine, reading)
            case = add_round(case, Round(found, agreed))
            ruling = rule(case)
            if ruling is not None:
                return ruling
        return None


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 6),
    st.floats(0.1, 0.95),
    st.integers(1, 3),
    st.sampled_from([KEYED, BOUND, Reading("open"), Reading("open", limit=3)]),
)
def test_two_sides_that_are_the_same_are_never_a_mismatch_whatever_is_written(
    seed: int, rows: int, changes: float, values: int, reading: Reading
) -> None:
    shop = Shop(Random(seed), rows, changes, values, show)
    for _ in range(20):
        assert shop.judge(reading, 120) != "mismatch"


def test_a_fault_in_a_row_that_stays_is_found_in_almost_every_reading() -> None:
    shop = Shop(Random(2), 200, 0.5, 4, show_wrongly)
    rulings = [shop.judge(KEYED, 120) for _ in range(20)]
    assert rulings.count("mismatch") >= 15
    assert "match" not in rulings

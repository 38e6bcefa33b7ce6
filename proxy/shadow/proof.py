"""Prove a difference, or clear it: what readings of both sides, one after the other, come to.

A *round* reads both sides once more. It is *quiet* if nothing was committed meanwhile: then both read the
same database, and a difference is none of a race. In a quiet round the upstream is read twice, and a field
in which it disagrees with itself is *volatile*.

Where the database is never quiet, rounds count: the side that is read first is drawn by lot. Were both sides
the same function of the database, then, whatever is written when, a certain difference (*this* value on the
one side, *that* value on the other) would come out the other way round for half of the draws at least; so
each further round that shows it the same way halves the chance that it is a race. A difference that many
facts could have shown needs as many halvings more.

A place that differed is cleared when a later round agrees on it. When all are, the reading was a race.
"""

import re
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Literal, TypeAlias

from proxy.difference import Difference
from proxy.shadow.parts import Fact, Parts, Place, find_field

QUIET_ROUNDS = 4
"""So many quiet rounds show a fact: one leaves no race, the others no value that is made up each time."""

HALVINGS = 24
"""One chance in 2^24, at the very most, that rounds which were not quiet deceive."""

STEP = re.compile(r"\$(?P<index>\[[0-9]+\])?(?:\.(?P<name>\w+))?")

Ruling: TypeAlias = Literal["mismatch", "race", "volatile"]


@dataclass(frozen=True, slots=True)
class Round:
    """One more reading of both sides.

    ``agreed``: as a whole they differ in nothing that matters. ``noise``: the parts in which the upstream
    disagreed with itself while nothing was committed; None where that is not known, and the round not quiet.
    """

    parts: Parts
    agreed: bool
    noise: Parts | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a difference. ``seen`` and ``quiet`` count the rounds in a row that showed a fact."""

    open: frozenset[Place]
    seen: tuple[tuple[Fact, int, int], ...]
    candidates: int
    volatile: frozenset[Place] = frozenset()
    excused: bool = False
    agreed: bool = False


def open_case(parts: Parts) -> Case:
    """The case that a first reading makes. Its sides were read in a fixed order, so it counts for nothing."""
    return Case(frozenset(fact.place for fact in parts), tuple((fact, 0, 0) for fact in parts), len(parts))


def add_round(case: Case, round: Round) -> Case:
    """The case after one more round."""
    volatile = case.volatile | {find_field(fact.place) for fact in round.noise or ()}
    before = {fact: (seen, quiet) for fact, seen, quiet in case.seen}
    facts = [fact for fact in round.parts if find_field(fact.place) not in volatile]
    new = sum(fact not in before for fact in facts)
    is_quiet = round.noise is not None
    counted = []
    for fact in facts:
        seen, quiet = before.get(fact, (0, 0))
        # The round in which a fact is first seen chose it, and proves nothing about it by its order.
        counted.append((fact, seen + (fact in before), quiet + is_quiet))
    places = frozenset(fact.place for fact in round.parts)
    remaining = frozenset(place for place in case.open if not _is_cleared(place, places))
    still = frozenset(place for place in remaining if find_field(place) not in volatile)
    return replace(
        case,
        open=still,
        seen=tuple(counted),
        candidates=case.candidates + new,
        volatile=volatile,
        excused=case.excused or still != remaining,
        agreed=round.agreed,
    )


def rule(case: Case) -> Ruling | None:
    """What is settled; None if another round is needed."""
    if case.agreed or not case.open:
        return "volatile" if case.excused else "race"
    needed = _needed(case)
    return "mismatch" if any(_is_proven(seen, quiet, needed) for _, seen, quiet in case.seen) else None


def _is_cleared(place: Place, places: frozenset[Place]) -> bool:
    """Whether a round that differs at ``places`` agrees on ``place``.

    A body that differs in another manner, or as a whole, says nothing about its parts.
    """
    if any(place[:length] in places for length in range(1, len(place) + 1)):
        return False
    if place[0] in ("status", "headers"):
        return True
    manners = {_manner(other) for other in places if other[0] not in ("headers", "order")}
    return manners <= {_manner(place)} or (place == ("order",) and manners <= {"row"})


def _manner(place: Place) -> str:
    return {"": "columns", "*": "many"}.get(place[1], "row") if place[0] == "row" else place[0]


def find_proven(case: Case) -> frozenset[Place]:
    """The fields of the facts that are proven: what the mismatch is about, without races beside it."""
    needed = _needed(case)
    return frozenset(
        find_field(fact.place) for fact, seen, quiet in case.seen if _is_proven(seen, quiet, needed)
    )


def narrow(differences: tuple[Difference, ...], proven: frozenset[Place]) -> tuple[Difference, ...]:
    """Those of ``differences`` that are about a ``proven`` field; all, if none is."""
    kept = tuple(one for one in differences if _is_about(one, proven))
    return kept or differences


def _is_about(difference: Difference, proven: frozenset[Place]) -> bool:
    if difference.aspect == "status":
        return ("status",) in proven
    if difference.aspect == "headers":
        return ("headers", difference.path) in proven
    if (difference.aspect, difference.path) == ("order", "$"):
        return not proven.isdisjoint((("order",), ("rows",), ("whole",)))
    step = STEP.match(difference.path)
    if step is None or not proven.isdisjoint((("body",), ("rows",), ("whole",))):
        return True
    name = step["name"]
    if step["index"] is None:
        return not proven.isdisjoint({("body", name)} if name else {("row",), ("count",)})
    return not proven.isdisjoint({("row", name), ("row",)} if name else {("row",)})


def _is_proven(seen: int, quiet: int, needed: int) -> bool:
    return quiet >= QUIET_ROUNDS or seen >= needed


def _needed(case: Case) -> int:
    return HALVINGS + ceil(log2(max(1, case.candidates)))

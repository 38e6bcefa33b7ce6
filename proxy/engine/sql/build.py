"""From a plan's shape to SQL text, built and compiled once per shape."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from proxy.engine.plan.types import ReadShape, Value, walk_values
from proxy.engine.sql.elements import DIALECT, Slot
from proxy.engine.sql.read import make_read

Pins: TypeAlias = tuple[str | None, ...]
"""For each parameter the type it is cast to from text, or None to leave it as PostgreSQL infers it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text with ``$1`` to ``$parameters``; every parameter is passed as text."""

    sql: str
    parameters: int


@lru_cache(maxsize=2048)
def build_statement(shape: ReadShape, pins: Pins | None = None) -> Statement:
    """The statement for ``shape``. Without ``pins`` it is fit to be described, not to be run:

    values reach PostgREST's statements untyped, and what type PostgreSQL gives them decides results and
    error texts. So PostgreSQL is asked once per shape, and the types it names are pinned from then on.
    """
    slots: dict[int, Slot] = {}
    for value in walk_values(shape):
        number = len(slots) + 1
        slots.setdefault(id(value), Slot(number, None if pins is None else pins[number - 1]))

    def bind(value: Value) -> Slot:
        return slots[id(value)]

    pinned = [slot for slot in slots.values() if slot.pin is not None]
    compiled = make_read(shape, bind, pinned).compile(dialect=DIALECT)
    return Statement(str(compiled), len(slots))


def collect_values(shape: ReadShape) -> list[str]:
    """The literals of ``shape``, in the order of the statement's parameters; a NUL ends a literal."""
    return [value.text.partition("\0")[0] for value in walk_values(shape)]

"""From a plan's shape to SQL text, built and compiled once per shape."""

from dataclasses import dataclass
from functools import lru_cache

from proxy.engine.plan.resolve import until_nul
from proxy.engine.plan.types import ReadNode, Value, walk_values
from proxy.engine.plan.whole import CustomBody, Explain, Shape
from proxy.engine.sql.elements import DIALECT, Slot
from proxy.engine.sql.read import make_count
from proxy.engine.sql.statement import make_statement, name_columns


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text with ``$1`` to ``$parameters``.

    Every value is passed as text and untyped, as by PostgREST: what type PostgreSQL infers decides results,
    error texts and what the planner knows.
    """

    sql: str
    parameters: int


@lru_cache(maxsize=2048)
def build_statement(plan: Shape | ReadNode) -> Statement:
    """The statement for a shape; for a bare node one that asks how many rows of it the planner expects."""
    slots = _number(plan)

    def bind(value: Value) -> Slot:
        return slots[id(value)]

    if isinstance(plan, ReadNode):
        return Statement(
            f"EXPLAIN (FORMAT JSON) {make_count(plan, bind).compile(dialect=DIALECT)}", len(slots)
        )
    compiled = make_statement(plan, bind).compile(dialect=DIALECT)
    return Statement(_explain(plan.explain) + str(compiled), len(slots))


def _number(plan: Shape | ReadNode) -> dict[int, Slot]:
    slots: dict[int, Slot] = {}
    for value in walk_values(plan):
        slots.setdefault(id(value), Slot(len(slots) + 1))
    return slots


def _explain(explain: Explain | None) -> str:
    if explain is None:
        return ""
    parts = ["FORMAT JSON" if explain.json else "FORMAT TEXT", *map(str.upper, explain.options)]
    return f"EXPLAIN ({', '.join(parts)}) "


def collect_values(plan: Shape | ReadNode) -> list[str]:
    """The literals of ``plan``, in the order of the statement's parameters; a NUL ends a literal."""
    return [until_nul(value.text) for value in walk_values(plan)]


def find_binary(plan: Shape | ReadNode) -> tuple[bool, ...]:
    """Which columns of the statement's row are to come in binary form: a body that a function has made."""
    if isinstance(plan, ReadNode) or plan.explain is not None or not isinstance(plan.body, CustomBody):
        return ()
    return tuple(name == "body" for name in name_columns(plan))

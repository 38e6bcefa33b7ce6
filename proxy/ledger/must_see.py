"""The shapes that have to have been compared before a table is promoted, as people have pinned them."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from proxy.ledger.batch import clean
from proxy.ledger.tables import MUST_SEE
from proxy.shadow.scrub import scrub

MOST = 10_000
"""How many shapes are pinned at most."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A shape of a table, and where it was imported from."""

    table: str
    shape: str
    source: str


def pin_shapes(connection: Connection, pins: Iterable[Pin], who: str, now: float) -> int:
    """Pin shapes, as far as there is room; gives how many are new."""
    known = {(row.table_name, row.shape) for row in connection.execute(select(MUST_SEE))}
    rows = {
        (pin.table, scrub(clean(pin.shape))): {
            "source": clean(pin.source),
            "who": clean(who),
            "pinned_at": now,
        }
        for pin in pins
    }
    new = [
        {"table_name": table, "shape": shape, **row}
        for (table, shape), row in rows.items()
        if (table, shape) not in known
    ][: max(0, MOST - len(known))]
    if new:
        connection.execute(MUST_SEE.insert(), new)
    return len(new)


def unpin_shape(connection: Connection, shape: str) -> bool:
    """Pin ``shape`` no longer; whether it was."""
    return connection.execute(delete(MUST_SEE).where(MUST_SEE.c.shape == shape)).rowcount > 0


def list_pins(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The pinned shapes of each table, in order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in connection.execute(select(MUST_SEE).order_by(MUST_SEE.c.table_name, MUST_SEE.c.shape)):
        found[row.table_name].append(row.shape)
    return {table: tuple(shapes) for table, shapes in found.items()}

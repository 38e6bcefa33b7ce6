"""What a request promises about the rows of its answer: made by the engine, judged by the second opinion.

The two rooms do not know each other; this is the value that passes between them.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Order: TypeAlias = Literal["bound", "partial", "open"]


@dataclass(frozen=True, slots=True)
class Reading:
    """One list of rows, or one row, with the lists inside each row.

    ``order`` is ``bound`` where every row has its place, ``partial`` where rows may tie, ``open`` where
    nothing is promised. ``ties`` are the columns of the answer by which rows that tie are told, None where
    the answer does not show them. ``key`` are those of a unique key, none where it is not shown whole.
    ``offset`` and ``limit`` are the page. ``inside`` are the columns that hold rows themselves;
    ``spreads`` are groups of columns that hold the rows of one resource as parallel arrays.
    ``repeatable``: asking once more changes nothing and may be done; known of the outermost rows only.
    """

    order: Order = "bound"
    ties: tuple[str, ...] | None = None
    key: tuple[str, ...] = ()
    offset: int = 0
    limit: int | None = None
    inside: tuple[tuple[str, "Reading"], ...] = ()
    spreads: tuple[tuple[tuple[str, ...], "Reading"], ...] = ()
    repeatable: bool = True

    @property
    def settled(self) -> bool:
        """Whether the rows, and those inside them, are the same ones whatever order they come in."""
        whole = self.order == "bound" or (not self.offset and self.limit is None)
        inner = (reading for _, reading in (*self.inside, *self.spreads))
        return whole and all(reading.settled for reading in inner)

    def cuts_end(self, rows: int, total: int | None = None) -> bool:
        """Whether more rows may follow the ``rows`` that were answered; ``total`` is how many there are."""
        return self.limit is not None and rows >= self.limit and (total is None or total > self.offset + rows)

    def cuts(self, rows: int, total: int | None = None) -> bool:
        """Whether an answer of ``rows`` rows can be a part of the result, so that order chose the rows."""
        return self.offset > 0 or self.cuts_end(rows, total)


BOUND = Reading()
"""Everything has its place: errors, documents, and whatever is not rows."""

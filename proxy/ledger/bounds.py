"""How much the ledger keeps, in rows, bytes and days."""

from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits. What would go beyond is counted together, or not kept and counted as shed.

    ``shapes`` are per table and epoch, ``rows`` all rows of evidence, ``example_bytes`` all examples
    together, ``flush_bytes`` those that one flush adds. Retention is in seconds, counted from when something
    was last seen.
    """

    shapes: int = 2_000
    rows: int = 50_000
    signatures: int = 1_000
    example_bytes: int = 64 * 1024 * 1024
    flush_bytes: int = 512 * 1024
    changes: int = 10_000
    retention: float = 90 * DAY
    closed_retention: float = 30 * DAY


DEFAULT = Bounds()

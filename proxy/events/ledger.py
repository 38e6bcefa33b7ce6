"""Of the ledger, and of the mismatches kept in it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.messages import Request

LedgerKind: TypeAlias = Literal["evidence", "traffic", "mismatch", "example", "mode", "batch"]


@dataclass(frozen=True, slots=True)
class LedgerFlushed:
    """What was counted since the last time is in the ledger, or could not be written for now."""

    accepted: bool
    seconds: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class LedgerShed:
    """``count`` things were not kept, since the ledger has no room for them or was gone too long."""

    kind: LedgerKind
    count: int


@dataclass(frozen=True, slots=True)
class MismatchOpened:
    """A kind of mismatch is in the ledger that has no smallest request yet; ``request`` showed it."""

    table: str
    signature: str
    request: Request


@dataclass(frozen=True, slots=True)
class MismatchShrunk:
    """The smallest request found that still shows a kind of mismatch, after so many ``tries``."""

    table: str
    signature: str
    request: Request
    tries: int

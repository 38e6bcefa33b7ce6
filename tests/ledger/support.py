"""Events as the mirror emits them, and a ledger on a clock that stands still."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy import Connection

from proxy.difference import Difference
from proxy.events import Event, Judged, Verdict
from proxy.ledger.batch import MAX_BYTES, MAX_KEYS
from proxy.ledger.bounds import DEFAULT, Bounds
from proxy.ledger.database import LedgerDatabase
from proxy.ledger.ledger import Ledger
from proxy.messages import Answer, Request
from proxy.shadow.evidence import Conditions
from proxy.shadow.redaction.secrets import Redaction

Result = TypeVar("Result")

JSON = ((b"Content-Type", b"application/json; charset=utf-8"),)


def judged(verdict: Verdict = "match", table: str = "storage", **changes: Any) -> Judged:
    """A verdict on a read of ``table`` that took twice as long on the engine's side."""
    plain = Judged(table, verdict, "", (), 0.1, 0.2, shape=f"GET {table}", role="anon", status=200)
    return replace(plain, **changes)


def mismatch(signature: str = "body $.uri", table: str = "storage", **changes: Any) -> Judged:
    """A mismatch with all its messages."""
    messages = {
        "request": Request("GET", f"/{table}?limit=1".encode(), ((b"Authorization", b"Bearer a.b.c"),)),
        "upstream": Answer(200, JSON, b'[{"uri":"right"}]'),
        "engine": Answer(200, JSON, b'[{"uri":"wrong"}]'),
        "differences": (Difference("body", "$[0].uri", '"right"', '"wrong"'),),
        "signature": signature,
    }
    return judged("mismatch", table, **(messages | changes))


CONDITIONS = Conditions("schema", "0.1", "postgrest/14")
NOTHING = Redaction()


@dataclass
class Scene:
    """One replica with its ledger. Time stands still unless a test moves it."""

    url: str
    replica: str = "one"
    bounds: Bounds = DEFAULT
    max_keys: int = MAX_KEYS
    max_bytes: int = MAX_BYTES
    now: float = 1_000.0
    conditions: Conditions = CONDITIONS
    redaction: Redaction = NOTHING
    events: list[Event] = field(default_factory=list)
    ledger: Ledger = field(init=False)
    database: LedgerDatabase = field(init=False)

    def __post_init__(self) -> None:
        self.database = LedgerDatabase(self.url, create=True)
        self.ledger = Ledger(
            self.database,
            self.events.append,
            find_conditions=lambda table, upstream: replace(self.conditions, upstream=upstream),
            redaction=lambda: self.redaction,
            replica=self.replica,
            clock=lambda: 0.0,
            wall_clock=lambda: self.now,
            bounds=self.bounds,
            max_keys=self.max_keys,
            max_bytes=self.max_bytes,
        )

    async def flush(self, *events: Event) -> bool:
        """Have ``events`` counted and written."""
        for event in events:
            self.ledger.listen(event)
        return await self.ledger.flush()

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        return await self.ledger.read(work)

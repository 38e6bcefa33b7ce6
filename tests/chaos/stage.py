"""Database, upstream, ledger and proxy, with a relay before each of the first three."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from urllib.parse import urlsplit, urlunsplit

from proxy.app import Proxy, parse_config
from proxy.embedded import create_database, load_sql
from proxy.events import Event, Held, LedgerFlushed, Served
from tests.chaos.cells import MODES, Broken
from tests.e2e.programs import Program, find_postgrest, postgrest
from tests.e2e.support import until
from tests.faults.relay import HUGE, LOCALHOST, Relay, relaying
from tests.support.database import run_apart, throwaway_database

SCHEMA = Path(__file__).with_name("schema.sql")

FILE = """\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
ledger: "{ledger}"
upstream: {{url: "http://127.0.0.1:{upstream}", connect_timeout: 500ms, timeout: 4s}}
engine: {{db-uri: "{database}", db-schemas: chaos, db-anon-role: chaos_anon}}
shadow: {{timeout: 2s, breaker: 1000}}
rehearsal: {{timeout: 2s, lock_timeout: 100ms, statement_timeout: 1s}}
guard: {{window: 10s, slow: 5s}}
tables:
  in_upstream: {{reads: upstream}}
  in_shadow:   {{reads: shadow}}
  in_canary:   {{reads: canary, share: 50}}
  in_engine:   {{reads: engine, writes: engine, verify: 50}}
  in_rehearse: {{reads: shadow, writes: rehearse}}
"""

HUGE_ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % HUGE
"""The beginning of what an upstream says that is huge."""


class Clock:
    """The wall clock, as long as nobody meddles with it."""

    def __init__(self) -> None:
        self.tell = time

    def __call__(self) -> float:
        return self.tell()


@dataclass(slots=True)
class Witness:
    """What the proxy has told: answers by table and status, and what happened."""

    served: Counter[tuple[str, int]] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)

    def listen(self, event: Event) -> None:
        match event:
            case Served():
                self.served[event.table, event.code] += 1
                self.happened["refused requests"] += event.method == "other" or event.code in (408, 413, 431)
            case Held():
                self.happened["held"] += 1
            case LedgerFlushed(accepted=False):
                self.happened["ledger down"] += 1
            case _:
                pass


@dataclass(frozen=True, slots=True)
class Place:
    """What all scenes share: the database, one for ledgers beside it, and a running upstream."""

    database: str
    upstream: Program
    directory: Path


@dataclass(frozen=True, slots=True)
class Stage:
    """One running proxy, and everything around it that can be broken."""

    place: Place
    proxy: Proxy
    upstream: Relay
    database: Relay
    ledger: Relay
    file: Path
    text: str
    ledger_file: Path
    clock: Clock
    witness: Witness


@contextmanager
def set_place(directory: Path) -> Iterator[Place]:
    """Start what all scenes share."""
    with throwaway_database() as database:
        run_apart(load_sql(database, [SCHEMA]))
        settings = {
            "PGRST_DB_URI": as_role(database, "chaos_upstream"),
            "PGRST_DB_SCHEMAS": "chaos",
            "PGRST_DB_ANON_ROLE": "chaos_anon",
        }
        with postgrest(find_postgrest(), directory, settings) as upstream:
            yield Place(database, upstream, directory)


@asynccontextmanager
async def set_stage(place: Place, broken: Broken, number: int) -> AsyncIterator[Stage]:
    """A proxy for one scene, with its schema cache loaded."""
    where = urlsplit(place.database)
    host, port = where.hostname or LOCALHOST, where.port or 5432
    file, ledger_file = place.directory / f"{number}.yaml", place.directory / f"{number}.db"
    async with (
        relaying(LOCALHOST, place.upstream.port, huge=HUGE_ANSWER) as upstream,
        relaying(host, port) as database,
        relaying(host, port) as ledgers,
    ):
        ledger = f"sqlite:///{ledger_file}"
        if broken == "ledger":
            made = await create_database(place.database, f"chaos_ledger_{number}")
            ledger = by_way_of(ledgers.port, made)
        text = FILE.format(
            ledger=ledger,
            upstream=upstream.port,
            database=by_way_of(database.port, as_role(place.database, "chaos_engine")),
        )
        await asyncio.to_thread(file.write_text, text, encoding="utf-8")
        clock, witness = Clock(), Witness()
        content = text.encode()
        config = parse_config(content, file, {}).config
        running = Proxy(config, path=file, content=content, wall_clock=clock)
        emit = running.emit

        def emit_and_tell(event: Event) -> None:
            emit(event)
            witness.listen(event)

        running.emit = emit_and_tell
        async with running:
            await until(lambda: running.state.current.engine is not None, 60)
            yield Stage(place, running, upstream, database, ledgers, file, text, ledger_file, clock, witness)


def as_role(url: str, role: str) -> str:
    """The connection string ``url``, to log in as ``role``."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


def by_way_of(port: int, url: str) -> str:
    """The connection string ``url``, by way of the relay on ``port``, without TLS."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@{LOCALHOST}:{port}", query="sslmode=disable"))


def table_of(mode: str) -> str:
    """The table that is in this mode."""
    return f"in_{mode}"


TABLES = tuple(map(table_of, MODES))

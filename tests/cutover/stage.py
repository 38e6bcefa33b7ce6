"""The database, an upstream in a process of its own, and the proxy in this one, whose engine can fail."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time
from urllib.parse import urlsplit, urlunsplit

from proxy.app import Proxy, parse_config
from proxy.database.answer import answer
from proxy.embedded import load_sql
from proxy.events import Event, Held, Judged
from proxy.ledger.judging import gather_evidence
from proxy.shadow.guard import ON_STAGE
from proxy.shadow.readiness import Readiness, TableEvidence, judge_readiness
from tests.cutover.faults import FaultyEngine
from tests.e2e.programs import Program, find_postgrest, postgrest
from tests.support.database import run_apart, throwaway_database

SCHEMA = Path(__file__).with_name("schema.sql")

FILE = """\
# The file that the cutover edits: its comments stay.
listen: 127.0.0.1:0
admin: 127.0.0.1:0
ledger: "{ledger}"
upstream: {{url: "{upstream}", timeout: 10s}}
engine:
  db-uri: "{database}"
  db-schemas: depot
  db-anon-role: cutover_anon
shadow: {{queue: 5000, timeout: 5s, breaker: 1000}}   # also what a client waits for the engine at most
readiness: {{max_mismatch_rate: 0.01, max_unseen_shapes: 0.01, max_latency_ratio: 100, min_period: 0}}
guard:  {{window: 30s, slow: 5s}}
tables:
  item:  {{reads: {reads}, verify: 20}}       # the table of this story
  shelf: {{reads: {reads}, verify: 20}}       # embedded by reads of it
"""


def write_file(directory: Path, ledger: str, upstream: str, database: str, *, reads: str = "shadow") -> Path:
    """The configuration, with both tables' reads in one mode."""
    file = directory / "understudy.yaml"
    file.write_text(FILE.format(ledger=ledger, upstream=upstream, database=database, reads=reads))
    return file


@contextmanager
def depot_database() -> Iterator[str]:
    """A database with the depot; the superuser's connection string."""
    with throwaway_database() as url:
        run_apart(load_sql(url, [SCHEMA]))
        yield url


def login_url(url: str, role: str) -> str:
    """How a server logs in as ``role``."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


@contextmanager
def upstream_on(url: str, directory: Path) -> Iterator[Program]:
    """PostgREST where there is one; else a second process of our own engine."""
    settings = {
        "PGRST_DB_URI": login_url(url, "cutover_upstream"),
        "PGRST_DB_SCHEMAS": "depot",
        "PGRST_DB_ANON_ROLE": "cutover_anon",
    }
    with postgrest(find_postgrest(), directory, settings) as running:
        yield running


@dataclass
class Witness:
    """A listener that keeps when tables were held, and when a mismatch was first proven."""

    held_at: dict[str, float] = field(default_factory=dict)
    proven_at: dict[str, float] = field(default_factory=dict)

    def listen(self, event: Event) -> None:
        match event:
            case Judged(verdict="mismatch") if event.mode in ON_STAGE:
                self.proven_at.setdefault(event.table, monotonic())
            case Held():
                self.held_at.setdefault(event.table, monotonic())
            case _:
                pass

    def forget(self) -> None:
        """Begin anew with holds and proofs."""
        self.held_at.clear()
        self.proven_at.clear()


@dataclass
class Stage:
    """Everything that plays."""

    database: str
    upstream: Program
    proxy: Proxy
    file: Path
    engine: FaultyEngine
    witness: Witness

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.proxy.port}"

    async def judge(self, table: str) -> Readiness:
        """The judgement on a table, by what is in the ledger."""
        await self.proxy.ledger.flush()
        evidence = await self.proxy.ledger.read(gather_evidence)
        limits = self.proxy.state.current.config.readiness
        return judge_readiness(evidence.get(table, TableEvidence(table)), limits, time())


@asynccontextmanager
async def stage(database: str, upstream: Program, directory: Path) -> AsyncIterator[Stage]:
    """The proxy between clients and ``upstream``, with its schema cache loaded."""
    login = login_url(database, "cutover_engine")
    file = write_file(directory, f"sqlite:///{directory}/ledger.db", upstream.url, login)
    engine = FaultyEngine(answer, database)
    witness = Witness()
    content = file.read_bytes()
    running = Proxy(parse_config(content, file, {}).config, path=file, content=content, answer=engine)
    emit = running.emit

    def emit_and_tell(event: Event) -> None:
        emit(event)
        witness.listen(event)

    running.emit = emit_and_tell
    async with running:
        await wait_until_loaded(running)
        yield Stage(database, upstream, running, file, engine, witness)


async def wait_until_loaded(running: Proxy) -> None:
    """Wait for the schema cache."""
    while running.state.current.engine is None:
        await running.schema_cache.load()

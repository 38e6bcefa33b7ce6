"""``understudy check``: does the configuration hold against both sides, and what would each table do?"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Set
from typing import Any

from rich.console import Console
from rich.markup import escape
from sqlalchemy import Connection

from proxy.config import Config
from proxy.config.names import check_names
from proxy.config.reader import ConfigFile
from proxy.console.output import MODES, print_rows
from proxy.database.connection import Database
from proxy.database.reach import load_reach
from proxy.database.replica import Replica
from proxy.errors import ApiError, EngineDown, UnderstudyError
from proxy.events import Event, ReplicaChanged
from proxy.ledger.database import LedgerDatabase, LedgerMissing
from proxy.ledger.holds import list_holds
from proxy.ledger.read import count_open, list_epochs, list_evidence, list_traffic, sum_evidence
from proxy.operate.admission import is_loopback
from proxy.operate.health import can_connect
from proxy.operate.tracing import MISSING, can_trace
from proxy.server.schema_cache import make_names
from proxy.shadow.guard import Hold
from proxy.shadow.policy import Names, list_modes

LOSSES = (
    "verification: nothing is mirrored, verified or rehearsed, and no mismatch can be found any more",
    "fallback: what the engine does not do is answered 501, and its trouble is told to clients",
    "the guard: it alarms only, since there is nothing to put a table back to",
    "readiness, promote and rollback: nothing is left to decide, until an upstream is put back",
)
"""What an operator gives up who takes the upstream out."""

_DEADLOCK_TIMEOUT = "SELECT setting::integer FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'"


async def report(file: ConfigFile, console: Console | None = None) -> int:
    """Print the findings.

    Exit code 0: all is well; 1: a side or the ledger cannot be reached, spans cannot be had, writes are to be
    rehearsed that must not be, or a rehearsal waits too long for locks; 2: names do not exist.
    """
    console = console or Console(highlight=False, soft_wrap=True)
    config = file.config
    _check_admin(config, console)
    reached = await _check_upstream(config, console)
    found = await _look_into_database(config, console)
    if found is None:
        return 1
    names, deadlock_timeout = found
    followed = await _check_replica(config, console)
    problems = check_names(file, names.relations, names.functions.keys(), names.columns)
    for problem in problems:
        console.print(f"[red]{problem}[/red]", markup=True)
    if problems:
        return 2
    kept, holds = await asyncio.to_thread(_check_ledger, config, console)
    traced = not config.log.spans or can_trace()
    if not traced:
        console.print(f"[red]spans: {escape(MISSING)}[/red]")
    modes = list_modes(config, names, holds)
    rows = [
        [table.table, table.reads, table.writes + (" (rehearse is refused)" if table.hazards else "")]
        for table in modes
    ]
    styles = {"reads": MODES, "writes": MODES}
    heads = ("table", "reads", "writes")
    print_rows(console, heads, rows, title="what each table would do", left=len(heads), styles=styles)
    for table in modes:
        if table.acts_outside and table.reads != "upstream":
            console.print(
                f"{escape(table.table)}: reads may act outside of the database, and are not mirrored"
            )
    refused = [table for table in modes if table.hazards]
    for table in refused:
        console.print(
            f"[red]{escape(table.table)}: writes are not rehearsed but passed to the upstream[/red]"
        )
        for hazard in table.hazards:
            console.print(f"  {escape(hazard)}")
    rehearses = any(table.writes == "rehearse" for table in modes)
    late = rehearses and config.rehearsal.lock_timeout >= deadlock_timeout
    if late:
        console.print(
            "[red]rehearsal.lock_timeout is not below PostgreSQL's "
            f"deadlock_timeout ({deadlock_timeout:g} s): "
            "a real write may be the victim of a deadlock with a rehearsal[/red]"
        )
    return 0 if reached and followed and kept and traced and not refused and not late else 1


def _check_ledger(config: Config, console: Console) -> tuple[bool, Set[str]]:
    """Whether evidence can be kept, as far as can be told without making a ledger; which tables are held."""
    holds: Mapping[str, Hold] = {}
    database = LedgerDatabase(config.ledger, create=False)
    try:
        shapes = len(database.read(list_evidence))
        console.print(f"ledger: reached, with evidence of {shapes} shapes")
        holds = database.read(list_holds)
        if config.upstream is None:
            for line in database.read(_list_debts):
                console.print(f"  {line}", markup=False)
    except LedgerMissing as missing:
        console.print(f"ledger: {missing}; it is made at the start")
    except UnderstudyError as error:
        console.print(f"ledger: NOT reached: {error}")
        return False, frozenset()
    finally:
        database.close()
    return True, holds.keys()


def _check_admin(config: Config, console: Console) -> None:
    """Say who may use the admin port. A port that is closed is safe, and no fault."""
    known = {operator.name for operator in config.console.operators}
    if known:
        words = f"for {', '.join(sorted(known))}"
    elif is_loopback(config.admin.host):
        words = "for whoever is on this machine; console.operators names nobody"
    else:
        words = "closed but for probes and metrics, as others can reach it and console.operators names nobody"
    console.print(f"admin port: {words}")


def _list_debts(connection: Connection) -> list[str]:
    """What is known of tables that the upstream still made good for, in the words of ``LOSSES``."""
    newest = {epoch.table: epoch.conditions.epoch for epoch in list_epochs(connection)}
    unsupported = {
        one.table: one.evidence.verdicts["unsupported"]
        for one in sum_evidence(connection)
        if one.epoch == newest.get(one.table)
    }
    fallbacks: Counter[str] = Counter()
    for one in list_traffic(connection):
        if one.kind == "fell_back":
            fallbacks[one.table] += one.count
    mismatches = count_open(connection)
    told = (
        (mismatches, "kinds of mismatch are open: from now on the engine's answer is the only one"),
        (unsupported, "reads were of a kind that the engine does not do: they end with 501"),
        (fallbacks, "reads fell back on the upstream: they end with the engine's trouble"),
    )
    return [
        f"{table}: {count} {words}"
        for counts, words in told
        for table, count in sorted(counts.items())
        if count
    ]


async def _check_upstream(config: Config, console: Console) -> bool:
    if config.upstream is None:
        console.print("upstream: none; the engine answers everything. What is lost with it:")
        for line in LOSSES:
            console.print(f"  {line}", markup=False)
        return True
    reached = await can_connect(config.upstream.url, config.upstream.connect_timeout)
    console.print(f"upstream: {'reached' if reached else 'NOT reached'}")
    return reached


async def _check_replica(config: Config, console: Console) -> bool:
    """Whether reads would go to the replica, if there is one."""
    if config.engine.db_replica_uri is None:
        return True
    told: list[Event] = []
    replica = Replica(config.engine, told.append, connections=1, application_name="understudy check")
    try:
        await replica.measure()
    finally:
        await replica.close()
    (event,) = told
    assert isinstance(event, ReplicaChanged)
    console.print(f"replica: {'reached, and fresh enough' if event.fresh else f'NOT used: {event.problem}'}")
    return event.fresh


async def _look_into_database(config: Config, console: Console) -> tuple[Names, float] | None:
    """The names, and after how many seconds PostgreSQL looks for a deadlock."""
    database = Database(config.engine, connections=1, application_name="understudy check")
    started = time.monotonic()
    try:
        schema = await database.load_schema(config.engine)
        reach = await database.run(load_reach)
        deadlock_timeout = await database.run(_read_deadlock_timeout)
    except (ApiError, EngineDown) as error:
        console.print(f"database: NOT read: {error}")
        return None
    finally:
        await database.close()
    seconds = time.monotonic() - started
    console.print(f"database: {len(schema.relations)} relations, read in {seconds:.2f} s")
    return make_names(schema, config.engine, reach), deadlock_timeout / 1000


async def _read_deadlock_timeout(connection: Any) -> float:
    async with connection.transaction(readonly=True):
        return float(await connection.fetchval(_DEADLOCK_TIMEOUT))

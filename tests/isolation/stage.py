"""An upstream, proxies that mirror to an engine that can be made to fail, and two that do not mirror."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from proxy.embedded import load_sql
from tests.chaos.stage import as_role, by_way_of
from tests.e2e.programs import Program, find_postgrest, postgrest, serving
from tests.faults.client import Client
from tests.faults.relay import LOCALHOST, Relay, relaying
from tests.support.database import run_apart, throwaway_database

POOL = 10
TAKES = 0.05
CAPACITY = POOL / TAKES
"""Reads of ``BUSY`` that the upstream can answer in a second: each connection one in ``TAKES`` seconds."""

SCHEMA = f"""
create role isolation_anon nologin;
create role isolation_upstream login noinherit;
create role isolation_engine login noinherit;
grant isolation_anon to isolation_upstream, isolation_engine;
create schema isolation;
create table isolation.thing (id integer primary key, name text not null, filler text not null);
insert into isolation.thing select n, 'thing ' || n, repeat('x', 800) from generate_series(1, 100) n;
-- Small for the upstream, and nearly a gigabyte for the engine.
create view isolation.huge as
  select n, repeat('x', case current_setting('application_name')
                        when 'understudy mirror' then 900000 else 1 end) as filler
  from generate_series(1, 1000) n;
-- What the engine reads wrongly: another mismatch with each read, to be proven, kept and shrunk.
create view isolation.odd as
  select id, filler, case current_setting('application_name')
                       when 'understudy mirror' then upper(name) else name end as name
  from isolation.thing;
-- What takes its time in the database, and of which the engine reads every tenth row wrongly.
create view isolation.busy as
  select id, filler, case when id % 10 = 0 and current_setting('application_name') = 'understudy mirror'
                       then upper(name) else name end as name
  from isolation.thing, pg_sleep({TAKES});
grant usage on schema isolation to isolation_anon;
grant select on all tables in schema isolation to isolation_anon;
"""

FILE = """\
listen: 127.0.0.1:0
admin: 127.0.0.1:0
ledger: "sqlite:///{ledger}"
upstream: {{url: "{upstream}"}}
engine: {{db-uri: "{database}", db-schemas: isolation, db-anon-role: isolation_anon}}
shadow: {{concurrency: {concurrency}}}
defaults: {{reads: {reads}}}
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running. ``again`` does as ``off`` does: how far the two differ is what means nothing. Whatever
    the engine behind the ``relay`` does, theirs is well: looking for it again would cost those who mirror.

    ``straight`` mirrors as ``shadow`` does, past the ``relay``: passing on what is mirrored takes processor
    time from the clients that no proxy takes.
    """

    off: Program
    again: Program
    shadow: Program
    narrow: Program
    straight: Program
    relay: Relay
    digests: dict[str, str]
    session: aiohttp.ClientSession

    async def mirrored(self, program: Program) -> dict[str, int]:
        """What has become of the reads of a proxy so far."""
        async with self.session.get(f"{program.admin_url}/status") as answer:
            status: dict[str, Any] = await answer.json()
        counts: dict[str, int] = {}
        for row in status["tally"]:
            for kind in (row["verdicts"], row["shed"]):
                for name, number in kind.items():
                    counts[name] = counts.get(name, 0) + number
            for name in ("reads", "settled"):
                counts[name] = counts.get(name, 0) + row[name]
        return counts


THING = ("/thing?id=eq.7",)
ODD = ("/odd?id=eq.7",)
BUSY = tuple(f"/busy?id=eq.{n}" for n in range(1, 11))
HUGE = ("/huge",)


@asynccontextmanager
async def set_stage(directory: Path) -> AsyncIterator[Stage]:
    """Start everything; stop it on leaving."""
    with ExitStack() as stack:
        database = stack.enter_context(throwaway_database())
        script = directory / "schema.sql"
        await asyncio.to_thread(script.write_text, SCHEMA, encoding="utf-8")
        await asyncio.to_thread(run_apart, load_sql(database, [script]))
        where = urlsplit(database)
        settings = {
            "PGRST_DB_URI": as_role(database, "isolation_upstream"),
            "PGRST_DB_SCHEMAS": "isolation",
            "PGRST_DB_ANON_ROLE": "isolation_anon",
            "PGRST_DB_POOL": str(POOL),
        }
        upstream = stack.enter_context(postgrest(find_postgrest(), directory, settings))
        async with (
            relaying(where.hostname or LOCALHOST, where.port or 5432, delay=1.0) as relay,
            aiohttp.ClientSession() as session,
        ):
            login = as_role(database, "isolation_engine")
            relayed = by_way_of(relay.port, login)

            def start(name: str, reads: str, concurrency: int, database: str) -> Program:
                file = directory / f"{name}.yaml"
                text = FILE.format(
                    ledger=directory / f"{name}.db",
                    upstream=upstream.url,
                    database=database,
                    reads=reads,
                    concurrency=concurrency,
                )
                file.write_text(text, encoding="utf-8")
                return stack.enter_context(serving(file, directory, {}))

            # The relay is in this thread, and they need it to start.
            off, again, shadow, narrow, straight = [
                await asyncio.to_thread(start, *having)
                for having in (
                    ("off", "upstream", 16, login),
                    ("again", "upstream", 16, login),
                    ("shadow", "shadow", 16, relayed),
                    ("narrow", "shadow", 1, relayed),
                    ("straight", "shadow", 16, login),
                )
            ]
            digests = {
                target: await _digest(upstream.port, target) for target in (*THING, *ODD, *BUSY, *HUGE)
            }
            yield Stage(off, again, shadow, narrow, straight, relay, digests, session)


async def _digest(port: int, target: str) -> str:
    """What the upstream answers, as the SHA-256 of its body."""
    client = Client(port)
    try:
        answer = await client.get(target)
    finally:
        await client.aclose()
    assert answer.status == 200, answer
    return hashlib.sha256(answer.body).hexdigest()

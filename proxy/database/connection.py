"""Connections to PostgreSQL: a pool of them, and transactions on them."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from typing import Any, Protocol, TypeVar

import asyncpg

from proxy.config import EngineConfig
from proxy.database.catalog import load_schema
from proxy.database.conninfo import make_arguments
from proxy.database.faults import is_refusal, translate_fault
from proxy.database.inspect import inspect
from proxy.database.pipeline import NeverSent, Pipeline, Refused, Step
from proxy.database.plans import Plans
from proxy.database.pool import ConnectionPool
from proxy.database.statements import note_statement
from proxy.database.wire import LARGEST, encode_values
from proxy.engine.dialect import find_dialect
from proxy.engine.openapi.inspection import Inspection
from proxy.engine.plan.whole import Plan
from proxy.engine.response import Rows
from proxy.engine.schema import Schema
from proxy.engine.sql.session import Session, Settings
from proxy.errors import ApiError, OutcomeUnknown

_WATCH_CLIENT = ("client_connection_check_interval", "1s")
"""Else a statement that was given up here would go on there, or wait for its lock for ever."""

_SNAPSHOT = "SELECT concat_ws(' ', pg_current_snapshot(), pg_last_wal_replay_lsn())"

_Result = TypeVar("_Result")

_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class Transaction:
    """One transaction with the settings of ``session``, which begins with the first statement in it.

    ``ending`` is how a transaction that reads ends; ``hasty`` has one that writes commit with its last
    statement, without a look at what that gave.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        session: Session,
        *,
        read_only: bool,
        ending: tuple[Step, ...],
        hasty: bool,
    ) -> None:
        self._pipeline = pipeline
        self._session = session
        self._read_only = read_only
        self._ending = ending
        self._hasty = hasty
        self._opening = _open(session, pipeline.settings, read_only=read_only)
        for step in self._opening[1:]:
            note_statement(step.sql)
        self.ended = False
        self._driven = False
        """Whether the driver knows of the transaction: it has to see the end of it, too."""

    async def inspect(self, namespace: str, options: EngineConfig) -> Inspection:
        """What the role may see of the schema ``namespace``, for the root document."""
        return await inspect(await self._drive(), namespace, options)

    async def fetch_lines(self, sql: str, values: Sequence[str]) -> list[str]:
        """Run a statement whose rows are one text each."""
        return [
            (line or b"").decode()
            for (line,) in await self._fetch(Step(self._mark(sql), encode_values(values)))
        ]

    async def fetch(
        self, sql: str, values: Sequence[str], binary: Sequence[bool] = (), *, last: bool = False
    ) -> Rows:
        """Run a statement of the engine and give its one row, if it has one; ``binary`` columns come so.

        ``last``: nothing follows that could undo it. Then a transaction that reads, or is hasty, ends in the
        same trip. Raises OutcomeUnknown if it is lost there.
        """
        found = await self._fetch(Step(self._mark(sql), encode_values(values, binary)), last=last)
        if not found:
            return Rows(total=0, page=0, body=None, headers=None, status=None)
        total, page, body, headers, status, *of_insert = found[0]
        location, inserted = of_insert or (None, None)
        return Rows(
            total=None if total is None else int(total),
            page=int(page or 0),
            body=body,
            headers=None if headers is None else headers.decode(),
            status=None if status is None else status.decode(),
            location=None if location is None else json.loads(location),
            inserted=None if inserted is None else int(inserted),
        )

    async def end(self) -> None:
        """Commit, or undo what is not to stay. Raises OutcomeUnknown."""
        if self.ended or self._opening:
            return
        if self._session.rollback:
            await self._run(Step("SET CONSTRAINTS ALL IMMEDIATE"), Step("ROLLBACK"))
        elif self._read_only:
            await self._run(*self._ending)
        else:
            await self._commit((_COMMIT,), 0)

    def _mark(self, sql: str) -> str:
        return f"{note_statement(sql)} {_mark(self._session.role)}"

    async def _fetch(self, step: Step, *, last: bool = False) -> list[list[bytes | None]]:
        ends = self._read_only or self._hasty
        self.ended = last and ends and not self._session.rollback and not self._driven
        opening, self._opening = self._opening, ()
        if not self.ended:
            return await self._pipeline.run((*opening, step), len(opening))
        if self._read_only:
            return await self._pipeline.run((*opening, step, *self._ending), len(opening))
        return await self._commit((*opening, step, _COMMIT), len(opening))

    async def _commit(self, steps: Sequence[Step], wanted: int) -> list[list[bytes | None]]:
        """Run ``steps``, the last of which commits. Raises OutcomeUnknown where nobody knows if it did."""
        try:
            return await self._pipeline.run(steps, wanted)
        except NeverSent:
            raise
        except Refused as error:
            if error.step < len(steps) - 1 or is_refusal(error.message):
                raise
            raise OutcomeUnknown from error
        except (*_FAULTS, asyncio.CancelledError) as error:
            raise OutcomeUnknown from error

    async def _run(self, *steps: Step) -> None:
        if self._driven:
            for step in steps:
                await self._pipeline.driver.execute(step.sql)
        else:
            await self._pipeline.run(steps, len(steps))

    async def _drive(self) -> Any:
        """The driver's connection, inside the transaction, which it then has to end as well."""
        opening, self._opening = self._opening, ()
        if opening:
            await self._pipeline.run(opening, len(opening))
        self._driven = True
        return self._pipeline.driver


_COMMIT = Step("COMMIT")

_UNDO = (Step("ROLLBACK"), Step("SELECT pg_catalog.pg_advisory_unlock_all()"))
"""The end of what must leave nothing behind. READ ONLY refuses what writes to tables, and no more than that:
a function may notify, set what outlives the transaction, make temporary tables, take locks of the session.
"""


@lru_cache(maxsize=512)
def _open(session: Session, more: Settings, *, read_only: bool) -> tuple[Step, ...]:
    """What comes before the first statement of a transaction; the settings that clients have recur.

    ``more`` are settings besides the session's.
    """
    mode = "READ ONLY" if read_only else "READ WRITE"
    values = encode_values(tuple(chain.from_iterable((*more, *session.settings))))
    begin = Step(f"BEGIN ISOLATION LEVEL {session.isolation} {mode}")
    settings = Step(_set_all(len(more) + len(session.settings)), values)
    if session.pre_request is None:
        return begin, settings
    return begin, settings, Step(f"SELECT {session.pre_request}()")


@lru_cache(maxsize=64)
def _set_all(count: int) -> str:
    calls = (f"set_config(${2 * number + 1}, ${2 * number + 2}, true)" for number in range(count))
    return f"SELECT {', '.join(calls)}"


class AnswersReads(Protocol):
    """A standby that may answer some reads; see ``proxy.database.replica``."""

    @property
    def database(self) -> "Database":
        """The way to it."""

    @property
    def lag(self) -> float:
        """Seconds that it may be behind."""

    def may_read(self, plan: Plan, session: Session) -> bool:
        """Whether it may be asked for this, now."""

    def distrust(self) -> None:
        """It could not be reached: nothing is known of it."""


class Database:
    """The engine's way to PostgreSQL. Connections are made when they are first needed.

    ``read_only`` has the database itself refuse every write, whatever a session asks for, and everything be
    undone at the end. ``largest`` gives the bytes beyond which an answer is not taken. ``replica`` is where
    reads are tried first, if it is set.

    ``hasty``: a write is sent together with its commit. That saves a round trip, and is right where nobody
    gives a write up: if one is, or its connection is lost, it may have been committed.
    """

    def __init__(
        self,
        options: EngineConfig,
        *,
        connections: int,
        application_name: str,
        read_only: bool = False,
        hasty: bool = False,
        largest: Callable[[], int] = lambda: LARGEST,
    ) -> None:
        self.replica: AnswersReads | None = None
        self._options = options
        self._name = application_name
        self._read_only = read_only
        self._hasty = hasty
        self._largest = largest
        self.plans = Plans()
        self.pool: ConnectionPool[Pipeline] = ConnectionPool(self._connect, options, size=connections)

    async def close(self) -> None:
        """Close every connection."""
        await self.pool.close()

    @property
    def connections(self) -> dict[str, int]:
        """How many connections are in use and idle, and how many there may be."""
        return {"in_use": self.pool.used, "idle": self.pool.idle, "max": self.pool.size}

    @property
    def replica_lag(self) -> float:
        """Seconds that the replica may be behind; infinite if that is not known, or there is none."""
        return float("inf") if self.replica is None else self.replica.lag

    def adopt(self, options: EngineConfig) -> None:
        """Make connections by ``options`` from now on; the pool stays as it is."""
        self._options = options

    async def load_schema(self, options: EngineConfig) -> Schema:
        """Read the schema cache. Raises ApiError and EngineDown."""
        schema = await self.run(lambda connection: load_schema(connection, options))
        await self.flush()
        return schema

    async def flush(self) -> None:
        """Forget what was learnt from the catalog, here and in connections; requests in progress go on."""
        self.plans.clear()
        await self.pool.flush()
        if self.replica is not None:
            await self.replica.database.flush()

    async def read_snapshot(self) -> str:
        """Which transactions have ended: the same text means that none has, in between.

        On a standby, what was replayed stands for them. Raises ApiError and EngineDown.
        """
        return str(await self.run(_read_snapshot))

    async def run(self, work: Callable[[Any], Awaitable[_Result]]) -> _Result:
        """What ``work`` makes of an asyncpg connection. Raises ApiError and EngineDown.

        Its queries have to be in transactions: behind a pooler, others may be on different servers.
        """
        return await self._lend(lambda pipeline: work(pipeline.driver), authenticated=True)

    async def transact(self, session: Session, work: Callable[[Transaction], Awaitable[_Result]]) -> _Result:
        """What ``work`` makes of a transaction with the settings of ``session``.

        It is committed at the end, and undone on any error. Raises ApiError for what PostgreSQL refuses
        (reference 9.3), EngineDown when it cannot be reached, and OutcomeUnknown when it is lost, or given
        up, while it commits what may have changed rows.
        """

        async def carry_out(pipeline: Pipeline) -> _Result:
            transaction = Transaction(
                pipeline,
                session,
                read_only=session.read_only or self._read_only,
                ending=_UNDO if self._read_only else (_COMMIT,),
                hasty=self._hasty,
            )
            result = await work(transaction)
            await transaction.end()
            return result

        return await self._lend(carry_out, authenticated=session.authenticated)

    async def _lend(self, work: Callable[[Pipeline], Awaitable[_Result]], *, authenticated: bool) -> _Result:
        """What ``work`` makes of a connection, which is thrown away unless that ends well or rolls back."""
        dialect = find_dialect(self._options.compat)
        try:
            lease = await self.pool.acquire()
            pipeline = lease.connection
            try:
                return await work(pipeline)
            except (Refused, asyncpg.PostgresError, ApiError):
                await _roll_back(pipeline, _UNDO if self._read_only else _UNDO[:1])
                raise
            except BaseException:
                # Cancelled or broken midway: nobody knows what the connection still expects, so it goes.
                pipeline.terminate()
                raise
            finally:
                self.pool.release(lease)
        except Refused as error:
            raise translate_fault(error.message, authenticated=authenticated, dialect=dialect) from None
        except _FAULTS as error:
            raise translate_fault(error, authenticated=authenticated, dialect=dialect) from error

    async def _connect(self) -> Pipeline:
        """A connection for transactions.

        Without prepared statements it may lead to a pooler, which lends a server for the length of one
        transaction: nothing may be set for longer there.
        """
        prepares = self._options.db_prepared_statements
        arguments = make_arguments(self._options.db_uri, os.environ, fallback_name=self._name)
        if self._read_only and prepares:
            arguments["server_settings"]["default_transaction_read_only"] = "on"
        connection = await asyncpg.connect(
            **arguments,
            statement_cache_size=1024 if prepares else 0,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
        )
        watches = connection.get_server_version() >= (14,)
        if watches and prepares:
            await connection.execute("SET {} = '{}'".format(*_WATCH_CLIENT))
        settings = (_WATCH_CLIENT,) if watches and not prepares else ()
        return Pipeline(connection, prepares=prepares, settings=settings, largest=self._largest)


@lru_cache(maxsize=1024)
def _mark(role: str) -> str:
    """What keeps the prepared statements of roles apart.

    Where PostgreSQL plans a call of a function in SQL, it may put the function's body in its place; who may
    call it is then asked once, of the role that the plan is made for. Another role must not get that plan.
    """
    return f"/* {sha256(role.encode('utf-8', 'surrogateescape')).hexdigest()[:32]} */"


async def _read_snapshot(connection: Any) -> Any:
    async with connection.transaction(readonly=True):
        return await connection.fetchval(_SNAPSHOT)


async def _roll_back(pipeline: Pipeline, steps: tuple[Step, ...]) -> None:
    try:
        if pipeline.driver.is_in_transaction():
            for step in steps:
                await pipeline.driver.execute(step.sql)
        elif pipeline.in_transaction:
            await pipeline.run(steps, len(steps))
    except (Refused, *_FAULTS):
        pipeline.terminate()

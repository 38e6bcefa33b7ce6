"""Connections to PostgreSQL: a pool of them, and transactions on them."""

import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import asyncpg

from proxy.config import EngineConfig
from proxy.database.catalog import load_schema
from proxy.database.conninfo import make_arguments
from proxy.database.faults import FAULTS, translate_fault
from proxy.database.pipeline import Pipeline, Refused
from proxy.database.plans import Plans
from proxy.database.pool import ConnectionPool
from proxy.database.quiet import read_quietly
from proxy.database.rows import read_rows
from proxy.database.standing import Standing
from proxy.database.transaction import COMMIT, UNDO, Transaction
from proxy.database.wire import LARGEST, Step
from proxy.engine.dialect import find_dialect
from proxy.engine.plan.whole import Plan
from proxy.engine.response import Rows
from proxy.engine.schema import Schema
from proxy.engine.sql.session import Session
from proxy.errors import ApiError

_WATCH_CLIENT = ("client_connection_check_interval", "1s")
"""Else a statement that was given up here would go on there, or wait for its lock for ever."""

_QUIET = (("default_transaction_read_only", "on"), ("default_transaction_isolation", "read committed"))
"""For what is read without a transaction around it."""

_SNAPSHOT = "SELECT concat_ws(' ', pg_current_snapshot(), pg_last_wal_replay_lsn())"

_Result = TypeVar("_Result")


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

        async def carry_out(pipeline: Pipeline) -> _Result:
            steps = () if pipeline.standing is None else pipeline.standing.clear()
            if steps:
                await pipeline.run(steps, len(steps))
            return await work(pipeline.driver)

        return await self._lend(carry_out, authenticated=True)

    def fetch(self, session: Session, sql: str, values: bytes) -> Awaitable[Rows]:
        """What one statement of the engine gives, which is all that there is to do with these settings.

        ``values`` as ``encode_values`` makes them. Raises as ``transact``.
        """

        async def carry_out(pipeline: Pipeline) -> Rows:
            found = await read_quietly(pipeline, session, sql, values)
            if found is None:
                transaction = self._begin(pipeline, session)
                found = await transaction.fetch_only(sql, values)
                await transaction.end()
            return read_rows(found)

        return self._lend(carry_out, authenticated=session.authenticated)

    async def transact(self, session: Session, work: Callable[[Transaction], Awaitable[_Result]]) -> _Result:
        """What ``work`` makes of a transaction with the settings of ``session``.

        It is committed at the end, and undone on any error. Raises ApiError for what PostgreSQL refuses
        (reference 9.3), EngineDown when it cannot be reached, and OutcomeUnknown when it is lost, or given
        up, while it commits what may have changed rows.
        """

        async def carry_out(pipeline: Pipeline) -> _Result:
            transaction = self._begin(pipeline, session)
            result = await work(transaction)
            await transaction.end()
            return result

        return await self._lend(carry_out, authenticated=session.authenticated)

    def _begin(self, pipeline: Pipeline, session: Session) -> Transaction:
        return Transaction(
            pipeline,
            session,
            read_only=session.read_only or self._read_only,
            ending=UNDO if self._read_only else (COMMIT,),
            hasty=self._hasty,
        )

    async def _lend(self, work: Callable[[Pipeline], Awaitable[_Result]], *, authenticated: bool) -> _Result:
        """What ``work`` makes of a connection, which is thrown away unless that ends well or rolls back."""
        dialect = find_dialect(self._options.compat)
        try:
            lease = await self.pool.acquire()
            pipeline = lease.connection
            try:
                return await work(pipeline)
            except (Refused, asyncpg.PostgresError, ApiError):
                await _roll_back(pipeline, UNDO if self._read_only else UNDO[:1])
                raise
            except BaseException:
                # Cancelled or broken midway: nobody knows what the connection still expects, so it goes.
                pipeline.terminate()
                raise
            finally:
                self.pool.release(lease)
        except Refused as error:
            raise translate_fault(error.message, authenticated=authenticated, dialect=dialect) from None
        except FAULTS as error:
            raise translate_fault(error, authenticated=authenticated, dialect=dialect) from error

    async def _connect(self) -> Pipeline:
        """A connection for transactions.

        It may lead to a pooler, which lends a server for the length of one transaction: nothing may be set
        for longer there.
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
        settings = (_WATCH_CLIENT,) if connection.get_server_version() >= (14,) else ()
        standing = None
        try:
            if prepares and await _is_direct(connection):
                # What must leave nothing behind is undone, for which it has to be in a transaction.
                standing = None if self._read_only else Standing()
                for name, value in (*settings, *(_QUIET if standing else ())):
                    await connection.execute(f"SET {name} = '{value}'")
                settings = ()
        except BaseException:
            connection.terminate()
            raise
        return Pipeline(
            connection, prepares=prepares, settings=settings, standing=standing, largest=self._largest
        )


async def _is_direct(connection: Any) -> bool:
    """Whether no pooler is in between, which makes up the process that it says we are connected to.

    What stands on a connection that a pooler lends to others would be theirs.
    """
    async with connection.transaction(readonly=True):
        process = await connection.fetchval("SELECT pg_backend_pid()")
    return bool(process == connection.get_server_pid())


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
    except (Refused, *FAULTS):
        pipeline.terminate()
    except BaseException:
        # Whoever had the connection next would take the answer to this for theirs.
        pipeline.terminate()
        raise

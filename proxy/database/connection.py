"""Connections to PostgreSQL: SQLAlchemy's pool of asyncpg connections, and transactions on them."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from typing import Any, TypeVar

import asyncpg

from proxy.config import EngineConfig
from proxy.database.catalog import load_schema
from proxy.database.conninfo import make_arguments
from proxy.database.faults import is_refusal, translate_fault
from proxy.database.inspect import inspect
from proxy.database.pool import ConnectionPool
from proxy.database.statements import note_statement
from proxy.engine.dialect import Dialect, find_dialect
from proxy.engine.openapi.inspection import Inspection
from proxy.engine.response import Rows
from proxy.engine.schema import Schema
from proxy.engine.sql.build import Pins
from proxy.engine.sql.session import Session
from proxy.errors import ApiError, OutcomeUnknown

_EXPLAIN = re.compile(r"EXPLAIN \([^)]*\) ")

# Parameters of the types text and varchar take text as it is; all others are cast from text by PostgreSQL.
_DESCRIBE = """
SELECT format('%I.%I', nspname, typname) AS name,
       t.oid IN ('pg_catalog.text'::regtype, 'pg_catalog.varchar'::regtype) AS textual
FROM pg_catalog.pg_prepared_statements s
     CROSS JOIN pg_catalog.unnest(s.parameter_types) WITH ORDINALITY p (type, number)
     JOIN pg_catalog.pg_type t ON t.oid = p.type
     JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE s.name = 'understudy_described'
ORDER BY p.number
"""

_SNAPSHOT = "SELECT concat_ws(' ', pg_current_snapshot(), pg_last_wal_replay_lsn())"

_Result = TypeVar("_Result")

_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class Transaction:
    """One open transaction with the settings of ``session`` made."""

    def __init__(self, connection: Any, session: Session, dialect: Dialect) -> None:
        self._connection = connection
        self._authenticated = session.authenticated
        self._role = session.role
        self._dialect = dialect

    async def describe(self, sql: str) -> Pins:
        """For each parameter of ``sql`` the type that PostgreSQL infers, None where text will do."""
        # Not the driver's own preparing: that fails for a type it has no codec for, though text would do.
        await self._connection.execute(f"PREPARE understudy_described AS {_EXPLAIN.sub('', sql, count=1)}")
        rows = await self._connection.fetch(_DESCRIBE)
        await self._connection.execute("DEALLOCATE understudy_described")
        return tuple(None if row["textual"] else row["name"] for row in rows)

    async def inspect(self, namespace: str, options: EngineConfig) -> Inspection:
        """What the role may see of the schema ``namespace``, for the root document."""
        return await inspect(self._connection, namespace, options)

    async def fetch_lines(self, sql: str, values: list[str]) -> list[str]:
        """Run a statement whose rows are one text each."""
        return [row[0] for row in await self._fetch(sql, values)]

    async def fetch(self, sql: str, values: list[str]) -> Rows:
        """Run a statement of the engine and give its one row."""
        _, *columns = (await self._fetch(sql, values))[0]
        return Rows(*columns)

    async def _fetch(self, sql: str, values: list[str]) -> Any:
        try:
            return await self._connection.fetch(f"{note_statement(sql)} {_mark(self._role)}", *values)
        except asyncpg.PostgresWarning as error:
            # An error raised with a warning's SQLSTATE: asyncpg makes it an exception that cannot travel.
            raise translate_fault(error, authenticated=self._authenticated, dialect=self._dialect) from None


class Database:
    """The engine's way to PostgreSQL. Connections are made when they are first needed.

    ``read_only`` has the database itself refuse every write, whatever a session asks for.
    """

    def __init__(
        self, options: EngineConfig, *, connections: int, application_name: str, read_only: bool = False
    ) -> None:
        self._options = options
        self._name = application_name
        self._read_only = read_only
        self.pins: dict[tuple[str, str], Pins] = {}
        """By statement and search path, what PostgreSQL infers the parameters to be."""
        self.pool = ConnectionPool(self._connect, options, size=connections)

    async def close(self) -> None:
        """Close every connection."""
        await self.pool.close()

    @property
    def connections(self) -> dict[str, int]:
        """How many connections are in use and idle, and how many there may be."""
        return {"in_use": self.pool.used, "idle": self.pool.idle, "max": self.pool.size}

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
        self.pins.clear()
        await self.pool.flush()

    async def read_snapshot(self) -> str:
        """Which transactions have ended: the same text means that none has, in between.

        On a standby, what was replayed stands for them. Raises ApiError and EngineDown.
        """
        return str(await self.run(lambda connection: connection.fetchval(_SNAPSHOT)))

    async def run(self, work: Callable[[Any], Awaitable[_Result]]) -> _Result:
        """What ``work`` makes of an asyncpg connection. Raises ApiError and EngineDown."""
        async with self._connection(authenticated=True) as connection:
            return await work(connection)

    @asynccontextmanager
    async def begin(self, session: Session) -> AsyncIterator[Transaction]:
        """A transaction with the settings of ``session``; committed at the end, undone on any error.

        Raises ApiError for what PostgreSQL refuses (reference 9.3), EngineDown when it cannot be reached, and
        OutcomeUnknown when it is lost, or given up, while it commits what may have changed rows.
        """
        mode = "READ ONLY" if session.read_only or self._read_only else "READ WRITE"
        async with self._connection(authenticated=session.authenticated) as connection:
            await connection.execute(f"BEGIN ISOLATION LEVEL {session.isolation} {mode}")
            calls = ", ".join(
                f"set_config(${2 * n + 1}, ${2 * n + 2}, true)" for n in range(len(session.settings))
            )
            await connection.fetchrow(
                note_statement(f"SELECT {calls}"), *chain.from_iterable(session.settings)
            )
            if session.pre_request is not None:
                await connection.execute(note_statement(f"SELECT {session.pre_request}()"))
            yield Transaction(connection, session, find_dialect(self._options.compat))
            if session.rollback:
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                await connection.execute("ROLLBACK")
            elif mode == "READ ONLY":
                await connection.execute("COMMIT")
            else:
                await _commit(connection)

    @asynccontextmanager
    async def _connection(self, *, authenticated: bool) -> AsyncIterator[Any]:
        """An asyncpg connection from the pool; thrown away unless the block ends well or rolls back."""
        try:
            async with self.pool.take() as raw:
                connection: Any = raw.driver_connection
                try:
                    yield connection
                except (asyncpg.PostgresError, ApiError):
                    await _roll_back(connection, raw)
                    raise
                except BaseException:
                    _discard(connection, raw)
                    raise
        except _FAULTS as error:
            dialect = find_dialect(self._options.compat)
            raise translate_fault(error, authenticated=authenticated, dialect=dialect) from error

    async def _connect(self) -> asyncpg.Connection:
        arguments = make_arguments(self._options.db_uri, os.environ, fallback_name=self._name)
        if self._read_only:
            arguments["server_settings"]["default_transaction_read_only"] = "on"
        connection = await asyncpg.connect(
            **arguments,
            statement_cache_size=1024 if self._options.db_prepared_statements else 0,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
        )
        if connection.get_server_version() >= (14,):
            # Else a statement that was given up here would go on there, or wait for its lock for ever.
            await connection.execute("SET client_connection_check_interval = '1s'")
        return connection


@lru_cache(maxsize=1024)
def _mark(role: str) -> str:
    """What keeps the prepared statements of roles apart.

    Where PostgreSQL plans a call of a function in SQL, it may put the function's body in its place; who may
    call it is then asked once, of the role that the plan is made for. Another role must not get that plan.
    """
    return f"/* {sha256(role.encode('utf-8', 'surrogateescape')).hexdigest()[:32]} */"


async def _commit(connection: Any) -> None:
    """Commit what may have changed rows. Raises OutcomeUnknown unless PostgreSQL says what came of it."""
    try:
        await connection.execute("COMMIT")
    except (*_FAULTS, asyncio.CancelledError) as error:
        if is_refusal(error):
            raise
        raise OutcomeUnknown from error


async def _roll_back(connection: Any, raw: Any) -> None:
    try:
        if connection.is_in_transaction():
            await connection.execute("ROLLBACK")
    except _FAULTS:
        _discard(connection, raw)


def _discard(connection: Any, raw: Any) -> None:
    """Cancelled or broken midway: nobody knows what the connection still expects, so it goes."""
    raw.invalidate()
    connection.terminate()

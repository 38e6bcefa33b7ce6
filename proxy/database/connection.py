"""Connections to PostgreSQL: SQLAlchemy's pool of asyncpg connections, and transactions on them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from typing import Any

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from proxy.config import EngineConfig
from proxy.database.catalog import load_schema
from proxy.database.faults import translate_fault
from proxy.engine.response import Rows
from proxy.engine.schema import Schema
from proxy.engine.sql.build import Pins
from proxy.engine.sql.session import Session
from proxy.errors import ApiError, EngineDown

# Parameters of these types take Python text as it is; all others are cast from text by PostgreSQL.
_TEXTUAL = frozenset({"text", "varchar"})


class Transaction:
    """One open transaction with its session settings made. ``authenticated`` as in its session."""

    def __init__(self, connection: Any, authenticated: bool) -> None:
        self._connection = connection
        self._authenticated = authenticated

    async def describe(self, sql: str) -> Pins:
        """For each parameter of ``sql`` the type that PostgreSQL infers, None where text will do."""
        statement = await self._connection.prepare(sql)
        oids = [kind.oid for kind in statement.get_parameters() if kind.name not in _TEXTUAL]
        if not oids:
            return (None,) * len(statement.get_parameters())
        rows = await self._connection.fetch(
            "SELECT t.oid, format('%I.%I', nspname, typname) AS name"
            " FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
            " WHERE t.oid = ANY ($1::oid[])",
            oids,
        )
        names = {row["oid"]: row["name"] for row in rows}
        return tuple(names.get(kind.oid) for kind in statement.get_parameters())

    async def fetch_lines(self, sql: str, values: list[str]) -> list[str]:
        """Run a statement whose rows are one text each."""
        return [row[0] for row in await self._fetch(sql, values)]

    async def fetch(self, sql: str, values: list[str]) -> Rows:
        """Run the statement of a read and give its one row."""
        total, page, body, headers, status, _ = (await self._fetch(sql, values))[0]
        return Rows(total, page, body, headers, status)

    async def _fetch(self, sql: str, values: list[str]) -> Any:
        try:
            return await self._connection.fetch(sql, *values)
        except asyncpg.PostgresWarning as error:
            # An error raised with a warning's SQLSTATE: asyncpg makes it an exception that cannot travel.
            raise translate_fault(error, authenticated=self._authenticated) from None


class Database:
    """The engine's way to PostgreSQL. Connections are made when they are first needed.

    ``read_only`` has the database itself refuse every write, whatever a session asks for.
    """

    def __init__(
        self, options: EngineConfig, *, connections: int, application_name: str, read_only: bool = False
    ) -> None:
        settings = {"application_name": application_name}
        if read_only:
            settings["default_transaction_read_only"] = "on"
        self._read_only = read_only
        self.pins: dict[tuple[str, str], Pins] = {}
        """By statement and search path, what PostgreSQL infers the parameters to be."""
        self._engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            # JSON stays the text that PostgreSQL wrote.
            json_deserializer=str,
            async_creator=lambda: asyncpg.connect(
                options.db_uri,
                server_settings=settings,
                statement_cache_size=1024 if options.db_prepared_statements else 0,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=0,
            ),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=options.db_pool_acquisition_timeout,
            pool_recycle=options.db_pool_max_lifetime,
            pool_reset_on_return=None,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @property
    def connections(self) -> dict[str, int]:
        """How many connections are in use and idle."""
        pool = self._engine.pool
        assert isinstance(pool, AsyncAdaptedQueuePool)
        return {"used": pool.checkedout(), "idle": pool.checkedin()}

    async def load_schema(self, options: EngineConfig) -> Schema:
        """Read the schema cache. Raises ApiError and EngineDown."""
        async with self._connection(authenticated=True) as connection:
            schema = await load_schema(connection, options)
        self.pins.clear()
        return schema

    @asynccontextmanager
    async def begin(self, session: Session) -> AsyncIterator[Transaction]:
        """A transaction with the settings of ``session``; committed at the end, undone on any error.

        Raises ApiError for what PostgreSQL refuses (reference 9.3), EngineDown when it cannot be reached.
        """
        mode = "READ ONLY" if session.read_only or self._read_only else "READ WRITE"
        async with self._connection(authenticated=session.authenticated) as connection:
            await connection.execute(f"BEGIN ISOLATION LEVEL {session.isolation} {mode}")
            calls = ", ".join(
                f"set_config(${2 * n + 1}, ${2 * n + 2}, true)" for n in range(len(session.settings))
            )
            await connection.fetchrow(f"SELECT {calls}", *chain.from_iterable(session.settings))
            if session.pre_request is not None:
                await connection.execute(f"SELECT {session.pre_request}()")
            yield Transaction(connection, session.authenticated)
            if session.rollback:
                await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            await connection.execute("ROLLBACK" if session.rollback else "COMMIT")

    @asynccontextmanager
    async def _connection(self, *, authenticated: bool) -> AsyncIterator[Any]:
        """An asyncpg connection from the pool; thrown away unless the block ends well or rolls back."""
        try:
            async with self._engine.connect() as pooled:
                raw = await pooled.get_raw_connection()
                connection: Any = raw.driver_connection
                try:
                    yield connection
                except (asyncpg.PostgresError, ApiError):
                    await _roll_back(connection, raw)
                    raise
                except BaseException:
                    _discard(connection, raw)
                    raise
        except PoolTimeout:
            message = "Timed out acquiring connection from connection pool."
            raise EngineDown(ApiError(504, "PGRST003", message)) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise translate_fault(error, authenticated=authenticated) from error


async def _roll_back(connection: Any, raw: Any) -> None:
    try:
        if connection.is_in_transaction():
            await connection.execute("ROLLBACK")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        _discard(connection, raw)


def _discard(connection: Any, raw: Any) -> None:
    """Cancelled or broken midway: nobody knows what the connection still expects, so it goes."""
    raw.invalidate()
    connection.terminate()

"""The ledger's database: one transaction at a time, each a function that works on a SQLAlchemy connection.

Everything here blocks, and belongs to the one thread that uses it. PostgreSQL is spoken to by asyncpg, the
driver the engine has anyway, on an event loop of that thread's own; SQLite by the standard library.
"""

import asyncio
import contextlib
import errno
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import asyncpg
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import StaticPool

from proxy.database.conninfo import BadConnectionString, make_arguments
from proxy.errors import UnderstudyError
from proxy.ledger.migrations import STEPS, LedgerTooNew, migrate, read_version

LOCK = 0x756E64657273
"""The number of the advisory lock under which replicas write one after the other."""

BUSY_SECONDS = 5.0
CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 10.0
IDLE = 30_000
"""Milliseconds after which the server ends a transaction in which nothing happens."""

Result = TypeVar("Result")
Work = Callable[[Connection], Result]


class LedgerDown(UnderstudyError):
    """The ledger's database cannot be used now. The text names no value that was to be kept."""


class LedgerMissing(UnderstudyError):
    """There is no ledger where one was expected."""


class RunsTransactions(Protocol):
    """One of the two databases."""

    def run(self, work: Work[Result], *, writes: bool) -> Result:
        """What ``work`` makes of a connection, in one transaction."""

    def close(self) -> None:
        """Let go of the connection."""


class LedgerDatabase:
    """The database at ``url``: ``sqlite:///path``, ``sqlite://`` or ``postgresql://…``.

    Nothing is opened before it is needed. ``create``: a ledger that is not there, or not up to date, is
    made so; otherwise LedgerMissing is raised for one that is not there.
    """

    def __init__(self, url: str, *, create: bool) -> None:
        self._url = url
        self._create = create
        self._driver: RunsTransactions | None = None

    def write(self, work: Work[Result]) -> Result:
        """Run ``work`` alone among all writers, and commit. Raises LedgerDown, LedgerTooNew."""
        return self._run(work, writes=True)

    def read(self, work: Work[Result]) -> Result:
        """Run ``work`` on what is committed. Raises LedgerDown, LedgerMissing, LedgerTooNew."""
        return self._run(work, writes=False)

    def close(self) -> None:
        """Let go of the connection; the next call opens another."""
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    def _run(self, work: Work[Result], *, writes: bool) -> Result:
        try:
            if self._driver is None:
                self._driver = self._open()
            return self._driver.run(work, writes=writes)
        except DBAPIError as error:
            if not _is_passing(error):
                raise
            self.close()
            raise LedgerDown(_describe(error)) from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self.close()
            raise LedgerDown(_describe(error)) from error

    @property
    def _is_postgres(self) -> bool:
        return self._url.startswith("postgres")

    @property
    def _path(self) -> str:
        return self._url.removeprefix("sqlite://").removeprefix("/")

    def _open_driver(self) -> RunsTransactions:
        return _Postgres(self._url) if self._is_postgres else _Sqlite(self._path)

    def _open(self) -> RunsTransactions:
        if not (self._is_postgres or self._create) and not Path(self._path).is_file():
            if not Path(self._path).parent.is_dir():
                raise LedgerDown(f"there is no directory {Path(self._path).parent}")
            raise LedgerMissing(f"there is no ledger at {self._path or 'a place in memory'}")
        driver = self._open_driver()
        try:
            if self._create:
                driver.run(migrate, writes=True)
            else:
                driver.run(_expect_ledger, writes=False)
        except BaseException:
            driver.close()
            raise
        return driver


class _Sqlite:
    """A file, or memory where ``path`` is empty.

    Write-ahead logging keeps readers and the writer apart, and leaves a whole database behind whenever the
    process is killed. SQLite itself does not notice when its file is taken away or another one is put in its
    place: it would go on writing where nobody finds it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None
        if path:
            # Rows of the database are in it: they are the operator's alone. Only a new file is opened here:
            # closing one that is there would give up the locks that other connections of this process have
            # on it, and the next program to leave would take away the log that they go on writing to.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            self._file = _identify(path)
        arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        self._engine = create_engine(
            f"sqlite:///{path}" if path else "sqlite://", poolclass=StaticPool, connect_args=arguments
        )
        self._writes = False
        event.listen(self._engine, "connect", self._prepare)
        event.listen(self._engine, "begin", self._begin)

    def run(self, work: Work[Result], *, writes: bool) -> Result:
        if self._file is not None and _identify(self._path) != self._file:
            raise OSError(errno.ESTALE, "the file is not the one that was opened")
        self._writes = writes
        with self._engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        self._engine.dispose()

    def _prepare(self, connection: sqlite3.Connection, _: object) -> None:
        # The driver would begin by itself, too late and not for every statement.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    def _begin(self, connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if self._writes else "BEGIN")


def _identify(path: str) -> tuple[int, int]:
    """Which file is at ``path``. Raises OSError."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


class _Postgres:
    """A PostgreSQL database, by libpq's rules for ``url``."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.Runner()
        self._engine = create_async_engine(
            "postgresql+asyncpg://", async_creator=self._connect, pool_size=1, max_overflow=0
        )

    def run(self, work: Work[Result], *, writes: bool) -> Result:
        return self._loop.run(self._run(work, writes))

    def close(self) -> None:
        with self._loop:
            self._loop.run(self._engine.dispose())

    async def _run(self, work: Work[Result], writes: bool) -> Result:
        async with self._engine.begin() as connection:
            if writes:
                # A replica that is cut off while it holds the lock must not keep the others out.
                await connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = {IDLE}"))
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            return await connection.run_sync(work)

    def _connect(self) -> Awaitable[Any]:
        arguments = make_arguments(self._url, os.environ, fallback_name="understudy ledger")
        arguments.setdefault("timeout", CONNECT_SECONDS)
        connecting: Awaitable[Any] = asyncpg.connect(**arguments, command_timeout=COMMAND_SECONDS)
        return connecting


def _expect_ledger(connection: Connection) -> None:
    version = read_version(connection)
    if version is None:
        raise LedgerMissing("there is no ledger in this database")
    if version > len(STEPS):
        raise LedgerTooNew(f"the ledger has version {version}, this program knows up to {len(STEPS)}")
    if version < len(STEPS):
        raise LedgerMissing(
            f"the ledger has version {version} still; starting the proxy brings it up to date"
        )


def _is_passing(error: DBAPIError) -> bool:
    """Whether the same statements may do better another time; not if it is their values that are refused."""
    return not isinstance(error, DataError | IntegrityError)


def _describe(error: Exception) -> str:
    """What is wrong, without statements and values, which messages may quote."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.OperationalError | BadConnectionString):
        return str(cause)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    known = cause.__cause__ if isinstance(cause, Exception) and cause.__cause__ is not None else cause
    return type(known).__name__

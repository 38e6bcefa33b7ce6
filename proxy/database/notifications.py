"""A connection of its own that listens on a NOTIFY channel. Source: PostgREST 14, reference 11.2."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from proxy.config import EngineConfig
from proxy.database.conninfo import make_arguments
from proxy.database.faults import translate_fault
from proxy.database.pool import CannotConnect
from proxy.database.settings import read_server
from proxy.errors import ApiError


@dataclass(frozen=True, slots=True)
class Subscription:
    """A channel that is listened on: where, and what is done when the connection is lost."""

    server: str
    address: str
    lost: asyncio.Event


@asynccontextmanager
async def subscribe(
    options: EngineConfig, hear: Callable[[str], None], *, application_name: str
) -> AsyncIterator[Subscription]:
    """Listen on ``db-channel``, on a server that can be written to; ``hear`` is called with each payload.

    Raises ApiError and EngineDown when that cannot be done.
    """
    lost = asyncio.Event()

    def take(connection: Any, pid: int, channel: str, payload: str) -> None:
        hear(payload)

    try:
        arguments = make_arguments(options.db_uri, os.environ, fallback_name=application_name)
        arguments["target_session_attrs"] = "read-write"
        connection: Any = await asyncpg.connect(**arguments, statement_cache_size=0)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        refused = CannotConnect(str(error))
        raise translate_fault(refused, authenticated=True) from refused
    try:
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await _refuse_pooler(connection, options)
            server = await read_server(connection)
            await connection.add_listener(options.db_channel, take)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise translate_fault(error, authenticated=True) from error
        yield Subscription(server.description, _show_address(arguments), lost)
    finally:
        # At once: nothing is under way, and a server that is gone does not answer a farewell.
        connection.terminate()


async def _refuse_pooler(connection: Any, options: EngineConfig) -> None:
    """Raise where nothing would ever be heard: a pooler would lend a server for the one LISTEN.

    One in session mode lends it for good; that nothing is prepared says that this one does not.
    """
    if options.db_prepared_statements:
        return
    async with connection.transaction(readonly=True):
        server = await connection.fetchval("SELECT pg_backend_pid()")
    if server != connection.get_server_pid():
        raise _make_deaf()


def _make_deaf() -> ApiError:
    return ApiError(
        503,
        "PGRST000",
        "Notifications do not come through a pooler that lends a server for one transaction",
        "db-uri leads to a pooler, and db-prepared-statements is false",
        "Set db-channel-enabled to false and reload the schema cache by SIGUSR1, or let db-uri lead past it.",
    )


def _show_address(arguments: dict[str, Any]) -> str:
    host = (arguments.get("host") or [os.environ.get("PGHOST") or "local"])[0]
    port = (arguments.get("port") or [os.environ.get("PGPORT") or "5432"])[0]
    return f"{host}:{port}"

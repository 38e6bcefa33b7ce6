"""May the engine run on this server at all? Source: PostgREST 14, reference 11.2 and 9.6."""

from typing import Any

from proxy.database.settings import Server, read_server
from proxy.errors import Unrecoverable

OLDEST = 130000
"""The oldest version that is supported, as ``server_version_num`` has it."""


async def check_server(connection: Any) -> Server:
    """Which server ``connection`` leads to. Raises Unrecoverable if it is too old, and asyncpg's errors."""
    server = await read_server(connection)
    if server.number < OLDEST:
        raise Unrecoverable(
            f"Cannot run in this PostgreSQL version ({server.version}), {OLDEST // 10000} is the oldest"
        )
    return server

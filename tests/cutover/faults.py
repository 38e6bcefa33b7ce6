"""The ways in which the engine is made to fail; the upstream knows nothing of them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias, get_args

import asyncpg

from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.messages import Answer, Request

Fault: TypeAlias = Literal["errors", "hangs", "crash", "lost database", "wrong answers"]
FAULTS: tuple[Fault, ...] = get_args(Fault)

AnswerRequest: TypeAlias = Callable[..., Awaitable[Answer]]


class FaultyEngine:
    """The engine, which does as it should until it is told otherwise."""

    def __init__(self, answer: AnswerRequest, database: str) -> None:
        self._answer = answer
        self._database = database
        self._fault: Fault | None = None

    async def break_down(self, fault: Fault) -> None:
        """From now on fail in the way of ``fault``."""
        self._fault = fault
        if fault == "lost database":
            await lose_database(self._database)

    async def recover(self) -> None:
        """From now on do as it should."""
        if self._fault == "lost database":
            await restore_database(self._database)
        self._fault = None

    async def __call__(
        self, request: Request, snapshot: EngineSnapshot, database: Database, **options: Any
    ) -> Answer:
        match self._fault:
            case "errors":
                raise RuntimeError
            case "hangs":
                await asyncio.Event().wait()
            case "crash":
                raise asyncio.CancelledError
            case "wrong answers":
                return falsify(await self._answer(request, snapshot, database, **options))
            case _:
                pass
        return await self._answer(request, snapshot, database, **options)


async def lose_database(url: str) -> None:
    """Throw the engine out of the database at ``url``, a superuser's, and let it in no more."""
    await _execute(
        url,
        "alter role cutover_engine nologin",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'cutover_engine'",
    )


async def restore_database(url: str) -> None:
    """Let the engine in again."""
    await _execute(url, "alter role cutover_engine login")


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def falsify(answer: Answer) -> Answer:
    """``answer`` with one digit of its body changed, if there is one: nothing but the value is wrong."""
    for place, byte in enumerate(answer.body):
        if 0x31 <= byte <= 0x38:
            body = answer.body[:place] + bytes([byte + 1]) + answer.body[place + 1 :]
            return answer._replace(body=body)
    return answer

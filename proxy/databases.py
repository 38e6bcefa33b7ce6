"""The engine on its databases, as the server room asks it: what the two know of each other, joined."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeAlias

from proxy.config import EngineConfig
from proxy.database.alone import answer_alone
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.notifications import subscribe
from proxy.database.reach import load_reach
from proxy.engine.reach import Reach
from proxy.engine.schema import Schema
from proxy.engine.sql.session import Rehearsal
from proxy.errors import ApiError
from proxy.events import Crashed, Emit
from proxy.messages import Answer, Request
from proxy.server.listener import Listener
from proxy.server.schema_cache import LoadReach, LoadSchema
from proxy.server.state import AskEngine, Snapshot, State

_LEAST_ROOM = 1024 * 1024

AnswerRequest: TypeAlias = Callable[..., Awaitable[Answer]]
"""The engine's one function; see ``proxy.database.answer``."""


def asking(
    database: Database, *, serves: bool = False, rehearse: bool = False, answer: AnswerRequest = answer
) -> AskEngine:
    """The engine on ``database``.

    ``serves``: its answers are for clients. While there is no upstream nobody stands behind it then, and
    trouble becomes an answer. ``rehearse``: whatever is asked for is undone, within the limits of the
    configuration.
    """

    async def ask(request: Request, snapshot: Snapshot) -> Answer:
        if serves and snapshot.config.upstream is None:
            return await answer_alone(request, snapshot.config.engine, snapshot.engine, database)
        assert snapshot.engine is not None
        limits = snapshot.config.rehearsal
        rehearsal = Rehearsal(limits.lock_timeout, limits.statement_timeout) if rehearse else None
        return await answer(request, snapshot.engine, database, rehearsal=rehearsal)

    return ask


def find_room(max_body: int) -> int:
    """How large an answer of the engine may be, in bytes, of which no more than ``max_body`` are compared.

    An answer that is somewhat larger is a difference that has to be seen; one that is larger by far would
    only take the memory that clients need.
    """
    return 4 * max_body + _LEAST_ROOM


class Forgets(Protocol):
    """Whoever knows something of the catalog."""

    async def flush(self) -> None:
        """Forget it."""


def loading(serving: Database, *others: Forgets) -> LoadSchema:
    """What reads the schema cache through ``serving``, and has all forget the catalog as it was."""

    async def load(options: EngineConfig) -> Schema:
        schema = await serving.load_schema(options)
        for other in others:
            await other.flush()
        return schema

    return load


def reaching(database: Database, emit: Emit) -> LoadReach:
    """What reads from ``database`` how far writes reach; nothing is known where PostgreSQL does not tell."""

    async def load() -> Reach:
        try:
            return await database.run(load_reach)
        except ApiError as error:
            emit(Crashed("reach", error.code))
            return Reach()

    return load


def listening(
    state: State,
    emit: Emit,
    reload_schema: Callable[[], None],
    reload_config: Callable[[], None] | None,
) -> Listener:
    """Who hears on the engine's channel that the schema cache, or the configuration, is to be read anew."""
    return Listener(
        state,
        partial(subscribe, application_name="understudy listener"),
        emit,
        reload_schema=reload_schema,
        reload_config=reload_config or (lambda: None),
    )

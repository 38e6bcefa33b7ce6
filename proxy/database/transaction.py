"""One transaction: what it begins with, its statements, and how it ends.

Settings, statement and end go in one round trip where nothing in between has to be looked at.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from proxy.config import EngineConfig
from proxy.database.faults import FAULTS, is_refusal
from proxy.database.inspect import inspect
from proxy.database.pipeline import NeverSent, Pipeline, Refused
from proxy.database.standing import set_all
from proxy.database.statements import make_step, note_statement
from proxy.database.wire import Fields, Step, encode_values
from proxy.engine.openapi.inspection import Inspection
from proxy.engine.sql.session import Session, Settings
from proxy.errors import OutcomeUnknown

COMMIT = Step("COMMIT")

UNDO = (Step("ROLLBACK"), Step("SELECT pg_catalog.pg_advisory_unlock_all()"))
"""The end of what must leave nothing behind. READ ONLY refuses what writes to tables, and no more than that:
a function may notify, set what outlives the transaction, make temporary tables, take locks of the session.
"""


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
        self._begun = False
        self._ended = False
        self._driven = False
        """Whether the driver knows of the transaction: it has to see the end of it, too."""

    async def inspect(self, namespace: str, options: EngineConfig) -> Inspection:
        """What the role may see of the schema ``namespace``, for the root document."""
        return await inspect(await self._drive(), namespace, options)

    async def fetch_lines(self, sql: str, values: Sequence[str]) -> list[str]:
        """Run a statement whose rows are one text each."""
        return [(line or b"").decode() for (line,) in await self.fetch(sql, encode_values(values))]

    async def fetch(self, sql: str, values: bytes) -> list[Fields]:
        """The rows of a statement of the engine; ``values`` as ``encode_values`` makes them."""
        opening = self._open()
        return await self._pipeline.run((*opening, make_step(sql, values, self._session.role)), len(opening))

    async def fetch_only(self, sql: str, values: bytes) -> list[Fields]:
        """The same of the only one there is, which is not undone for what it gives.

        A transaction that reads, or is hasty, ends in the same trip. Raises OutcomeUnknown if lost there.
        """
        opening = self._open()
        steps = (*opening, make_step(sql, values, self._session.role))
        self._ended = (self._read_only or self._hasty) and not self._session.rollback
        if not self._ended:
            return await self._pipeline.run(steps, len(opening))
        if self._read_only:
            return await self._pipeline.run((*steps, *self._ending), len(opening))
        return await self._commit((*steps, COMMIT), len(opening))

    async def end(self) -> None:
        """Commit, or undo what is not to stay. Raises OutcomeUnknown."""
        if self._ended or not self._begun:
            return
        if self._session.rollback:
            await self._run(Step("SET CONSTRAINTS ALL IMMEDIATE"), Step("ROLLBACK"))
        elif self._read_only:
            await self._run(*self._ending)
        else:
            await self._commit((COMMIT,), 0)

    async def _commit(self, steps: Sequence[Step], wanted: int) -> list[Fields]:
        """Run ``steps``, the last of which commits. Raises OutcomeUnknown where nobody knows if it did."""
        try:
            return await self._pipeline.run(steps, wanted)
        except NeverSent:
            raise
        except Refused as error:
            if error.step < len(steps) - 1 or is_refusal(error.message):
                raise
            raise OutcomeUnknown from error
        except (*FAULTS, asyncio.CancelledError) as error:
            raise OutcomeUnknown from error

    async def _run(self, *steps: Step) -> None:
        if self._driven:
            for step in steps:
                await self._pipeline.driver.execute(step.sql)
        else:
            await self._pipeline.run(steps, len(steps))

    async def _drive(self) -> Any:
        """The driver's connection, inside the transaction, which it then has to end as well."""
        opening = self._open()
        if opening:
            await self._pipeline.run(opening, len(opening))
        self._driven = True
        return self._pipeline.driver

    def _open(self) -> tuple[Step, ...]:
        """What comes before the first statement, once."""
        if self._begun:
            return ()
        self._begun = True
        standing = self._pipeline.standing
        left = () if standing is None else standing.leave(own=self._session.own)
        begin, *settings = _open(self._session, self._pipeline.settings, read_only=self._read_only)
        for step in settings:
            note_statement(step.sql)
        return (begin, *left, *settings)


@lru_cache(maxsize=512)
def _open(session: Session, more: Settings, *, read_only: bool) -> tuple[Step, ...]:
    """What comes before the first statement of a transaction; the settings that clients have recur.

    ``more`` are settings besides the session's.
    """
    mode = "READ ONLY" if read_only else "READ WRITE"
    begin = Step(f"BEGIN ISOLATION LEVEL {session.isolation} {mode}")
    settings = set_all((*more, *session.settings), local=True)
    if session.pre_request is None:
        return begin, settings
    return begin, settings, Step(f"SELECT {session.pre_request}()")

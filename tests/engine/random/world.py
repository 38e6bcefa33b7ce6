"""A database to ask in-process: two ways to it, and a record of every SQL text its driver was given."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from proxy.config import EngineConfig
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.pipeline import Pipeline
from proxy.database.snapshot import EngineSnapshot
from proxy.database.wire import Step
from proxy.engine.schema import Schema
from proxy.engine.sql.build import build_statement
from proxy.messages import Answer, Headers, Request

JSON_TYPE = b"application/json; charset=utf-8"


class WatchedDatabase(Database):
    """A database that notes the SQL of every statement in ``texts``."""

    def __init__(self, options: EngineConfig, texts: list[str], *, read_only: bool) -> None:
        super().__init__(options, connections=1, application_name="random", read_only=read_only)
        self._texts = texts

    async def _connect(self) -> Pipeline:
        pipeline = await super()._connect()
        pipeline.driver.add_query_logger(self._note)
        run = pipeline.run

        async def run_and_note(steps: Sequence[Step], wanted: int) -> list[list[bytes | None]]:
            self._texts += (step.sql for step in steps)
            return await run(steps, wanted)

        pipeline.run = run_and_note  # type: ignore[method-assign]
        return pipeline

    def _note(self, query: Any) -> None:
        self._texts.append(query.query)


@dataclass(frozen=True, eq=False)
class World:
    """One schema to ask, as the anonymous role unless a token is sent."""

    name: str
    options: EngineConfig
    schema: Schema
    runner: asyncio.Runner
    first: WatchedDatabase
    second: WatchedDatabase
    texts: list[str] = field(default_factory=list)

    def send(self, request: Request, *, elsewhere: bool = False) -> Answer:
        """The answer to ``request``; ``elsewhere`` takes the other connection."""
        snapshot = EngineSnapshot(self.options, self.schema)
        return self.runner.run(answer(request, snapshot, self.second if elsewhere else self.first))

    def forget(self) -> None:
        """Have the next statement built from its plan again."""
        build_statement.cache_clear()
        for database in (self.first, self.second):
            database.plans.clear()

    def get(self, target: str | bytes, *headers: tuple[str, str], method: str = "GET") -> Answer:
        """The answer to a request without a body."""
        raw = target if isinstance(target, bytes) else target.encode()
        return self.send(Request(method, raw, encode(*headers)))

    def rows(self, target: str, *headers: tuple[str, str]) -> Any:
        """The JSON that a request answered well gives."""
        answered = self.get(target, *headers)
        assert answered.status in (200, 206), (target, answered)
        return json.loads(answered.body)


def encode(*headers: tuple[str, str]) -> Headers:
    """Headers as bytes."""
    return tuple((name.encode(), value.encode()) for name, value in headers)


@contextmanager
def open_world(name: str, options: EngineConfig, *, read_only: bool = True) -> Iterator[World]:
    """Connect, read the schema cache, and close at the end. PostgreSQL itself holds it ``read_only``."""
    texts: list[str] = []
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        first, second = (WatchedDatabase(options, texts, read_only=read_only) for _ in range(2))
        try:
            schema = runner.run(first.load_schema(options))
            yield World(name, options, schema, runner, first, second, texts)
        finally:
            runner.run(first.close())
            runner.run(second.close())

"""Whether this process should get traffic, and what an operator must know of it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from proxy.events import ConfigReloaded, Listener, SchemaLoaded
from proxy.shadow.scrub import scrub

FRESH = 1.0
"""Seconds for which one answer to the question whether the upstream can be reached counts."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What readiness depends on. ``upstream_reachable`` is None when there is no upstream."""

    schema_loaded: bool
    upstream_reachable: bool | None
    engine_serves: bool
    """Whether any table's reads or writes are the engine's to answer."""
    mirrors: bool
    """Whether any table's reads are to be mirrored."""
    upstream_was_reached: bool = False
    """Whether this process has ever reached the upstream."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """``problems`` are told whether or not they make the process unready."""

    ready: bool
    problems: tuple[str, ...] = ()


def judge_readiness(condition: Condition) -> Readiness:
    """Ready is who can answer clients with at least one side, and who could once.

    An upstream that is gone is gone for all replicas. If they were all unready, clients would be refused by
    the Service instead of being told in PostgREST's words to come again, and some seconds longer than it
    takes. Who has never reached it is not ready: its address may be wrong, and no replica that works should
    give way to it. Trouble of the mirror, or of an engine that the upstream stands in for, is told and
    changes nothing.
    """
    problems = []
    upstream_answers = condition.upstream_reachable is True or condition.upstream_was_reached
    engine_answers = condition.schema_loaded and condition.engine_serves
    if condition.upstream_reachable is False:
        problems.append("the upstream cannot be reached")
    if not condition.schema_loaded:
        if condition.upstream_reachable is None:
            problems.append("no schema cache is loaded: the engine cannot answer")
        elif condition.engine_serves:
            problems.append("no schema cache is loaded: the upstream answers for the engine")
        elif condition.mirrors:
            problems.append("no schema cache is loaded: reads are not mirrored")
    return Readiness(upstream_answers or engine_answers, tuple(problems))


@dataclass(frozen=True, slots=True)
class LastReload:
    """What became of the newest configuration. ``at`` is in seconds since 1970."""

    at: float
    accepted: bool
    problem: str = ""
    needs_restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LastSchemaLoad:
    """What became of the newest attempt to read the catalog. ``at`` is in seconds since 1970."""

    at: float
    accepted: bool
    relations: int = 0
    problem: str = ""


class Health(Listener):
    """A listener that remembers the last reload and the last load of the schema cache."""

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        """``wall_clock`` gives the time in seconds since 1970."""
        super().__init__({ConfigReloaded: self._note_reload, SchemaLoaded: self._note_load})
        self._wall_clock = wall_clock
        self.last_reload: LastReload | None = None
        self.last_schema_load: LastSchemaLoad | None = None

    def _note_reload(self, event: ConfigReloaded) -> None:
        problem = scrub(event.problem)
        self.last_reload = LastReload(self._wall_clock(), event.accepted, problem, event.needs_restart)

    def _note_load(self, event: SchemaLoaded) -> None:
        problem = scrub(event.problem)
        self.last_schema_load = LastSchemaLoad(self._wall_clock(), event.accepted, event.relations, problem)


class Reachability:
    """Whether the upstream can be reached: found out by connecting, no more often than it makes sense.

    ``was_reached`` says whether it ever could be. ``clock`` gives seconds that only grow.
    """

    def __init__(
        self, clock: Callable[[], float], connect: Callable[[str], Awaitable[bool]] | None = None
    ) -> None:
        self._clock = clock
        self._connect = connect or can_connect
        self._asked_at: float | None = None
        self._reachable = False
        self._turn = asyncio.Lock()
        self.was_reached = False

    async def ask(self, url: str) -> bool:
        """Whether something accepts connections at ``url``, now or a moment ago."""
        async with self._turn:
            if self._asked_at is None or self._clock() - self._asked_at >= FRESH:
                self._reachable = await self._connect(url)
                self._asked_at = self._clock()
                self.was_reached |= self._reachable
            return self._reachable


async def can_connect(url: str, seconds: float = 1.0) -> bool:
    """Whether something accepts connections at ``url`` (http or https) within ``seconds``."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(parts.hostname, port)
            writer.close()
            await writer.wait_closed()
    except OSError:
        return False
    return True

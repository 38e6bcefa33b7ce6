"""The only place where objects are made and joined: one running proxy."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from proxy.apart import SecondOpinionApart
from proxy.config import Config
from proxy.config.reader import ConfigFile, read_config
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.replica import join_replica
from proxy.databases import AnswerRequest, asking, find_room, listening, loading, reaching
from proxy.events import (
    ConfigReloaded,
    Event,
    MismatchOpened,
    Rearmed,
    SchemaLoaded,
)
from proxy.files import read_file
from proxy.judging import ReadinessWatch
from proxy.operate.admin import AdminSources, make_admin, open_admin
from proxy.operate.admission import is_loopback
from proxy.operate.health import Health, Reachability
from proxy.operate.history import History
from proxy.operate.judgements import Judgements
from proxy.operate.lag import measure_lag
from proxy.operate.listeners import join_listeners
from proxy.operate.log import EventLog
from proxy.operate.log_output import LOGGER
from proxy.operate.metrics import Metrics
from proxy.operate.proposals import Proposals
from proxy.operate.recent import Recent
from proxy.operate.rules import Rules
from proxy.operate.tally import Tally
from proxy.operate.tracing import begin_tracing
from proxy.operators import (
    AskedEngine,
    AskedLedger,
    RecordedOffers,
    examine,
    make_holds,
    make_ledger,
    make_recorder,
)
from proxy.second_opinion import GivesOpinions, SecondOpinion, roll
from proxy.server.front import FrontDoor
from proxy.server.guarding import Guarding
from proxy.server.handler import Handler, trace_nothing
from proxy.server.in_force import InForce, UpstreamInForce
from proxy.server.listening import Sockets, find_port
from proxy.server.mirror import Mirror, wait_for_nobody
from proxy.server.pace import Pace
from proxy.server.rehearsal import Rehearsals
from proxy.server.reload import Reload
from proxy.server.schema_cache import SchemaCache
from proxy.server.shrinking import Shrinker
from proxy.server.state import AskEngine, Snapshot, State
from proxy.server.throttle import Throttle
from proxy.server.upstream import Upstream
from proxy.server.writes import Writes
from proxy.shadow.policy import Names
from proxy.shadow.readiness import Readiness
from proxy.showing import Showing
from proxy.web.handlers import Pages
from proxy.wishes import WatchedFile, Wishes

_LOADING = 10.0
"""Seconds that the first load of the schema cache may hold up one who takes over from others."""


def read_named(path: str) -> bytes:
    """The content of a file that the configuration names by ``@file``. Raises OSError."""
    return read_file(Path(path))


def parse_config(content: bytes, path: Path, environ: Mapping[str, str] = os.environ) -> ConfigFile:
    """The configuration in ``content``; ``path`` is its name in problems. Raises ConfigError."""
    return read_config(content, str(path), environ, read_named)


class Proxy:
    """One running proxy, from ``open`` to ``close``.

    ``content`` is what ``config`` was read from; with ``path`` the file is watched from then on. The ports
    are those listened on, chosen by the system where the configuration says 0. With ``sockets`` these are
    listened on instead, and not before the first attempt to load the schema cache is over: others serve
    meanwhile. ``apart`` has mirrored reads settled in a process of their own. ``answer`` is the engine's one
    function in this process, ``wall_clock`` counts seconds since 1970.
    """

    def __init__(
        self,
        config: Config,
        *,
        path: Path | None = None,
        content: bytes = b"",
        sockets: Sockets | None = None,
        apart: bool = False,
        answer: AnswerRequest = answer,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._path = path
        self._content = content
        self._sockets = sockets
        self._apart = apart
        self._engine = answer
        self._wall_clock = wall_clock
        self._serving: Database
        self._throttle = Throttle(time.monotonic, lambda: self._serving.pool.waiting)
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self.state = State(Snapshot(config, Names(), None))
        self.ledger = make_ledger(config.ledger, self.state, self._emit_later, wall_clock)
        self._recorder = make_recorder(self.state)
        self._shrinker: Shrinker | None = None
        self.tally = Tally()
        self.recent = Recent()
        self.rules = Rules()
        self.proposals = Proposals()
        self.health = Health(wall_clock)
        self._reachability = Reachability(time.monotonic)
        self.metrics = Metrics(wall_clock)
        self._showing = Showing(self.state, self.metrics, self._emit_later)
        self._tracing = begin_tracing() if config.log.spans else None
        self._log = EventLog(logging.getLogger(LOGGER), time.monotonic, lambda: self.state.current.config.log)
        self.history = History(time.monotonic)
        self.judgements = Judgements(wall_clock)
        self._holds = make_holds(config.ledger, wall_clock)
        self.guarding = Guarding(
            self.state,
            self._emit_later,
            self._holds,
            clock=time.monotonic,
            wall_clock=wall_clock,
            reach=self._reachability.ask,
        )
        listeners = (
            *(self.guarding, self.metrics, self.tally, self.recent, self.rules, self.proposals),
            *(self.health, self.history, self._throttle, self.ledger, self._recorder, self._log),
            *((self._tracing,) if self._tracing is not None else ()),
            self._showing,
        )
        self.emit = join_listeners(
            *(listener.hearing for listener in listeners),
            {
                MismatchOpened: self._have_shrunk,
                SchemaLoaded: lambda _: self._loaded.set(),
                Rearmed: self._note_rearmed,
            },
        )
        self.reload = None if path is None else self._make_reload(path)
        self.carry_out = self._make_wishes(wall_clock)
        self._readiness = ReadinessWatch(self.ledger, self.state, self._show_readiness, wall_clock)
        self.port = 0
        self.admin_port = 0
        self.schema_cache: SchemaCache
        self._handler: Handler | None = None
        self._door: FrontDoor | None = None
        self._loaded = asyncio.Event()

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen on both ports. The schema cache is loaded behind open doors. Raises OSError."""
        config = self._config
        if self._tracing is not None:
            self._stack.push_async_callback(self._tracing.close)
        self._stack.push_async_callback(self.ledger.close)
        self._stack.push_async_callback(self._holds.close)
        serving = self._serving = self._database(config.engine.db_pool, "understudy")
        await join_replica(serving, config.engine, self.emit, "understudy", self._stack)
        rehearsing = self._database(
            config.rehearsal.concurrency,
            "understudy rehearsal",
            largest=lambda: find_room(self.state.current.config.rehearsal.max_body),
        )
        writes = Writes(time.monotonic)
        opinion = self._make_opinion(writes)
        self.schema_cache = SchemaCache(
            self.state,
            loading(serving, opinion, rehearsing),
            self.emit,
            clock=time.monotonic,
            load_reach=reaching(serving, self.emit),
        )
        upstream = InForce(self.state, lambda config: Upstream(config, time.monotonic))
        self._stack.push_async_callback(upstream.close)
        mirror = Mirror(
            opinion.settle,
            self._throttle,
            self.emit,
            concurrency=config.shadow.concurrency,
            # In this loop the mirror's own work is what makes it busy.
            wait=Pace().wait if self._apart else wait_for_nobody,
        )
        mirror.open()
        self._stack.push_async_callback(mirror.close)
        rehearsals = Rehearsals(
            asking(rehearsing, rehearse=True, answer=self._engine),
            self.emit,
            concurrency=config.rehearsal.concurrency,
            clock=time.monotonic,
        )
        self._stack.push_async_callback(rehearsals.close)
        self.metrics.watch_queue(mirror)
        self.metrics.watch_throttle(self._throttle)
        self.metrics.watch_ledger(self.ledger)
        self.metrics.watch_pool(lambda: serving.connections)
        self.metrics.watch_replica(lambda: serving.replica_lag)
        offers = RecordedOffers(mirror, self._recorder)
        self.admin_port = await self._listen_admin(offers, opinion.ask)
        self._stack.callback(self._recorder.close)
        self._handler = handler = Handler(
            self.state,
            UpstreamInForce(upstream),
            asking(serving, serves=True, answer=self._engine),
            offers,
            rehearsals,
            writes,
            self.emit,
            time.monotonic,
            roll,
            trace=trace_nothing if self._tracing is None else self._tracing.open,
        )
        self._stack.push_async_callback(handler.close)
        # Clients are let in when it is known what is held, unless that cannot be known now.
        await self.guarding.exchange()
        self._spawn("schema cache", self.schema_cache.keep())
        self._door = door = FrontDoor(handler, config.limits, self.emit)
        self._stack.push_async_callback(door.close)
        if self._sockets is None:
            self.port = await door.open(config.listen)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOADING):
                    await self._loaded.wait()
            await door.open_on(self._sockets.clients, self._sockets.seat)
            self.port = find_port(self._sockets.clients)
        if self.reload is not None:
            self._spawn("reload", self.reload.watch())
        self._spawn("holds", self.guarding.keep())
        if config.engine.db_channel_enabled:
            reload_config = self.reload.refresh if self.reload is not None else None
            hearing = listening(self.state, self.emit, self.schema_cache.refresh, reload_config)
            self._spawn("listener", hearing.keep())
        self._spawn("ledger", self.ledger.keep())
        self._spawn("readiness", self._readiness.keep())
        self._spawn("loop lag", measure_lag(self.metrics.observe_lag, time.monotonic, asyncio.sleep))
        self.emit(ConfigReloaded(True))

    async def leave(self, farewell: float = 3.0) -> None:
        """Stop listening for clients, and let those that are there leave, in ``farewell`` seconds at most."""
        if self._door is not None:
            await self._door.leave(farewell)

    async def close(self) -> None:
        """Let requests in progress end, account for what is mirrored, close everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    def _database(self, connections: int, name: str, **limits: Any) -> Database:
        database = Database(self._config.engine, connections=connections, application_name=name, **limits)
        self._stack.push_async_callback(database.close)
        return database

    def _make_opinion(self, writes: Writes) -> GivesOpinions:
        opinion: SecondOpinion | SecondOpinionApart
        await_calm, throttle = writes.await_calm, self._throttle
        if self._apart:
            opinion = SecondOpinionApart(self.state, self.emit, await_calm=await_calm)
            opinion.open()
        else:
            opinion = SecondOpinion(self.state, self.emit, await_calm=await_calm, answer=self._engine)
        self._stack.push_async_callback(opinion.close)
        self._shrinker = Shrinker(
            opinion.find_differences,
            self.emit,
            clock=time.monotonic,
            may_ask=lambda: not (throttle.paused or throttle.stopped),
        )
        self._spawn("shrinking", self._shrinker.keep())
        return opinion

    async def _listen_admin(self, offers: RecordedOffers, ask: AskEngine) -> int:
        ledger = AskedLedger(self.ledger)
        sources = AdminSources(
            self.metrics.registry,
            self.tally,
            self.health,
            self.recent,
            self._throttle,
            self.proposals,
            lambda: self.rules.report(self.state.current.config.compare.ignore, date.today()),
            self._showing.list_modes,
            lambda: examine(self.state.current, self._reachability),
            ledger.describe,
            ledger,
            offers.record,
            AskedEngine(ask, self.state),
            self.guarding,
            self.carry_out,
            operators=lambda: self.state.current.config.console.operators,
            loopback=is_loopback(self._config.admin.host),
        )
        pages = Pages(
            sources,
            lambda: self.state.current.config,
            self.judgements,
            self.history,
            own_key=os.urandom(32),
            wall_clock=self._wall_clock,
        )
        operators = None if self._sockets is None else self._sockets.operators
        application = make_admin(sources, pages.list_routes())
        return await open_admin(application, self._config.admin, operators, self._stack)

    def _make_reload(self, path: Path) -> Reload:
        return Reload(
            self.state,
            self.emit,
            read=partial(read_file, path),
            parse=lambda content: parse_config(content, path),
            content=self._content,
        )

    def _make_wishes(self, wall_clock: Callable[[], float]) -> Wishes:
        """What carries out what people wish of tables."""
        file = None
        if self._path is not None and self.reload is not None:
            path = self._path
            file = WatchedFile(path, lambda content: parse_config(content, path), self.reload.reload)
        return Wishes(file, self.state, self.guarding, self.ledger, wall_clock)

    def _spawn(self, name: str, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    def _emit_later(self, event: Event) -> None:
        """``emit``, for those that are made before it."""
        self.emit(event)

    def _have_shrunk(self, opened: MismatchOpened) -> None:
        if self._shrinker is not None:
            self._shrinker.listen(opened)

    def _note_rearmed(self, _: Rearmed) -> None:
        if self._handler is not None:
            self._handler.ask_engine_again()

    def _show_readiness(self, readiness: Readiness) -> None:
        self.metrics.show_readiness(readiness)
        self.judgements.note(readiness)

"""The only place where objects are made and joined: one running proxy."""

import asyncio
import contextlib
import logging
import os
import random
import time
from collections.abc import Coroutine, Mapping
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from proxy.config import Config, EngineConfig
from proxy.config.reader import ConfigFile, read_config
from proxy.database.alone import answer_alone
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.reach import load_reach
from proxy.engine.reach import Reach
from proxy.engine.schema import Schema
from proxy.engine.sql.session import Rehearsal
from proxy.errors import ApiError
from proxy.events import (
    ConfigReloaded,
    Crashed,
    Emit,
    Event,
    Held,
    Rearmed,
    RehearsalRefused,
    RuleExpired,
    SchemaLoaded,
)
from proxy.messages import Answer, Request
from proxy.operate.admin import AdminSources, make_admin
from proxy.operate.health import Condition, Health, can_connect
from proxy.operate.lag import measure_lag
from proxy.operate.listeners import join_listeners
from proxy.operate.log import EventLog
from proxy.operate.metrics import Metrics
from proxy.operate.proposals import Proposals
from proxy.operate.recent import Recent
from proxy.operate.rules import RuleReport, Rules, is_expired
from proxy.operate.tally import Tally
from proxy.server.again import UpstreamAgain
from proxy.server.comparing import Comparer, Pair
from proxy.server.front import FrontDoor
from proxy.server.guarding import Guarding
from proxy.server.handler import Handler
from proxy.server.holds import HoldsInMemory
from proxy.server.mirror import Mirror, ask_nobody
from proxy.server.probe import Probe
from proxy.server.proof import AT_ONCE, AskUpstream, Prover
from proxy.server.rehearsal import Rehearsals
from proxy.server.reload import Reload
from proxy.server.schema_cache import LoadReach, LoadSchema, SchemaCache
from proxy.server.selftest import SelfTest
from proxy.server.state import AskEngine, Snapshot, State
from proxy.server.throttle import Throttle
from proxy.server.upstream import Upstream
from proxy.server.writes import Writes
from proxy.shadow.policy import Names, TableModes, list_modes


def read_named(path: str) -> bytes:
    """The content of a file that the configuration names by ``@file``. Raises OSError."""
    return Path(path).read_bytes()


def parse_config(content: bytes, path: Path, environ: Mapping[str, str] = os.environ) -> ConfigFile:
    """The configuration in ``content``; ``path`` is its name in problems. Raises ConfigError."""
    return read_config(content, str(path), environ, read_named)


def asking(database: Database, *, alone: bool = False, rehearse: bool = False) -> AskEngine:
    """The engine on ``database``. ``alone``: nobody stands behind it, so trouble becomes an answer.

    ``rehearse``: whatever is asked for is undone, within the limits of the configuration.
    """

    async def ask(request: Request, snapshot: Snapshot) -> Answer:
        if alone:
            return await answer_alone(request, snapshot.config.engine, snapshot.engine, database)
        assert snapshot.engine is not None
        limits = snapshot.config.rehearsal
        rehearsal = Rehearsal(limits.lock_timeout, limits.statement_timeout) if rehearse else None
        return await answer(request, snapshot.engine, database, rehearsal=rehearsal)

    return ask


def loading(serving: Database, *others: Database) -> LoadSchema:
    """What reads the schema cache through ``serving``, and has all forget the catalog as it was."""

    async def load(options: EngineConfig) -> Schema:
        schema = await serving.load_schema(options)
        for database in others:
            await database.flush()
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


def _roll() -> float:
    return random.uniform(0, 100)


class Proxy:
    """One running proxy, from ``open`` to ``close``.

    ``content`` is what ``config`` was read from; with ``path`` the file is watched from then on. The ports
    are those listened on, chosen by the system where the configuration says 0.
    """

    def __init__(self, config: Config, *, path: Path | None = None, content: bytes = b"") -> None:
        self._config = config
        self._path = path
        self._content = content
        self._stack = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._refused: Mapping[str, tuple[str, ...]] = {}
        self.state = State(Snapshot(config, Names(), None))
        self.tally = Tally()
        self.recent = Recent()
        self.rules = Rules()
        self.proposals = Proposals()
        self.health = Health(time.time)
        self.metrics = Metrics(time.time)
        self._log = EventLog(logging.getLogger("understudy"), time.monotonic)
        self.guarding = Guarding(
            self.state,
            self._emit_later,
            HoldsInMemory(),
            clock=time.monotonic,
            wall_clock=time.time,
        )
        self.emit = join_listeners(
            self.guarding.listen,
            self.metrics.listen,
            self.tally.listen,
            self.recent.listen,
            self.rules.listen,
            self.proposals.listen,
            self.health.listen,
            self._log.listen,
            self._show_config,
        )
        self.port = 0
        self.admin_port = 0
        self.schema_cache: SchemaCache
        self.reload: Reload | None = None
        self._handler: Handler | None = None

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
        alone = config.upstream is None
        serving = self._database(config.engine.db_pool, "understudy")
        mirroring = self._database(config.shadow.concurrency, "understudy mirror", read_only=True)
        rehearsing = self._database(config.rehearsal.concurrency, "understudy rehearsal")
        self.schema_cache = SchemaCache(
            self.state,
            loading(serving, mirroring, rehearsing),
            self.emit,
            clock=time.monotonic,
            forgetful=alone,
            load_reach=reaching(serving, self.emit),
        )
        upstream = None if config.upstream is None else Upstream(config.upstream, time.monotonic)
        if upstream is not None:
            self._stack.push_async_callback(upstream.close)
        writes = Writes(time.monotonic)
        throttle = Throttle(time.monotonic, lambda: serving.pool.waiting)
        mirror = self._make_mirror(mirroring, throttle, writes)
        mirror.open()
        self._stack.push_async_callback(mirror.close)
        rehearsals = Rehearsals(
            asking(rehearsing, rehearse=True),
            self.emit,
            concurrency=config.rehearsal.concurrency,
            clock=time.monotonic,
        )
        self._stack.push_async_callback(rehearsals.close)
        self.metrics.watch_queue(mirror)
        self.metrics.watch_throttle(throttle)
        self.metrics.watch_pool(lambda: serving.connections)
        self.admin_port = await self._listen_admin(throttle)
        self._handler = handler = Handler(
            self.state,
            upstream,
            asking(serving, alone=alone),
            mirror,
            rehearsals,
            writes,
            self.emit,
            time.monotonic,
            _roll,
        )
        self._stack.push_async_callback(handler.close)
        # Clients are let in when it is known what is held, unless that cannot be known now.
        await self.guarding.exchange()
        door = FrontDoor(handler, config.limits, self.emit)
        self.port = await door.open(config.listen)
        self._stack.push_async_callback(door.close)
        if self._path is not None:
            self.reload = self._make_reload(self._path)
            self._spawn("reload", self.reload.watch())
        self._spawn("holds", self.guarding.keep())
        self._spawn("schema cache", self.schema_cache.keep())
        self._spawn("loop lag", measure_lag(self.metrics.observe_lag, time.monotonic, asyncio.sleep))
        self.emit(ConfigReloaded(True))

    async def close(self) -> None:
        """Let requests in progress end, account for what is mirrored, close everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    def _database(self, connections: int, name: str, *, read_only: bool = False) -> Database:
        database = Database(
            self._config.engine, connections=connections, application_name=name, read_only=read_only
        )
        self._stack.push_async_callback(database.close)
        return database

    def _make_mirror(self, database: Database, throttle: Throttle, writes: Writes) -> Mirror:
        config, comparer = self._config, Comparer()
        self._stack.callback(comparer.close)
        ask_upstream: AskUpstream = ask_nobody
        if config.upstream is not None:
            again = UpstreamAgain(config.upstream, time.monotonic, connections=AT_ONCE)
            self._stack.push_async_callback(again.close)
            ask_upstream = again.ask
        ask_engine = asking(database)
        prover = Prover(
            ask_engine,
            ask_upstream,
            database.read_snapshot,
            comparer,
            clock=time.monotonic,
            toss=lambda: random.random() < 0.5,
            is_current=lambda snapshot: snapshot.engine is self.state.current.engine,
            await_calm=writes.await_calm,
        )
        selftest = SelfTest(comparer, self.emit, roll=_roll, choose=random.randrange)
        probe = Probe(
            ask_upstream, database.read_snapshot, comparer, self.emit, roll=_roll, clock=time.monotonic
        )

        async def check(table: str, request: Request, pair: Pair, snapshot: Snapshot) -> None:
            await selftest(request, pair, snapshot)
            await probe(table, request, snapshot)

        return Mirror(
            ask_engine,
            comparer,
            prover,
            throttle,
            self.emit,
            concurrency=config.shadow.concurrency,
            check=check,
            ask_upstream=ask_upstream,
        )

    async def _listen_admin(self, throttle: Throttle) -> int:
        sources = AdminSources(
            self.metrics.registry,
            self.tally,
            self.health,
            self.recent,
            throttle,
            self.proposals,
            self._report_rules,
            self._list_modes,
            self._examine,
            self.guarding,
        )
        runner = web.AppRunner(make_admin(sources), access_log=None)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        address = self._config.admin
        site = web.TCPSite(runner, address.host, address.port)
        await site.start()
        return site.port

    def _make_reload(self, path: Path) -> Reload:
        return Reload(
            self.state,
            self.emit,
            read=path.read_bytes,
            parse=lambda content: parse_config(content, path),
            content=self._content,
        )

    def _spawn(self, name: str, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    def _list_modes(self) -> tuple[TableModes, ...]:
        snapshot = self.state.current
        return list_modes(snapshot.config, snapshot.names, snapshot.holds)

    def _emit_later(self, event: Event) -> None:
        """``emit``, for those that are made before it."""
        self.emit(event)

    def _show_config(self, event: Event) -> None:
        if isinstance(event, Held | Rearmed):
            self.metrics.set_tables(self._list_modes())
        if isinstance(event, Rearmed) and self._handler is not None:
            self._handler.ask_engine_again()
        if isinstance(event, ConfigReloaded | SchemaLoaded) and event.accepted:
            modes = self._list_modes()
            self.metrics.set_tables(modes)
            refused = {table.table: table.hazards for table in modes if table.hazards}
            for table, hazards in refused.items() - self._refused.items():
                self.emit(RehearsalRefused(table, hazards))
            self._refused = refused
        if isinstance(event, ConfigReloaded) and event.accepted:
            rules = self.state.current.config.compare.ignore
            self.metrics.set_rules(rule.name for rule in rules)
            for rule in rules:
                if is_expired(rule, date.today()):
                    self.emit(RuleExpired(rule.name, rule.expires.isoformat()))

    def _report_rules(self) -> tuple[RuleReport, ...]:
        return self.rules.report(self.state.current.config.compare.ignore, date.today())

    async def _examine(self) -> Condition:
        config = self.state.current.config
        rules = (config.defaults, *config.tables.values(), *config.functions.values())
        upstream = config.upstream
        return Condition(
            schema_loaded=self.state.current.engine is not None,
            upstream_reachable=None if upstream is None else await can_connect(upstream.url),
            engine_serves=upstream is None or any("engine" in (rule.reads, rule.writes) for rule in rules),
            mirrors=any(rule.reads == "shadow" for rule in rules),
        )

"""The only place where objects are made and joined: one running proxy."""

import asyncio
import contextlib
import logging
import os
import random
import socket
import time
import uuid
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

import proxy
from proxy.config import Config, EngineConfig
from proxy.config.reader import ConfigFile, read_config
from proxy.database.alone import answer_alone
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.engine.schema import Schema
from proxy.errors import ApiError, EngineDown, UnderstudyError, Unsupported, render_error
from proxy.events import ConfigReloaded, Difference, Event, SchemaLoaded
from proxy.ledger.database import LedgerDatabase, Result, Work
from proxy.ledger.ledger import Ledger
from proxy.ledger.report import report_evidence, report_mismatch, report_mismatches
from proxy.messages import Answer, Exchange, Request
from proxy.operate.admin import AdminSources, make_admin
from proxy.operate.health import Condition, Health, can_connect
from proxy.operate.lag import measure_lag
from proxy.operate.listeners import join_listeners
from proxy.operate.log import EventLog
from proxy.operate.metrics import Metrics
from proxy.operate.recent import Recent
from proxy.operate.tally import Tally
from proxy.server import refusals
from proxy.server.again import UpstreamAgain
from proxy.server.conditions import ConditionsInForce
from proxy.server.front import FrontDoor
from proxy.server.handler import Handler
from proxy.server.mirror import Mirror
from proxy.server.reload import Reload
from proxy.server.roles import find_role
from proxy.server.schema_cache import LoadSchema, SchemaCache
from proxy.server.shrinking import Shrinker
from proxy.server.state import AskEngine, Snapshot, State
from proxy.server.upstream import Upstream
from proxy.shadow.compare import compare
from proxy.shadow.policy import Decision, Names, TableModes, list_modes
from proxy.shadow.redaction.secrets import Redaction, make_redaction
from proxy.tape.recorder import Recorder, RecordingLimits


def read_named(path: str) -> bytes:
    """The content of a file that the configuration names by ``@file``. Raises OSError."""
    return Path(path).read_bytes()


def parse_config(content: bytes, path: Path, environ: Mapping[str, str] = os.environ) -> ConfigFile:
    """The configuration in ``content``; ``path`` is its name in problems. Raises ConfigError."""
    return read_config(content, str(path), environ, read_named)


def asking(database: Database, *, alone: bool = False) -> AskEngine:
    """The engine on ``database``. ``alone``: nobody stands behind it, so trouble becomes an answer."""

    async def ask(request: Request, snapshot: Snapshot) -> Answer:
        if alone:
            return await answer_alone(request, snapshot.config.engine, snapshot.engine, database)
        assert snapshot.engine is not None
        return await answer(request, snapshot.engine, database)

    return ask


def loading(serving: Database, mirroring: Database) -> LoadSchema:
    """What reads the schema cache through ``serving``, and has both forget the catalog as it was."""

    async def load(options: EngineConfig) -> Schema:
        schema = await serving.load_schema(options)
        await mirroring.flush()
        return schema

    return load


class AskedLedger:
    """The ledger, as the admin port asks it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def evidence(self) -> object:
        return await self._read(report_evidence)

    async def mismatches(self, table: str | None) -> Sequence[object]:
        return await self._read(partial(report_mismatches, table=table))

    async def mismatch(self, prefix: str) -> Sequence[object]:
        return await self._read(partial(report_mismatch, prefix=prefix))

    async def _read(self, work: Work[Result]) -> Result:
        try:
            return await self._ledger.read(work)
        except UnderstudyError as error:
            raise UnderstudyError(f"the ledger cannot be read: {error}") from error


class RecordedOffers:
    """The mirror, with whoever records live traffic beside it."""

    def __init__(self, mirror: Mirror, recorder: Recorder) -> None:
        self._mirror = mirror
        self._recorder = recorder

    def offer(self, decision: Decision, exchange: Exchange, snapshot: Snapshot) -> None:
        """Take a read that the upstream has answered; never waits and never raises."""
        self._mirror.offer(decision, exchange, snapshot)
        if self._recorder.active:
            role = find_role(exchange.request, snapshot, time.time())
            self._recorder.offer(decision.table, role, exchange)


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
        self.state = State(Snapshot(config, Names(), None))
        conditions = ConditionsInForce(self.state, proxy.__version__)
        self.ledger = Ledger(
            LedgerDatabase(config.ledger, create=True),
            self._emit_later,
            find_conditions=conditions.find,
            redaction=self._find_redaction,
            replica=f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
            clock=time.monotonic,
            wall_clock=time.time,
        )
        self._recorder = Recorder(self._find_redaction, clock=time.monotonic)
        self._shrinker = Shrinker(self._find_differences, self._emit_later, clock=time.monotonic)
        self.tally = Tally()
        self.recent = Recent()
        self.health = Health(time.time)
        self.metrics = Metrics(time.time)
        self._log = EventLog(logging.getLogger("understudy"), time.monotonic)
        self.emit = join_listeners(
            self.metrics.listen,
            self.tally.listen,
            self.recent.listen,
            self.health.listen,
            self.ledger.listen,
            self._shrinker.listen,
            self._recorder.listen,
            self._log.listen,
            self._show_modes,
        )
        self.port = 0
        self.admin_port = 0
        self.schema_cache: SchemaCache
        self._asking: AskEngine
        self._again: UpstreamAgain | None = None
        self.reload: Reload | None = None

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
        self._stack.push_async_callback(self.ledger.close)
        serving = self._database(config.engine.db_pool, "understudy")
        mirroring = self._database(config.shadow.concurrency, "understudy mirror", read_only=True)
        self.schema_cache = SchemaCache(
            self.state, loading(serving, mirroring), self.emit, clock=time.monotonic, forgetful=alone
        )
        upstream = None if config.upstream is None else Upstream(config.upstream, time.monotonic)
        if config.upstream is not None:
            assert upstream is not None
            self._stack.push_async_callback(upstream.close)
            self._again = UpstreamAgain(config.upstream, time.monotonic, connections=1)
            self._stack.push_async_callback(self._again.close)
        self._asking = asking(mirroring)
        mirror = Mirror(self._asking, self.emit, concurrency=config.shadow.concurrency)
        mirror.open()
        self._stack.push_async_callback(mirror.close)
        self.metrics.watch_queue(mirror)
        self.metrics.watch_ledger(self.ledger)
        self.metrics.watch_pool(lambda: serving.connections)
        self.admin_port = await self._listen_admin()
        self._stack.callback(self._recorder.close)
        handler = Handler(
            self.state,
            upstream,
            asking(serving, alone=alone),
            RecordedOffers(mirror, self._recorder),
            self.emit,
            time.monotonic,
            lambda: random.uniform(0, 100),
        )
        door = FrontDoor(handler, config.limits, self.emit)
        self.port = await door.open(config.listen)
        self._stack.push_async_callback(door.close)
        if self._path is not None:
            self.reload = self._make_reload(self._path)
            self._spawn("reload", self.reload.watch())
        self._spawn("schema cache", self.schema_cache.keep())
        self._spawn("ledger", self.ledger.keep())
        self._spawn("shrinking", self._shrinker.keep())
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

    async def _listen_admin(self) -> int:
        sources = AdminSources(
            self.metrics.registry,
            self.tally,
            self.health,
            self.recent,
            self._list_modes,
            self._examine,
            lambda: asdict(self.ledger.condition),
            AskedLedger(self.ledger),
            self._record,
            self._ask_engine,
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
        return list_modes(snapshot.config, snapshot.names)

    def _find_redaction(self) -> Redaction:
        return make_redaction(self.state.current.config.redact)

    def _record(self, **limits: Any) -> AsyncGenerator[str, None]:
        return self._recorder.record(RecordingLimits(**limits))

    async def _ask_engine(self, request: Request) -> Answer:
        """What the engine answers to a read, for an operator who compares by hand."""
        snapshot = self.state.current
        try:
            if snapshot.engine is None:
                raise ApiError(503, "PGRST002", "No schema cache is loaded")
            async with asyncio.timeout(snapshot.config.shadow.timeout):
                return await self._asking(request, snapshot)
        except ApiError as error:
            return render_error(error)
        except EngineDown as error:
            return render_error(error.error)
        except Unsupported as error:
            return render_error(refusals.not_implemented(error.feature))
        except TimeoutError:
            return render_error(ApiError(504, "PGRST003", "The engine took too long"))

    async def _find_differences(self, request: Request) -> Sequence[Difference]:
        """In what the two sides disagree on ``request`` now; in nothing if one of them gives no answer."""
        snapshot = self.state.current
        if self._again is None or snapshot.engine is None:
            return ()
        limits = snapshot.config.shadow
        try:
            async with asyncio.timeout(limits.timeout):
                upstream = await self._again.ask(request, limits.max_body)
                engine = await self._asking(request, snapshot)
        except (UnderstudyError, TimeoutError):
            return ()
        max_rows = snapshot.config.engine.db_max_rows
        found = await asyncio.to_thread(compare, request, upstream, engine, max_rows=max_rows)
        return found.differences

    def _emit_later(self, event: Event) -> None:
        """``emit``, for those that are made before it."""
        self.emit(event)

    def _show_modes(self, event: Event) -> None:
        if isinstance(event, ConfigReloaded | SchemaLoaded) and event.accepted:
            self.metrics.set_tables(self._list_modes())

    async def _examine(self) -> Condition:
        config = self.state.current.config
        rules = (config.defaults, *config.tables.values(), *config.functions.values())
        upstream = config.upstream
        return Condition(
            schema_loaded=self.state.current.engine is not None,
            upstream_reachable=None if upstream is None else await can_connect(upstream.url),
            engine_serves=upstream is None or any(rule.reads == "engine" for rule in rules),
            mirrors=any(rule.reads == "shadow" for rule in rules),
        )

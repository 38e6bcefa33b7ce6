"""The rest of ``make bench-full``: what needs another load, other servers, or a past."""

import contextlib
import math
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import aiohttp

from proxy.embedded import create_database, drop_database, load_sql
from tests.bench.figures import Figure, Sample, make_figure, make_ratio
from tests.bench.goals import Goal, make_goal, reference_of
from tests.bench.processes import family, resident_bytes
from tests.bench.reads import BY_KEY, Read
from tests.bench.report import reads_of, throughput_ratio
from tests.bench.rounds import (
    ENGINE,
    FLOOR,
    FRONT,
    POSTGREST,
    REAL,
    Plan,
    Results,
    count_reads,
    do_work,
    load,
    make_order,
    make_work,
    settle,
    timed,
)
from tests.bench.stage import DIRECT, OFF, SHADOW, Server, Stage, ask, find_postgrest, run_sql
from tests.support.conformance import SQL_FILES
from tests.support.database import ConformanceDatabase

_EQUAL_LOAD = 0.7
_MODERATE_LOADS = (0.1, 0.3)
_ENOUGH = 1000
"""Requests in a sample of which the 99th percentile means something: of a hundred it is the slowest one."""

_DISTINCT = 4000
_MEBIBYTE = 1024 * 1024

_Measure = Callable[[], Awaitable[Sample]]


async def measure_more(stage: Stage, plan: Plan, results: Results, tell: Callable[[str], None]) -> list[Goal]:
    """The goals that the rounds say nothing about. Raises BenchError and aiohttp's errors."""
    length = len((await ask(stage.session, stage.direct, BY_KEY))[1])
    goals = []
    for read in plan.reads[:2]:
        tell(f"equal load: {read.name}")
        goals.append(await _measure_equal_load(stage, plan, read, results))
    tell("one client, and clients beside the mirror")
    goals.append(await _measure_one_client(stage, plan, length))
    goals += await _measure_beside_mirror(stage, plan, length, results.samples[FRONT][OFF], stage.front)
    if stage.real:
        tell(f"clients beside the mirror, {REAL}")
        off = results.samples[REAL][OFF]
        goals += await _measure_beside_mirror(stage, plan, length, off, stage.real, f", {REAL}")
    tell("nginx")
    goals.append(await _measure_nginx(stage, plan, length))
    tell("two workers")
    goals += await _measure_workers(stage, plan, length)
    tell("a big schema")
    goals += await _measure_big_schema(stage, plan)
    tell("many distinct requests")
    goals += await _measure_growth(stage, plan)
    return goals


async def _alternate(rounds: int, measures: Mapping[str, _Measure]) -> dict[str, list[Sample]]:
    """Each of ``measures`` once in each round, in every other round in reverse."""
    samples: dict[str, list[Sample]] = {name: [] for name in measures}
    for number in range(rounds):
        for name in measures if number % 2 == 0 else reversed(list(measures)):
            samples[name].append(await measures[name]())
    return samples


def _loaded(
    server: Server, plan: Plan, length: int, *, connections: int | None = None, rate: float | None = None
) -> _Measure:
    order = make_order(server, BY_KEY, connections or plan.connections, length, plan.seconds, rate)
    return lambda: timed(server.running, lambda: load(order, plan.wrk))


def _last_for_enough(plan: Plan, rate: float) -> Plan:
    """The plan for so many requests a second, of which each sample has enough."""
    return replace(plan, seconds=max(plan.seconds, math.ceil(_ENOUGH / rate)))


def _ratio(samples: Mapping[str, Sequence[Sample]], one: str, other: str, what: str) -> Figure | None:
    values, reference = ([getattr(sample, what) for sample in samples[name]] for name in (one, other))
    return make_ratio(values, reference)


async def _measure_equal_load(stage: Stage, plan: Plan, read: Read, results: Results) -> Goal:
    """Latency where the engine gets what the reference could just bear."""
    sides = reads_of(results)
    reference = reference_of(sides)
    peak = make_figure(sample.per_second for sample in sides[read.name][reference]).median
    rate = _EQUAL_LOAD * peak
    plan = _last_for_enough(plan, rate)
    length = len((await ask(stage.session, stage.engine, read))[1])

    def served(server: Server) -> _Measure:
        order = make_order(server, read, plan.connections, length, plan.seconds, rate)
        return lambda: load(order, None)

    work = make_work(stage, read, plan.seconds, plan.connections, rate)
    measures: dict[str, _Measure] = {
        FLOOR: lambda: do_work(stage.floor, work),
        ENGINE: served(stage.engine),
    }
    if stage.postgrest is not None:
        measures[POSTGREST] = served(stage.postgrest)
    samples = await _alternate(plan.rounds, measures)
    what = f"{read.name}, p99 at {rate:,.0f} requests a second, of {reference}"
    return make_goal(what, "≤", 0.8, _ratio(samples, ENGINE, reference, "p99"))


async def _measure_one_client(stage: Stage, plan: Plan, length: int) -> Goal:
    """What passing through the proxy adds where nothing else is going on."""
    sides = {DIRECT: stage.direct, OFF: stage.off}
    samples = await _alternate(
        plan.rounds, {name: _loaded(server, plan, length, connections=1) for name, server in sides.items()}
    )
    pairs = zip(samples[OFF], samples[DIRECT], strict=True)
    added = make_figure(off.p50 - direct.p50 for off, direct in pairs)
    return make_goal("mirroring off, added p50 in ms, one client", "≤", 0.25, added)


async def _measure_beside_mirror(
    stage: Stage,
    plan: Plan,
    length: int,
    peak: Sequence[Sample],
    servers: Mapping[str, Server],
    where: str = "",
) -> list[Goal]:
    """Latency beside the mirror, at loads that leave it time: so much of the ``peak``."""
    goals = []
    for share in _MODERATE_LOADS:
        rate = share * make_figure(sample.per_second for sample in peak).median
        longer = _last_for_enough(plan, rate)
        off, shadow = (_loaded(servers[name], longer, length, rate=rate) for name in (OFF, SHADOW))
        before = await count_reads(stage, servers[SHADOW])
        sides = {OFF: off, SHADOW: _settled(stage, servers[SHADOW], shadow)}
        samples = await _alternate(plan.rounds, sides)
        reads = await count_reads(stage, servers[SHADOW]) - before
        compared = 1 - sum(count for what, count in reads.items() if what.startswith("shed")) / reads["reads"]
        what = f"mirroring on, p99 of off, at {rate:,.0f} requests a second{where}, {compared:.0%} compared"
        goals.append(make_goal(what, "≤", 1.05, _ratio(samples, SHADOW, OFF, "p99")))
    return goals


def _settled(stage: Stage, server: Server, measure: _Measure) -> _Measure:
    """The same, and afterwards nothing is left in the queue that the next side would feel."""

    async def run() -> Sample:
        sample = await measure()
        await settle(stage, server)
        return sample

    return run


async def _measure_nginx(stage: Stage, plan: Plan, length: int) -> Goal:
    """The proxy beside nginx, which mirrors to the bare server and looks at no answer."""
    what = "mirroring on, throughput of nginx mirror"
    program = shutil.which("nginx")
    if program is None:
        return Goal(what, "≥", 0.6, None)
    nginx = await stage.builder.nginx(program, stage.direct, stage.bare)
    shadow = _settled(stage, stage.shadow, _loaded(stage.shadow, plan, length))
    samples = await _alternate(plan.rounds, {"nginx": _loaded(nginx, plan, length), SHADOW: shadow})
    return make_goal(what, "≥", 0.6, throughput_ratio(samples[SHADOW], samples["nginx"]))


async def _measure_workers(stage: Stage, plan: Plan, length: int) -> list[Goal]:
    """Two workers beside one, and what each of them takes of processor and memory.

    Where load and upstream run on the same few processors, two have less than twice what one has, whatever
    they do; reads for each second that they have of a processor say what they would come to on more.
    """
    async with contextlib.AsyncExitStack() as stack:
        two = await stage.builder.proxy("two workers", stage.direct, "upstream", workers=2, stack=stack)
        sides = {"one": stage.off, "two": two}
        measures = {name: _loaded(server, plan, length) for name, server in sides.items()}
        samples = await _alternate(plan.rounds, measures)
        # The process that watches the others is none of them.
        workers = family(two.running.pid) - {two.running.pid}
        memory = max(map(resident_bytes, workers or {two.running.pid})) / _MEBIBYTE
    return [
        make_goal(
            "two workers, throughput of one", "≥", 1.6, throughput_ratio(samples["two"], samples["one"])
        ),
        make_goal(
            "two workers, reads for a second of processor, of one",
            "≥",
            0.8,
            _ratio(samples, "one", "two", "processor_us"),
        ),
        Goal("memory of a worker in MiB", "≤", 120, memory),
    ]


async def _measure_big_schema(stage: Stage, plan: Plan) -> list[Goal]:
    """The same read where the schema is a hundred times as large."""
    name = f"understudy_bench_big_{time.monotonic_ns()}"
    async with contextlib.AsyncExitStack() as stack:
        url = await create_database(stage.server, name)
        stack.push_async_callback(drop_database, stage.server, name)
        await load_sql(url, SQL_FILES)
        await run_sql(url, make_big_schema())
        database = ConformanceDatabase(url)
        started = time.monotonic()
        big = await stage.builder.engine("engine, big schema", stack=stack, database=database)
        seconds = time.monotonic() - started
        of_postgrest = None
        if (program := find_postgrest()) is not None:
            started = time.monotonic()
            await stage.builder.postgrest(program, stack=stack, database=database)
            of_postgrest = seconds / (time.monotonic() - started)
        length = len((await ask(stage.session, stage.engine, BY_KEY))[1])
        sides = {"big": big, "small": stage.engine}
        measures = {side: _loaded(server, plan, length) for side, server in sides.items()}
        await _alternate(1, measures)
        samples = await _alternate(plan.rounds, measures)
        memory = max(map(resident_bytes, family(big.running.pid))) / _MEBIBYTE
    return [
        Goal(f"big schema, start in {seconds:.1f} s, of PostgREST's time", "≤", 1, of_postgrest),
        _flat(
            "big schema, processor time per read, of small", _ratio(samples, "big", "small", "processor_us")
        ),
        Goal("big schema, memory of a worker in MiB", "≤", 120, memory),
    ]


async def _measure_growth(stage: Stage, plan: Plan) -> list[Goal]:
    """The same read, and the memory, of an engine that has had many requests that were all different."""
    length = len((await ask(stage.session, stage.engine, BY_KEY))[1])
    async with contextlib.AsyncExitStack() as stack:
        aged = await stage.builder.engine("engine with a past", stack=stack)
        sides = {"aged": aged, "young": stage.engine}
        measures = {side: _loaded(server, plan, length) for side, server in sides.items()}
        await _alternate(1, measures)
        memory = _family_bytes(aged)
        # Each over a connection of its own, so that every worker has some of them.
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            for number in range(_DISTINCT):
                await ask(session, aged, Read("distinct", _make_target(number)))
        samples = await _alternate(plan.rounds, measures)
        grown = _family_bytes(aged) / memory
    requests = f"{_DISTINCT:,} distinct requests"
    return [
        _flat(
            f"processor time per read after {requests}, of a young engine's",
            _ratio(samples, "aged", "young", "processor_us"),
        ),
        Goal(f"memory after {requests}, of before", "≤", 1.1, grown),
    ]


def _family_bytes(server: Server) -> int:
    return sum(map(resident_bytes, family(server.running.pid)))


def _make_target(number: int) -> str:
    """A request like no other one."""
    columns = [column for bit, column in enumerate(("id", "channel", "value", "label")) if number & 1 << bit]
    return f"/sample?select={','.join(columns)}&id=lt.{number}&limit={number}"


def _flat(what: str, figure: Figure | None) -> Goal:
    """Nothing shall grow; a tenth is noise."""
    return make_goal(what, "≤", 1.1, figure)


def make_big_schema() -> str:
    """A thousand tables with five columns each, in chains of foreign keys, and five hundred functions."""
    parts = []
    for number in range(1000):
        link = f"REFERENCES dlm.big_{number - 1}" if number % 10 else ""
        parts.append(
            f"CREATE TABLE dlm.big_{number} (id bigint PRIMARY KEY, up bigint {link}, name text,"
            f" made timestamptz, data jsonb); GRANT SELECT ON dlm.big_{number} TO dlm_anon;"
        )
    parts += (
        f"CREATE FUNCTION dlm.big_call_{number}(a integer, b text) RETURNS integer LANGUAGE sql STABLE"
        f" AS 'SELECT a + {number}';"
        for number in range(500)
    )
    return "\n".join(parts)

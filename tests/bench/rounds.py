"""The rounds: first whether all sides answer alike, then how fast, every side once in each round."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tests.bench.figures import Sample
from tests.bench.floor import Work
from tests.bench.load import Order, generate
from tests.bench.processes import BenchError, Running, processor_seconds
from tests.bench.reads import BY_KEY, MIX, WRITES, Read
from tests.bench.stage import HUNG, SHADOW, Server, Stage, ask, read_status
from tests.bench.wrk import make_command, parse_output

FRONT = "front"
REAL = "before PostgREST"
"""The sides of ``Stage.front`` and those of ``Stage.real``."""

POSTGREST, ENGINE, FLOOR = "PostgREST", "engine", "bare asyncpg"

MANY = 64

_WARM_UP = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """How to measure, and the engine with which reads.

    ``wrk`` is the program to load with; None means the generator of our own. ``full``: writes as well, and
    the reads also with ``MANY`` connections.
    """

    rounds: int
    seconds: int
    reads: Sequence[Read]
    connections: int
    wrk: str | None
    full: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """Something that is measured once in each round: in the table ``group``, under ``name``."""

    group: str
    name: str
    measure: Callable[[], Awaitable[Sample]]


@dataclass(frozen=True, slots=True)
class Results:
    """The samples of each group and side, one from each round.

    ``mirrored`` tells of each mirroring side what became of its reads.
    """

    samples: Mapping[str, Mapping[str, Sequence[Sample]]]
    mirrored: Mapping[str, Mapping[str, int]]


async def measure(stage: Stage, plan: Plan, tell: Callable[[str], None]) -> Results:
    """Check, warm up and measure; ``tell`` is told what is being done.

    Raises BenchError if sides answer differently: comparing their speed would mean nothing.
    """
    tell("comparing the answers of all sides")
    lengths = await _check(stage)
    sides = _list_sides(stage, plan, lengths)
    mirroring = {SHADOW: stage.shadow, HUNG: stage.hung}
    if SHADOW in stage.real:
        mirroring[f"{SHADOW}, {REAL}"] = stage.real[SHADOW]
    tell("warming up")
    await _warm_up(stage, plan, lengths)
    before = {name: await count_reads(stage, server) for name, server in mirroring.items()}
    samples: dict[str, dict[str, list[Sample]]] = {}
    for number in range(plan.rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            tell(f"round {number + 1} of {plan.rounds}: {side.group}, {side.name}")
            sample = await side.measure()
            samples.setdefault(side.group, {}).setdefault(side.name, []).append(sample)
    mirrored = {name: await count_reads(stage, server) - before[name] for name, server in mirroring.items()}
    ordered: dict[str, dict[str, list[Sample]]] = {side.group: {} for side in sides}
    for side in sides:
        ordered[side.group][side.name] = samples[side.group][side.name]
    return Results(ordered, mirrored)


def _list_sides(stage: Stage, plan: Plan, lengths: Mapping[str, int]) -> list[Side]:
    def served(group: str, name: str, server: Server, read: Read, connections: int) -> Side:
        async def run() -> Sample:
            order = make_order(server, read, connections, lengths[read.name], plan.seconds)
            sample = await timed(server.running, lambda: load(order, plan.wrk))
            if name == SHADOW:
                await settle(stage, server)
            return sample

        return Side(group, name, run)

    def floor(group: str, read: Read, connections: int) -> Side:
        work = make_work(stage, read, plan.seconds, connections)
        return Side(group, FLOOR, lambda: timed(stage.floor, lambda: do_work(stage.floor, work)))

    sides = [
        served(group, name, server, BY_KEY, plan.connections)
        for group, servers in ((FRONT, stage.front), (REAL, stage.real))
        for name, server in servers.items()
    ]
    measured = [(read.name, read, plan.connections) for read in plan.reads]
    if plan.full:
        measured += [(f"{read.name}, {MANY} connections", read, MANY) for read in plan.reads]
        measured += [(write.name, write, plan.connections) for write in WRITES]
    for group, read, connections in measured:
        if stage.postgrest is not None:
            sides.append(served(group, POSTGREST, stage.postgrest, read, connections))
        sides += [
            floor(group, read, connections),
            served(group, ENGINE, stage.engine, read, connections),
        ]
    return sides


async def _check(stage: Stage) -> dict[str, int]:
    """Ask every side once; the length of the body of each read. Raises BenchError if they disagree."""
    expected = await ask(stage.session, stage.direct, BY_KEY)
    for name, server in (*stage.front.items(), *stage.real.items()):
        await _compare(stage, name, server, BY_KEY, expected[1])
    lengths = {}
    for read in MIX:
        _, body = await ask(stage.session, stage.engine, read)
        if read is BY_KEY:
            body = expected[1]
        await _compare(stage, ENGINE, stage.engine, read, body)
        if stage.postgrest is not None:
            await _compare(stage, POSTGREST, stage.postgrest, read, body)
        texts = (await _converse(stage.floor, make_work(stage, read, 0, 1)))["texts"]
        if body.decode() not in texts:
            raise BenchError(f"{read.name}: what the engine answers is not what its statement gives")
        lengths[read.name] = len(body)
    for write in WRITES:
        await _compare(stage, ENGINE, stage.engine, write, b"")
        if stage.postgrest is not None:
            await _compare(stage, POSTGREST, stage.postgrest, write, b"")
        lengths[write.name] = 0
    return lengths


async def _compare(stage: Stage, name: str, server: Server, read: Read, body: bytes) -> None:
    status, found = await ask(stage.session, server, read)
    if (status, found) != (read.status, body):
        raise BenchError(
            f"{read.name}: {name} answers {status} with {len(found)} bytes, not {read.status} with the "
            f"{len(body)} bytes of the other side: {found[:200]!r}"
        )


async def _warm_up(stage: Stage, plan: Plan, lengths: Mapping[str, int]) -> None:
    """Let every server and every connection see its reads, so that all statements are prepared."""
    engines = [stage.engine] if stage.postgrest is None else [stage.engine, stage.postgrest]
    asked = (*plan.reads, *WRITES) if plan.full else plan.reads
    work = [(server, BY_KEY) for server in (*stage.front.values(), *stage.real.values())]
    work += [(server, read) for server in engines for read in asked]
    for server, read in work:
        await generate(make_order(server, read, plan.connections, lengths[read.name], _WARM_UP))
    for read in asked:
        await do_work(stage.floor, make_work(stage, read, _WARM_UP, plan.connections))
    for server in filter(None, (stage.shadow, stage.real.get(SHADOW))):
        await settle(stage, server)


def make_order(
    server: Server,
    read: Read,
    connections: int,
    length: int,
    seconds: float,
    rate: float | None = None,
) -> Order:
    """How to load a server with one request, whose answer has a body of ``length`` bytes."""
    headers = tuple((name.decode(), value.decode()) for name, value in read.headers)
    url = server.url + read.target
    return Order(url, headers, connections, seconds, read.status, length, read.method, read.body, rate)


def make_work(stage: Stage, read: Read, seconds: float, callers: int, rate: float | None = None) -> Work:
    """What the floor does for one request. The settings are PostgREST's (reference 10.6).

    Raises BenchError if the engine's statement cannot be run in its place.
    """
    statement = stage.statements[read.name]
    headers = {"host": "127.0.0.1", **{name.decode().lower(): value.decode() for name, value in read.headers}}
    settings = (
        ("search_path", '"dlm", "public"'),
        ("role", "dlm_anon"),
        ("request.jwt.claims", '{"role":"dlm_anon"}'),
        ("request.method", read.method),
        ("request.path", read.target.partition("?")[0]),
        ("request.headers", json.dumps(headers)),
        ("request.cookies", "{}"),
    )
    try:
        # Every parameter of a read is text, whose binary form is the same.
        values = tuple(None if value is None else value.decode() for value in statement.values)
    except UnicodeDecodeError:
        raise BenchError(f"{read.name}: the engine's statement has parameters that are not text") from None
    return Work(settings, statement.sql, values, seconds, callers, read.method != "GET", rate)


async def load(order: Order, wrk: str | None) -> Sample:
    """Load a server from a process of its own: with wrk, if it is there and can do that."""
    if wrk is not None and order.method == "GET" and order.rate is None:
        headers = [(name.encode(), value.encode()) for name, value in order.headers]
        seconds = int(order.seconds)
        command = make_command(wrk, order.url, headers, connections=order.connections, seconds=seconds)
        return parse_output((await _run(command, b"")).decode())
    command = [sys.executable, "-m", "tests.bench.load"]
    return Sample(**json.loads(await _run(command, json.dumps(asdict(order)).encode())))


async def _run(command: Sequence[str], given: bytes) -> bytes:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    output, messages = await process.communicate(given)
    if process.returncode:
        raise BenchError(f"{command[0]}: {messages.decode('utf-8', 'replace')[-1000:]}")
    return output


async def do_work(floor: Running, work: Work) -> Sample:
    """Have the floor do some work."""
    return Sample(**(await _converse(floor, work))["sample"])


async def _converse(floor: Running, work: Work) -> dict[str, Any]:
    """Have the floor do some work; what came of it."""
    writer, reader = floor.process.stdin, floor.process.stdout
    assert writer is not None
    assert reader is not None
    writer.write(json.dumps(asdict(work)).encode() + b"\n")
    line = await reader.readline()
    if not line:
        await floor.process.wait()
        floor.check()
    done: dict[str, Any] = json.loads(line)
    return done


async def timed(running: Running, work: Callable[[], Awaitable[Sample]]) -> Sample:
    """Measure, and with it the processor time that the process takes."""
    before = processor_seconds(running.pid)
    sample = await work()
    after = processor_seconds(running.pid)
    running.check()
    if before is None or after is None or not sample.requests:
        return sample
    return replace(sample, processor_us=(after - before) / sample.requests * 1e6)


async def count_reads(stage: Stage, server: Server) -> Counter[str]:
    """What has become of the reads of a mirroring server so far, over all tables."""
    counts: Counter[str] = Counter()
    for table in (await read_status(stage.session, server))["tally"]:
        counts["reads"] += table["reads"]
        counts["pending"] += table["pending"]
        for kind in ("verdicts", "skipped", "shed"):
            for reason, count in table[kind].items():
                counts[reason if kind == "verdicts" else f"{kind}: {reason}"] += count
    return counts


async def settle(stage: Stage, server: Server) -> None:
    """Wait until nothing is queued any more, so that the next side has the machine to itself."""
    for _ in range(200):
        if (await count_reads(stage, server))["pending"] <= 0:
            return
        await asyncio.sleep(0.05)
    raise BenchError("mirrored reads are still in work after ten seconds")

"""The conditions of the engine, the proxies in turn under each of them, and the judgement."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Literal, TypeAlias

from tests.e2e.programs import Program
from tests.faults.relay import Condition
from tests.isolation.load import Order, Sample
from tests.isolation.stage import BUSY, CAPACITY, HUGE, ODD, THING, Stage

Engine: TypeAlias = Literal[
    "fast", "disagreeing", "at 70 % load", "1 s slow", "hung", "refusing", "crashing", "answering 1 GB"
]
CONDITIONS: Mapping[Engine, Condition] = {
    "fast": "well",
    "disagreeing": "well",
    "at 70 % load": "well",
    "1 s slow": "slow",
    "hung": "hung",
    "refusing": "refusing",
    "crashing": "flapping",
    "answering 1 GB": "well",
}
TARGETS: Mapping[Engine, Sequence[str]] = {
    "disagreeing": ODD,
    "at 70 % load": BUSY,
    "answering 1 GB": HUGE,
}
"""What is asked for where it is not the one thing."""
RATES: Mapping[Engine, float] = {"at 70 % load": 0.7 * CAPACITY}
"""How many requests per second there are where the plan does not say it."""

MOST_PROBLEMS = 5

RECOVERY = 5.0
"""Seconds that the engine and its mirror have in any case to be well again, once the trouble is over."""

PATIENCE = 20
"""Seconds more in which the reads of a round have to be settled."""

Side: TypeAlias = Literal["off", "again", "on"]

SHARE, LEAST = 0.05, 0.5
"""A client's p99 may be so much longer: this share, or so many milliseconds."""

AGAIN = 3
"""What does not hold is measured again, in so many times the rounds, and judged by all of them: of so many
conditions one or the other does not hold by chance."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 4.0
    rate: float = 100.0
    engines: Sequence[Engine] = tuple(CONDITIONS)
    clients: Sequence[int] = (16, 256)


@dataclass(frozen=True, slots=True)
class Result:
    """One condition: p99 of each side in each round, wrong answers, and what became of mirrored reads."""

    engine: Engine
    clients: int
    keep: bool
    p99: Mapping[Side, Sequence[float]]
    wrong: int
    problems: tuple[str, ...]
    mirrored: Mapping[str, int]

    @property
    def off(self) -> float:
        """What clients have without mirroring: the median of both proxies that do not mirror."""
        return median((*self.p99["off"], *self.p99["again"]))

    @property
    def noise(self) -> float:
        """By how much two proxies that do the same differ, in the median of the rounds."""
        pairs = zip(self.p99["off"], self.p99["again"], strict=True)
        return median(abs(one - other) for one, other in pairs)

    @property
    def longer(self) -> float:
        """By how much p99 is longer with mirroring, in the median of the rounds."""
        sides = zip(self.p99["on"], self.p99["off"], self.p99["again"], strict=True)
        return median(on - (off + again) / 2 for on, off, again in sides)

    @property
    def limit(self) -> float:
        """By how much it may be longer."""
        return max(SHARE * self.off, LEAST)

    @property
    def verdict(self) -> str:
        """Whether the promise holds; what is within the noise proves nothing."""
        if self.wrong:
            return "broken"
        if self.longer <= self.limit:
            return "holds"
        return "too noisy to tell" if self.longer <= self.noise else "broken"


async def measure(stage: Stage, plan: Plan, tell: Callable[[Result], None]) -> list[Result]:
    """Measure everything; ``tell`` is told each result, also one that is measured again."""
    results = []
    for engine in plan.engines:
        for clients in plan.clients:
            for keep in (True, False):
                result = await _measure_one(stage, plan, engine, clients, keep=keep)
                tell(result)
                if result.verdict != "holds" and not result.wrong:
                    longer = replace(plan, rounds=AGAIN * plan.rounds)
                    result = pool(result, await _measure_one(stage, longer, engine, clients, keep=keep))
                    tell(result)
                results.append(result)
    return results


def pool(one: Result, other: Result) -> Result:
    """The same condition, by the rounds of both."""
    return Result(
        one.engine,
        one.clients,
        one.keep,
        {side: (*times, *other.p99[side]) for side, times in one.p99.items()},
        one.wrong + other.wrong,
        (*one.problems, *other.problems)[:MOST_PROBLEMS],
        dict(Counter(one.mirrored) + Counter(other.mirrored)),
    )


async def _measure_one(stage: Stage, plan: Plan, engine: Engine, clients: int, *, keep: bool) -> Result:
    targets = TARGETS.get(engine, THING)
    digests = {target: stage.digests[target] for target in targets}
    rate = RATES.get(engine, plan.rate)
    mirroring = stage.shadow
    if targets == HUGE:
        # One such answer at a time is as much as a machine has room for.
        mirroring = stage.narrow
    elif targets == BUSY:
        mirroring = stage.straight
    sides: dict[Side, Program] = {"off": stage.off, "again": stage.again, "on": mirroring}
    p99: dict[Side, list[float]] = {side: [] for side in sides}
    wrong, problems = 0, list[str]()
    before = await stage.mirrored(mirroring)
    for number in range(plan.rounds):
        turns = list(sides.items())
        for side, program in turns if number % 2 == 0 else reversed(turns):
            await stage.relay.become(CONDITIONS[engine] if side == "on" else "well")
            order = Order(program.port, digests, clients, keep, rate, plan.seconds)
            sample = await _load(order)
            if side == "on" and CONDITIONS[engine] != "well":
                await _let_recover(stage, mirroring)
            p99[side].append(sample.p99)
            wrong += sample.wrong
            problems += sample.problems
    after = await stage.mirrored(mirroring)
    mirrored = {name: number - before.get(name, 0) for name, number in after.items()}
    return Result(engine, clients, keep, p99, wrong, tuple(problems[:MOST_PROBLEMS]), mirrored)


async def _let_recover(stage: Stage, mirroring: Program) -> None:
    """Let the engine be well again, and the mirror with it, before others are measured: loading the schema
    cache anew, after the database was away, takes processor time from them."""
    await stage.relay.become("well")
    await asyncio.sleep(RECOVERY)
    for _ in range(PATIENCE):
        counts = await stage.mirrored(mirroring)
        if counts["settled"] == counts["reads"]:
            return
        await asyncio.sleep(1.0)


async def _load(order: Order) -> Sample:
    """Load a proxy from a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.isolation.load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(json.dumps(asdict(order)).encode())
    return Sample(**json.loads(output))


def show(result: Result) -> str:
    """One line."""
    rounds = len(result.p99["on"])
    told = ", ".join(f"{name} {number}" for name, number in result.mirrored.items() if number)
    return (
        f"{result.engine:<16}{result.clients:>4} {'kept' if result.keep else 'new ':<5}"
        f"p99 off {result.off:>7.2f} ms, on {result.longer:>+7.2f} ms (may be {result.limit:.2f}, "
        f"noise {result.noise:.2f}, {rounds} rounds)  {result.wrong} wrong  {result.verdict:<18}{told}"
    )

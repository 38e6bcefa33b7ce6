"""The whole of it: traffic, weather and gauges beside each other, and the judgement at the end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.soak.accounts import check_accounts, check_ledger, settle, sum_tally
from tests.soak.gauges import MEBIBYTE, Gauge, judge, read_gauge
from tests.soak.stage import Stage, set_stage
from tests.soak.traffic import Traffic
from tests.soak.weather import Happenings

LATE = 2.0
"""After so many times the minutes that were planned it ends, whatever is missing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many requests within how many seconds, by how many clients; how many seconds lie between two things
    that happen, and within how many both sides know of a changed schema."""

    requests: int = 1_000_000
    seconds: float = 1800.0
    clients: int = 24
    pause: float = 8.0
    propagation: float = 3.0
    report_every: float = 60.0


async def soak(directory: Path, plan: Plan, say: Callable[[str], None], *, happenings: int = 0) -> list[str]:
    """Play it, until so many things have happened at least; gives what went wrong."""
    async with set_stage(directory) as stage:
        traffic = Traffic(stage.proxy.port, clients=plan.clients, rate=plan.requests / plan.seconds)
        weather = Happenings(stage, traffic.weather, plan.pause, plan.propagation)
        loop = asyncio.get_running_loop()
        started = loop.time()

        def is_over() -> bool:
            passed = loop.time() - started
            if stage.proxy.process.poll() is not None:
                return True
            if weather.done.total() < happenings:
                return False
            return passed >= LATE * plan.seconds or (
                passed >= plan.seconds and traffic.seen.requests >= plan.requests
            )

        gauges: list[Gauge] = []
        watching = asyncio.create_task(_watch(stage, traffic, gauges, plan.report_every, say))
        flowing = asyncio.create_task(traffic.flow())
        try:
            await weather.keep(is_over)
        finally:
            traffic.leave()
            await flowing
            watching.cancel()
        seconds = loop.time() - started
        if (code := stage.proxy.process.poll()) is not None:
            log = await asyncio.to_thread(stage.proxy.log.read_text, encoding="utf-8", errors="replace")
            return [f"the proxy ended by itself after {seconds:.0f} s with exit code {code}:\n{log[-4000:]}"]
        counts = sum_tally(await settle(stage))
        problems = [*weather.problems, *traffic.seen.wrong, *judge(gauges)]
        problems += await check_accounts(stage, traffic.seen, counts)
        code = await asyncio.to_thread(stage.proxy.terminate)
    if code:
        problems.append(f"the proxy ended with exit code {code}")
    if traffic.seen.requests < plan.requests:
        problems.append(f"no more than {traffic.seen.requests:,} requests in {seconds:.0f} s")
    problems += check_ledger(stage.ledger, counts)
    say(f"{traffic.seen.requests:,} requests in {seconds:.0f} s, {len(traffic.seen.wrong)} wrong")
    for title, counted in (
        ("answers", traffic.seen.answers),
        ("happened", weather.done),
        ("counted", counts),
    ):
        say(f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in sorted(counted.items(), key=str)))
    return problems


async def _watch(
    stage: Stage, traffic: Traffic, gauges: list[Gauge], report_every: float, say: Callable[[str], None]
) -> None:
    """Read the gauges again and again, and say now and then what they show."""
    loop = asyncio.get_running_loop()
    started, told = loop.time(), 0.0
    while True:
        at = loop.time() - started
        gauge = await asyncio.to_thread(read_gauge, stage.proxy.process.pid, at)
        gauges.append(gauge)
        if at - told >= report_every:
            told = at
            seen = traffic.seen
            say(
                f"{at:>6.0f} s  {seen.requests:>9,} requests  {len(seen.wrong)} wrong  "
                f"{gauge.resident / MEBIBYTE:.1f} MiB  {gauge.descriptors} descriptors"
            )
        await asyncio.sleep(max(0.2, min(5.0, report_every / 12)))

"""Clients that keep to a pace, check every answer's bytes, and tell how long each took.

``python -m tests.isolation.load`` reads an ``Order`` from its input, as JSON, and writes the ``Sample``.
"""

import asyncio
import contextlib
import hashlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from proxy.loop import FAST_LOOP
from proxy.messages import Request
from tests.bench.figures import percentile
from tests.faults.client import TROUBLE, Client

WARM_UP = 8
"""The first of so many parts is asked and checked, but not timed: every side opens connections then."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to ask of which port: by so many clients, so many requests per second together, for so long.

    ``digests`` are the targets, which take turns, each with what the body has to be: the hexadecimal SHA-256
    of its bytes.
    """

    port: int
    digests: Mapping[str, str]
    clients: int
    keep: bool
    rate: float
    seconds: float


@dataclass(slots=True)
class Sample:
    """What came of it; times in milliseconds."""

    requests: int = 0
    wrong: int = 0
    p50: float = 0.0
    p99: float = 0.0
    late: float = 0.0
    problems: list[str] = field(default_factory=list)


async def load(order: Order) -> Sample:
    """Ask as ordered. A request's time begins when it is due, even if its client still waits for another."""
    sample, times = Sample(), list[float]()
    begin = time.perf_counter() + 0.1
    requests = round(order.rate * order.seconds)
    turns = [
        (Request("GET", target.encode(), ((b"Host", b"isolation"),)), digest)
        for target, digest in order.digests.items()
    ]

    async def live(number: int) -> None:
        async with contextlib.aclosing(Client(order.port, keep=order.keep, timeout=10)) as client:
            for count in range(number, requests, order.clients):
                turn = begin + count / order.rate
                request, digest = turns[count % len(turns)]
                began = turn
                if (early := turn - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                    began = time.perf_counter()
                sample.late = max(sample.late, (time.perf_counter() - turn) * 1e3)
                try:
                    answer = await client.ask(request)
                except TROUBLE as error:
                    note(repr(error))
                else:
                    if answer.status != 200 or hashlib.sha256(answer.body).hexdigest() != digest:
                        note(f"{answer.status} {answer.body[:80]!r}")
                sample.requests += 1
                if count >= requests // WARM_UP:
                    times.append(time.perf_counter() - began)

    def note(problem: str) -> None:
        sample.wrong += 1
        if len(sample.problems) < 5:
            sample.problems.append(problem)

    await asyncio.gather(*map(live, range(order.clients)))
    times.sort()
    sample.p50, sample.p99 = (percentile(times, share) * 1e3 for share in (0.5, 0.99))
    return sample


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=FAST_LOOP) as runner:
        found = runner.run(load(Order(**json.loads(sys.stdin.read()))))
    print(json.dumps(asdict(found)))

"""A load generator of our own, for machines without wrk: it keeps connections and checks every answer.

``python -m tests.bench.load`` reads an ``Order`` from its input, as JSON, and writes the ``Sample``.
It is Python too: where it is slower than a server, it is itself that is measured.
"""

import asyncio
import json
import re
import selectors
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from proxy.loop import FAST_LOOP
from proxy.server.bodies import ChunkedBody
from tests.bench.figures import Sample, percentile
from tests.bench.reads import CLIENT

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Order:
    """Which URL to load, how, and what each answer must be: its status and the bytes of its body.

    With a ``rate``, so many requests a second are sent whether the server keeps up or not, as far as there
    are connections; latency then counts from when a request was due.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    connections: int
    seconds: float
    status: int
    length: int
    method: str = "GET"
    body: str = ""
    rate: float | None = None


@dataclass(slots=True)
class _Tally:
    deadline: float
    latencies: list[float]
    failures: int = 0


class _Client(asyncio.Protocol):
    """One connection: asks again as soon as it is answered, or when the next request is due."""

    def __init__(self, order: Order, number: int, tally: _Tally) -> None:
        self._order = order
        self._number = number
        self._request = make_request(order, number)
        self._tally = tally
        self._period = 0.0 if order.rate is None else order.connections / order.rate
        self._due = 0.0
        self._received = b""
        self._asked = 0.0
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every event loop's transports are subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._ended and time.perf_counter() < self._tally.deadline:
            self._tally.failures += 1

    def start(self, at: float) -> None:
        """Begin; the connections take turns where a rate is given."""
        self._due = at + self._period * self._number / self._order.connections
        self._ask_in_time()

    def _ask_in_time(self) -> None:
        if not self._period:
            self._ask(time.perf_counter())
            return
        due, self._due = self._due, self._due + self._period
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, due - time.perf_counter()), self._ask, due)

    def _ask(self, since: float) -> None:
        self._asked = since
        if not self._ended:
            self._transport.write(self._request)

    def end(self) -> None:
        """Close the connection."""
        self._ended = True
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += data
        length = body_length(self._received)
        if length is None:
            return
        now = time.perf_counter()
        if now >= self._tally.deadline:
            return
        if self._received[9:12] != b"%d" % self._order.status or length != self._order.length:
            self._tally.failures += 1
        self._tally.latencies.append(now - self._asked)
        self._received = b""
        self._ask_in_time()


def body_length(received: bytes) -> int | None:
    """The length of the body of the answer in ``received``, or None while the answer is incomplete.

    An answer with neither length nor chunks counts as one without a body.
    """
    head_end = received.find(b"\r\n\r\n") + 2
    if head_end < 2:
        return None
    sized = _LENGTH.search(received, 0, head_end)
    if sized is not None:
        length = int(sized[1])
        return length if len(received) >= head_end + 2 + length else None
    if _CHUNKED.search(received, 0, head_end):
        body, _, complete = ChunkedBody().feed(received[head_end + 2 :])
        return len(body) if complete else None
    return 0


def make_request(order: Order, number: int) -> bytes:
    """The bytes of the request of the client of that number."""
    url = urlsplit(order.url)
    body = order.body.replace(CLIENT, str(number)).encode()
    target = (url.path + (f"?{url.query}" if url.query else "")).replace(CLIENT, str(number))
    lines = [f"{order.method} {target} HTTP/1.1", f"Host: {url.netloc}"]
    lines += [f"{name}: {value}" for name, value in order.headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode() + body


def _make_punctual_loop() -> asyncio.AbstractEventLoop:
    """A loop whose timers are as punctual as the system's; others round to milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


async def generate(order: Order) -> Sample:
    """Load a server; what is under way at the end does not count. Raises OSError if there is none."""
    url = urlsplit(order.url)
    tally = _Tally(float("inf"), [])
    loop = asyncio.get_running_loop()
    clients = []
    for number in range(order.connections):
        _, client = await loop.create_connection(
            partial(_Client, order, number, tally), url.hostname or "", url.port or 80
        )
        clients.append(client)
    started = time.perf_counter()
    tally.deadline = started + order.seconds
    for client in clients:
        client.start(started)
    await asyncio.sleep(order.seconds)
    for client in clients:
        client.end()
    tally.latencies.sort()
    return Sample(
        requests=len(tally.latencies),
        failures=tally.failures,
        per_second=len(tally.latencies) / order.seconds,
        p50=percentile(tally.latencies, 0.5) * 1e3,
        p99=percentile(tally.latencies, 0.99) * 1e3,
    )


if __name__ == "__main__":
    given = Order(**json.loads(sys.stdin.read()))
    with asyncio.Runner(loop_factory=FAST_LOOP if given.rate is None else _make_punctual_loop) as loop_runner:
        sample = loop_runner.run(generate(given))
    print(json.dumps(asdict(sample)))

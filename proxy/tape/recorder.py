"""Record live traffic for whoever asks: in bounds, and only while somebody reads what is recorded.

The path of the traffic only puts into a queue that has room for a few exchanges, and forgets what does not
fit. Taking out secrets and writing lines is done in a thread.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from proxy.errors import UnderstudyError
from proxy.events import Judged, Listener
from proxy.messages import Answer, Exchange, Request
from proxy.shadow.redaction.secrets import Redaction
from proxy.shadow.shape import read_shape
from proxy.tape.format import TapeHeader, format_exchange, format_header
from proxy.tape.record import record_exchange

MAX_RECORDINGS = 4
MAX_WAITING = 200
MAX_WAITING_BYTES = 16 * 1024 * 1024
MAX_SHAPES = 10_000
MISMATCHES = "mismatches"
"""The area of exchanges that were recorded since the two sides disagreed."""

PULSE = 5.0
"""Seconds after which an empty line says that nothing has happened, and finds out that nobody reads."""


class TooManyRecordings(UnderstudyError):
    """As many recordings are under way as there may be."""


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    """What one recording may come to: exchanges per shape, bytes altogether, seconds."""

    per_shape: int = 3
    max_bytes: int = 64 * 1024 * 1024
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class _Take:
    """One exchange that is to be recorded."""

    request: Request
    answer: Answer
    area: str
    note: str | None

    @property
    def size(self) -> int:
        return Exchange(self.request, self.answer, 0.0).size


@dataclass(eq=False)
class _Recording:
    """One recording under way."""

    limits: RecordingLimits
    waiting: asyncio.Queue[_Take | None] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    waiting_bytes: int = 0
    shapes: Counter[tuple[str, str, int]] = field(default_factory=Counter)

    def offer(self, take: _Take, key: tuple[str, str, int]) -> None:
        """Take what there is room for, as often as its shape is wanted."""
        if self.shapes[key] >= self.limits.per_shape or len(self.shapes) > MAX_SHAPES:
            return
        if self.waiting.full() or self.waiting_bytes + take.size > MAX_WAITING_BYTES:
            return
        self.shapes[key] += 1
        self.waiting_bytes += take.size
        self.waiting.put_nowait(take)

    def end(self) -> None:
        """Have it end, whatever still waits."""
        while not self.waiting.empty():
            self.waiting.get_nowait()
        self.waiting.put_nowait(None)


class Recorder(Listener):
    """Gives what is offered to it, and every mismatch it hears of, to the recordings under way.

    ``redaction`` is what is hidden now. ``clock`` counts seconds.
    """

    def __init__(self, redaction: Callable[[], Redaction], *, clock: Callable[[], float]) -> None:
        super().__init__({Judged: self._note})
        self._redaction = redaction
        self._clock = clock
        self._recordings: list[_Recording] = []
        self._server = ""

    @property
    def active(self) -> bool:
        """Whether anybody records."""
        return bool(self._recordings)

    def close(self) -> None:
        """End every recording."""
        for recording in self._recordings:
            recording.end()

    def offer(self, table: str, role: str, exchange: Exchange) -> None:
        """Record ``exchange`` if its shape is still wanted. Never waits."""
        key = (read_shape(exchange.request), role, exchange.answer.status)
        self._give(_Take(exchange.request, exchange.answer, table, None), key)

    def _note(self, event: Judged) -> None:
        """Record every kind of mismatch."""
        self._server = event.upstream_version or self._server
        if not self._recordings or event.verdict != "mismatch":
            return
        if event.request is not None and event.upstream is not None:
            key = (f"{MISMATCHES} {event.signature}", event.role, event.upstream.status)
            self._give(_Take(event.request, event.upstream, MISMATCHES, event.signature), key)

    async def record(self, limits: RecordingLimits) -> AsyncGenerator[str, None]:
        """The lines of a tape, as they come, until a limit is reached or nobody reads any more.

        An empty line means nothing. Raises TooManyRecordings.
        """
        if len(self._recordings) >= MAX_RECORDINGS:
            raise TooManyRecordings(f"{MAX_RECORDINGS} recordings are under way")
        recording = _Recording(limits)
        self._recordings.append(recording)
        try:
            yield format_header(TapeHeader("live", self._server, ""))
            until = self._clock() + limits.seconds
            written = number = 0
            while (left := until - self._clock()) > 0:
                try:
                    async with asyncio.timeout(min(left, PULSE)):
                        take = await recording.waiting.get()
                except TimeoutError:
                    yield ""
                    continue
                if take is None:
                    return
                recording.waiting_bytes -= take.size
                number += 1
                line = await asyncio.to_thread(_render, take, self._redaction(), number)
                if line is None:
                    continue
                written += len(line.encode()) + 1
                if written > limits.max_bytes:
                    return
                yield line
        finally:
            self._recordings.remove(recording)

    def _give(self, take: _Take, key: tuple[str, str, int]) -> None:
        for recording in self._recordings:
            recording.offer(take, key)


def _render(take: _Take, redaction: Redaction, number: int) -> str | None:
    recorded = record_exchange(
        take.request, take.answer, redaction, number=number, area=take.area, note=take.note
    )
    return None if recorded is None else format_exchange(recorded)

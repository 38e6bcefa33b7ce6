"""How long the stages of a request took, for ``Server-Timing``. Source: PostgREST 14, reference 8.7."""

from collections.abc import Callable

from proxy.messages import Header

_STAGES = ("jwt", "parse", "plan", "transaction", "response")


class Timing:
    """A stopwatch; ``clock`` counts seconds. It does not run if nobody is ``interested``."""

    __slots__ = ("_clock", "_interested", "_laps", "_last")

    def __init__(self, clock: Callable[[], float], *, interested: bool) -> None:
        self._clock = clock
        self._interested = interested
        self._last = clock() if interested else 0.0
        self._laps: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """``stage`` is over."""
        if not self._interested:
            return
        now = self._clock()
        self._laps[stage] = now - self._last
        self._last = now

    def header(self) -> Header:
        """All stages in milliseconds; the last one ends now, one that never began took no time."""
        self.lap(_STAGES[-1])
        parts = (f"{stage};dur={1000 * self._laps.get(stage, 0.0):.1f}" for stage in _STAGES)
        return b"Server-Timing", ", ".join(parts).encode()

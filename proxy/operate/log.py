"""The log as a listener: what an operator should notice and, if wanted, every request.

A ``Record`` is the message that the standard library's logging is given; ``log_output`` makes a line of it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, get_args

from proxy.config import LeastLevel, LogConfig
from proxy.events import Event, Judged, Listener, Served, SideAnswered, Skipped
from proxy.operate.log_records import Record, describe_event, describe_request, identify

BURST = 5
"""How many records of one kind are written in one window; the rest are counted in the next record."""

WINDOW_SECONDS = 10.0

EVERYDAY: Final[frozenset[type[Any]]] = frozenset({SideAnswered, Skipped})
"""What comes with every request: nobody asks whether that is noteworthy."""

LEVELS: Final[dict[LeastLevel, int]] = {
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


@dataclass(slots=True)
class _Window:
    started: float
    written: int = 0
    suppressed: int = 0


class EventLog(Listener):
    """A listener that writes noteworthy events to ``logger``, no more than ``burst`` of a kind per window.

    ``clock`` counts seconds. ``settings`` gives what the configuration says at the moment.
    """

    def __init__(
        self,
        logger: logging.Logger,
        clock: Callable[[], float],
        settings: Callable[[], LogConfig] = LogConfig,
        burst: int = BURST,
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        noteworthy = set(get_args(Event)) - EVERYDAY
        super().__init__({**dict.fromkeys(noteworthy, self._note), Served: self._note_served})
        self._logger = logger
        self._clock = clock
        self._settings = settings
        self._burst = burst
        self._window_seconds = window_seconds
        self._windows: dict[str, _Window] = {}

    def _note(self, event: Event) -> None:
        """Write ``event`` if it is noteworthy and its kind's rate allows."""
        record = describe_event(event)
        if record is None:
            return
        settings = self._settings()
        if record.level < LEVELS[settings.level]:
            return
        if isinstance(event, Judged) and event.request is not None:
            names = identify(event.request, settings.request_id, event.trace)
            record = record._replace(fields={**record.fields, **names})
        self._write(record)

    def _note_served(self, event: Served) -> None:
        settings = self._settings()
        if settings.requests:
            record = describe_request(event, settings.request_id)
            self._logger.log(record.level, record)

    def _write(self, record: Record) -> None:
        now = self._clock()
        window, suppressed = self._windows.get(record.kind), 0
        if window is None or now - window.started >= self._window_seconds:
            suppressed = 0 if window is None else window.suppressed
            self._windows[record.kind] = window = _Window(now)
        if window.written >= self._burst:
            window.suppressed += 1
            return
        window.written += 1
        if suppressed:
            record = record._replace(fields={**record.fields, "suppressed": suppressed})
        self._logger.log(record.level, record)

"""Spans by OpenTelemetry, for those who have the extra ``otel``; nobody else has to."""

import importlib
import importlib.util
from typing import Protocol

from proxy.errors import UnderstudyError
from proxy.events import Hearing
from proxy.messages import Request
from proxy.trace import TraceParent

MISSING = "log.spans needs OpenTelemetry: pip install 'understudy[otel]'"


class TracingMissing(UnderstudyError):
    """Spans are wanted and cannot be had; the text says what to do."""


class Tracing(Protocol):
    """What makes spans of requests and of events."""

    def open(self, request: Request) -> TraceParent | None:
        """Begin the span of a client's request; None where it is not to be traced."""

    @property
    def hearing(self) -> Hearing:
        """What makes spans of events that belong to a request which is traced."""

    async def close(self) -> None:
        """Export what is left, for a moment."""


def can_trace() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("opentelemetry") is not None


def begin_tracing() -> Tracing:
    """Spans, as the ``OTEL_*`` variables say. Raises TracingMissing."""
    try:
        spans = importlib.import_module("proxy.operate.spans")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "opentelemetry":
            raise
        raise TracingMissing(MISSING) from error
    tracing: Tracing = spans.begin()
    return tracing

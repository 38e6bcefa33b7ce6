"""Requests as spans of OpenTelemetry, in the trace that their client began.

The span of a client's request has as children what each side took for it and, when that is over, the mirror's
work with the other side's answer and the comparison. What is exported, where to and how much of it is said by
OpenTelemetry's own variables (``OTEL_EXPORTER_OTLP_ENDPOINT``, ``OTEL_TRACES_SAMPLER``, ...). Nothing is
written into a request or an answer. Exporting is the affair of a thread with a bounded queue.

Only ``proxy.operate.tracing`` imports this module, since it needs the extra ``otel``.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState
from opentelemetry.util.types import AttributeValue

import proxy
from proxy.events import Interval, Judged, Listener, Served
from proxy.messages import Request, find_headers
from proxy.operate.tracing import TracingMissing
from proxy.shadow.scrub import scrub
from proxy.shadow.shape import read_shape
from proxy.trace import TraceParent, read_traceparent

GRACE_SECONDS = 5.0
"""How long the end of the process may wait for spans to be exported."""

_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTERS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}


class Spans(Listener):
    """Makes spans. ``clock`` gives nanoseconds since 1970."""

    def __init__(self, provider: TracerProvider, clock: Callable[[], int]) -> None:
        super().__init__({Served: self._note_served, Judged: self._note_judged})
        self._provider = provider
        self._tracer = provider.get_tracer("understudy", proxy.__version__)
        self._clock = clock
        self._open: dict[str, tuple[Span, int]] = {}
        # It quotes what clients send.
        logging.getLogger(TraceState.__module__).setLevel(logging.ERROR)

    def open(self, request: Request) -> TraceParent | None:
        """Begin the span of a client's request; it ends with the request's ``Served``."""
        started = self._clock()
        span = self._tracer.start_span(
            request.method, _find_parent(request), kind=SpanKind.SERVER, start_time=started
        )
        if not span.is_recording():
            return None
        context = span.get_span_context()
        own = TraceParent(f"{context.trace_id:032x}", f"{context.span_id:016x}", True)
        self._open[own.span_id] = (span, started)
        return own

    def _note_served(self, served: Served) -> None:
        """End the span of a request that has been served."""
        if served.trace is not None:
            self._end_served(served, served.trace)

    def _note_judged(self, judged: Judged) -> None:
        """Add what the mirror of a request took."""
        if judged.trace is not None:
            self._add_judged(judged, judged.trace)

    async def close(self) -> None:
        """Export what is left, for a moment; whoever does not take it then does not get it."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, GRACE_SECONDS)

    def _end_served(self, served: Served, own: TraceParent) -> None:
        span, started = self._open.pop(own.span_id)
        side = "rehearsal" if served.mode == "rehearse" else "engine"
        for name, interval in ((side, served.engine), ("upstream", served.upstream)):
            if interval is not None:
                self._add(name, own, started, interval, SpanKind.CLIENT, {})
        span.update_name(f"{served.method} {served.table}")
        span.set_attributes(_describe(served))
        if served.code >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(_later(started, served.seconds))

    def _add_judged(self, judged: Judged, own: TraceParent) -> None:
        started = _later(self._clock(), -judged.seconds)
        asked = judged.upstream_seconds if judged.asked == "upstream" else judged.engine_seconds
        attributes: dict[str, AttributeValue] = {
            "understudy.table": judged.table,
            "understudy.verdict": judged.verdict,
            "understudy.differences": len(judged.differences),
        }
        mirror = self._add("mirror", own, started, (0.0, judged.seconds), SpanKind.INTERNAL, attributes)
        if judged.asked is not None:
            self._add(judged.asked, mirror, started, (0.0, asked), SpanKind.CLIENT, {})
            self._add("compare", mirror, started, (asked, judged.seconds), SpanKind.INTERNAL, {})

    def _add(
        self,
        name: str,
        parent: TraceParent,
        started: int,
        interval: Interval,
        kind: SpanKind,
        attributes: Mapping[str, AttributeValue],
    ) -> TraceParent:
        """A span of its own that is over; ``interval`` counts from ``started``."""
        span = self._tracer.start_span(
            name,
            _make_context(parent, remote=False),
            kind=kind,
            attributes=attributes,
            start_time=_later(started, interval[0]),
        )
        span.end(_later(started, max(interval)))
        return TraceParent(parent.trace_id, f"{span.get_span_context().span_id:016x}", parent.sampled)


def begin(environ: Mapping[str, str] = os.environ) -> Spans:
    """Spans that are exported as ``environ`` says. Raises TracingMissing for an unknown exporter."""
    own = Resource({SERVICE_NAME: "understudy", SERVICE_VERSION: proxy.__version__})
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    for name in environ.get("OTEL_TRACES_EXPORTER", "otlp").split(","):
        if name.strip() not in ("", "none"):
            provider.add_span_processor(BatchSpanProcessor(_make_exporter(name.strip(), environ)))
    return Spans(provider, time.time_ns)


def _make_exporter(name: str, environ: Mapping[str, str]) -> SpanExporter:
    if name == "otlp":
        protocol = next((environ[key] for key in _PROTOCOLS if environ.get(key)), "http/protobuf")
        name = _EXPORTERS.get(protocol, protocol)
    found = entry_points(group="opentelemetry_traces_exporter", name=name)
    if not found:
        raise TracingMissing(f"OTEL_TRACES_EXPORTER: no exporter {name} is installed")
    exporter: SpanExporter = next(iter(found)).load()()
    return exporter


def _find_parent(request: Request) -> Context:
    """The context that the client has sent; an empty one, which begins a trace, if it sent none."""
    parent = read_traceparent(request.headers)
    if parent is None:
        return Context()
    lines = [value.decode("latin-1") for value in find_headers(request.headers, b"tracestate")]
    return _make_context(parent, remote=True, state=TraceState.from_header(lines))


def _make_context(parent: TraceParent, *, remote: bool, state: TraceState | None = None) -> Context:
    context = SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        is_remote=remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT),
        trace_state=state,
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(context), Context())


def _describe(served: Served) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        "http.request.method": served.method,
        "http.response.status_code": served.code,
        "understudy.table": served.table,
        "understudy.mode": served.mode,
        "understudy.answered_by": served.answered_by,
        "understudy.overhead_seconds": served.overhead_seconds,
    }
    if served.request is not None:
        attributes["understudy.shape"] = scrub(read_shape(served.request))
    return attributes


def _later(started: int, seconds: float) -> int:
    return started + round(seconds * 1e9)

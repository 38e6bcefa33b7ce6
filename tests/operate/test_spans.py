"""Spans by OpenTelemetry: what hangs under what, and that they reach whoever gathers them."""

import sys
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode

from proxy.difference import Difference
from proxy.events import Judged, Served, Skipped
from proxy.messages import Request
from proxy.operate import spans
from proxy.operate.spans import Spans
from proxy.operate.tracing import TracingMissing, begin_tracing
from proxy.trace import TraceParent

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECOND = 1_000_000_000


class Clock:
    now = 100 * SECOND

    def __call__(self) -> int:
        return self.now


def ask(flags: str = "01", *headers: tuple[bytes, bytes]) -> Request:
    """A read whose client is traced."""
    parent = (b"traceparent", f"00-{TRACE}-{PARENT}-{flags}".encode())
    return Request("GET", b"/storage?id=eq.4711&select=id", (parent, *headers))


class Bench:
    """Spans that are kept in memory."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self.clock = Clock()
        self.exporter = InMemorySpanExporter()
        provider = provider or TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.spans = Spans(provider, self.clock)

    def serve(self, request: Request, **changes: object) -> TraceParent:
        """A request that is begun, and has been served a second later."""
        own = self.spans.open(request)
        assert own is not None
        self.spans.listen(make_served(request, own, **changes))
        return own

    def finished(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}


def make_served(request: Request, own: TraceParent | None, **changes: object) -> Served:
    fields: dict[str, object] = {
        **{"table": "storage", "method": "GET", "mode": "shadow", "read": True, "answered_by": "upstream"},
        **{"code": 200, "seconds": 1.0, "overhead_seconds": 0.25, "request": request, "trace": own},
    }
    return Served(**(fields | changes))  # type: ignore[arg-type]


def parent_of(span: ReadableSpan) -> str:
    return "" if span.parent is None else f"{span.parent.span_id:016x}"


def span_id(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return f"{context.span_id:016x}"


def test_a_request_is_a_span_in_its_clients_trace_with_the_upstreams_part_below_it() -> None:
    bench = Bench()
    own = bench.serve(ask(), upstream=(0.125, 0.875))
    found = bench.finished()
    request, upstream = found["GET storage"], found["upstream"]
    assert {f"{span.get_span_context().trace_id:032x}" for span in found.values()} == {TRACE}  # type: ignore[union-attr]
    assert parent_of(request) == PARENT
    assert span_id(request) == own.span_id == parent_of(upstream)
    assert (request.kind, upstream.kind) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert (request.start_time, request.end_time) == (100 * SECOND, 101 * SECOND)
    assert (upstream.start_time, upstream.end_time) == (
        100 * SECOND + SECOND // 8,
        101 * SECOND - SECOND // 8,
    )


def test_a_span_says_what_was_asked_by_shape_and_never_by_value() -> None:
    bench = Bench()
    bench.serve(ask("01", (b"Authorization", b"Bearer abc.def.ghi")))
    assert dict(bench.finished()["GET storage"].attributes or {}) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "understudy.table": "storage",
        "understudy.mode": "shadow",
        "understudy.answered_by": "upstream",
        "understudy.overhead_seconds": 0.25,
        "understudy.shape": "GET storage?id=eq.*&select=id",
    }


@pytest.mark.parametrize(("code", "status"), [(200, "UNSET"), (404, "UNSET"), (500, "ERROR"), (503, "ERROR")])
def test_only_what_a_server_is_to_blame_for_is_an_error(code: int, status: str) -> None:
    bench = Bench()
    bench.serve(ask(), code=code)
    assert bench.finished()["GET storage"].status.status_code is StatusCode[status]


def test_the_mirror_comes_later_and_still_hangs_below_the_request() -> None:
    bench = Bench()
    own = bench.serve(ask())
    bench.clock.now = 110 * SECOND
    bench.spans.listen(
        Judged(
            *("storage", "mismatch", "GET /storage", (Difference("body", "$[0].id", "1", "2"),)),
            engine_seconds=0.5,
            trace=own,
            seconds=2.0,
            asked="engine",
        )
    )
    found = bench.finished()
    mirror, engine, compare = found["mirror"], found["engine"], found["compare"]
    assert parent_of(mirror) == own.span_id
    assert parent_of(engine) == parent_of(compare) == span_id(mirror)
    assert (mirror.start_time, mirror.end_time) == (108 * SECOND, 110 * SECOND)
    assert (engine.start_time, engine.end_time) == (108 * SECOND, 108 * SECOND + SECOND // 2)
    assert (compare.start_time, compare.end_time) == (108 * SECOND + SECOND // 2, 110 * SECOND)
    assert dict(mirror.attributes or {}) == {
        "understudy.table": "storage",
        "understudy.verdict": "mismatch",
        "understudy.differences": 1,
    }


def test_where_the_engine_has_served_the_mirror_asks_the_upstream() -> None:
    bench = Bench()
    own = bench.serve(ask(), mode="engine", answered_by="engine", engine=(0.0, 0.5))
    assert "engine" in bench.finished()
    bench.exporter.clear()
    bench.spans.listen(
        Judged("storage", "match", "", upstream_seconds=0.25, trace=own, seconds=1.0, asked="upstream")
    )
    assert set(bench.finished()) == {"mirror", "upstream", "compare"}


def test_a_rehearsal_is_told_from_an_answer_of_the_engine() -> None:
    bench = Bench()
    bench.serve(ask(), mode="rehearse", read=False, engine=(0.0, 0.25), upstream=(0.25, 1.0))
    assert set(bench.finished()) == {"GET storage", "rehearsal", "upstream"}


def test_a_client_without_a_trace_begins_one() -> None:
    bench = Bench()
    bench.serve(Request("GET", b"/storage"))
    request = bench.finished()["GET storage"]
    assert request.parent is None


@pytest.mark.parametrize("value", [b"", b"00-xyz", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01"])
def test_a_malformed_trace_is_none(value: bytes) -> None:
    bench = Bench()
    bench.serve(Request("GET", b"/storage", ((b"traceparent", value), (b"tracestate", b"a=1"))))
    assert bench.finished()["GET storage"].parent is None


def test_the_trace_state_goes_on_into_the_span() -> None:
    bench = Bench()
    bench.serve(ask("01", (b"tracestate", b"rojo=00f067,congo=t61"), (b"TraceState", b"third=3")))
    context = bench.finished()["GET storage"].get_span_context()
    assert context is not None
    assert context.trace_state.to_header() == "rojo=00f067,congo=t61,third=3"


def test_a_malformed_trace_state_is_none_and_nobody_is_told_of_it(caplog: pytest.LogCaptureFixture) -> None:
    """Any client could fill the log with them."""
    bench = Bench()
    own = bench.serve(ask("01", (b"tracestate", b"rojo=1,\xff")))
    context = bench.finished()["GET storage"].get_span_context()
    assert context is not None
    assert (own.trace_id, len(context.trace_state)) == (TRACE, 0)
    assert caplog.records == []


def test_what_the_client_does_not_sample_is_not_traced_at_all() -> None:
    bench = Bench()
    assert bench.spans.open(ask("00")) is None
    bench.spans.listen(make_served(ask("00"), None))
    bench.spans.listen(Judged("storage", "match", ""))
    bench.spans.listen(Skipped("storage", "mode"))
    assert bench.finished() == {}


def test_a_sampler_takes_the_share_that_it_is_told() -> None:
    bench = Bench(TracerProvider(sampler=TraceIdRatioBased(0), shutdown_on_exit=False))
    assert bench.spans.open(Request("GET", b"/storage")) is None


class Collector(BaseHTTPRequestHandler):
    """Takes what is exported by OTLP over HTTP."""

    received: "list[tuple[str, ExportTraceServiceRequest]]"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, ExportTraceServiceRequest.FromString(body)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def collector() -> Iterator[tuple[str, "list[tuple[str, ExportTraceServiceRequest]]"]]:
    """A collector on this machine: its URL, and what it has received."""
    received: list[tuple[str, ExportTraceServiceRequest]] = []
    kind = type("Receiving", (Collector,), {"received": received})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()
    thread.join()


async def test_spans_reach_the_collector_that_the_variables_name(
    collector: tuple[str, "list[tuple[str, ExportTraceServiceRequest]]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, received = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "dlm-proxy")
    tracing = begin_tracing()
    own = tracing.open(ask())
    tracing.hearing[Served](make_served(ask(), own, upstream=(0.1, 0.9)))
    await tracing.close()
    ((path, exported),) = received
    assert path == "/v1/traces"
    (resource,) = exported.resource_spans
    about = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert (about["service.name"], about["deployment.environment.name"]) == ("dlm-proxy", "test")
    assert {span.name for span in resource.scope_spans[0].spans} == {"GET storage", "upstream"}


async def test_the_default_name_of_the_service_is_ours(
    collector: tuple[str, "list[tuple[str, ExportTraceServiceRequest]]"], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, received = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    tracing = begin_tracing()
    tracing.hearing[Served](make_served(ask(), tracing.open(ask())))
    await tracing.close()
    attributes: Sequence[object] = received[0][1].resource_spans[0].resource.attributes
    assert any("understudy" in str(one) for one in attributes)


async def test_an_exporter_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TracingMissing, match="no exporter zipkin is installed"):
        spans.begin({"OTEL_TRACES_EXPORTER": "zipkin"})
    await spans.begin({"OTEL_TRACES_EXPORTER": "none"}).close()


def test_without_the_extra_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "proxy.operate.spans")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with pytest.raises(TracingMissing, match=r"pip install 'understudy\[otel\]'"):
        begin_tracing()

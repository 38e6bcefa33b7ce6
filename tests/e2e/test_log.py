"""The log and the spans of the joined program, under recorded traffic."""

import importlib.util
import json
import logging
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from proxy.cli import main
from proxy.config import LogConfig
from proxy.operate import spans
from proxy.operate.spans import Spans
from tests.e2e import programs
from tests.e2e.support import (
    assert_all_accounted,
    make_config,
    playing,
    read_all,
    recorded_reads,
    standing_in,
)
from tests.support.database import ConformanceDatabase


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What would have been exported."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "begin", lambda: Spans(provider, time.time_ns))
    return exporter


async def test_every_request_has_a_line_and_a_span_with_the_mirrors_work_below_it(
    conformance_database: ConformanceDatabase,
    exported: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "understudy")
    reads = recorded_reads(20, tables=["storage"], successful=True)
    async with standing_in() as upstream:
        config = make_config(
            upstream.url,
            conformance_database.login_url(),
            log=LogConfig(requests=True, spans=True),
        )
        async with playing(config) as running:
            assert await read_all(running.port, reads) == []
            await assert_all_accounted(running)
    lines = [line for line in caplog.messages if line.startswith("request ")]
    assert len(lines) == 20
    assert all(" table=storage mode=shadow answered_by=upstream " in line for line in lines)
    found = exported.get_finished_spans()
    served = [span for span in found if span.attributes and "understudy.answered_by" in span.attributes]
    assert len(served) == 20
    for span in served:
        children = children_of(span, found)
        assert set(children) == {"upstream", "mirror"}
        assert set(children_of(children["mirror"], found)) == {"engine", "compare"}


def children_of(parent: ReadableSpan, found: tuple[ReadableSpan, ...]) -> dict[str, ReadableSpan]:
    context = parent.get_span_context()
    assert context is not None
    return {
        span.name: span
        for span in found
        if span.parent is not None and span.parent.span_id == context.span_id
    }


def test_json_is_all_that_stands_in_the_log_of_a_program_that_is_to_write_it(
    tmp_path: Path, directory: Path, engine_settings: dict[str, str]
) -> None:
    file = tmp_path / "understudy.yaml"
    file.write_text(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nledger: sqlite://\n"
        "upstream: {url: 'http://127.0.0.1:1'}\nlog: {format: json}\n",
        encoding="utf-8",
    )
    with programs.serving(file, directory, engine_settings) as running:
        assert running.terminate() == 0
    records = [json.loads(line) for line in running.log.read_text(encoding="utf-8").splitlines()]
    assert {"serve", "config_reloaded", "schema_loaded"} <= {record["event"] for record in records}


def test_without_opentelemetry_one_is_told_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    file = tmp_path / "understudy.yaml"
    file.write_text("ledger: sqlite://\nupstream: {url: 'http://a'}\nlog: {spans: true}\n", encoding="utf-8")
    assert main(["serve", "--config", str(file)]) == 2
    told = "understudy serve: log.spans needs OpenTelemetry: pip install 'understudy[otel]'\n"
    assert capsys.readouterr().err == told

"""The admin server of an engine alone (reference 12.3 and 12.4)."""

from dataclasses import dataclass, field

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.events import DatabaseReached, SchemaLoaded
from proxy.messages import Request
from proxy.operate.postgrest_admin import Gauges, LoadCounts, LoneSources, PostgrestAdmin, render_metrics


@dataclass
class Bench:
    """An admin server, and what it is told."""

    live: bool = True
    loaded: bool = True
    connected: bool = True
    loads: LoadCounts = field(default_factory=LoadCounts)

    def __post_init__(self) -> None:
        self.admin = PostgrestAdmin(
            LoneSources(
                live=lambda: self.live,
                loaded=lambda: self.loaded,
                connected=self.is_connected,
                schema=lambda: b'{"dbTables":[]}' if self.loaded else b"",
                gauges=self.measure,
                loads=self.loads,
            )
        )

    async def is_connected(self) -> bool:
        return self.connected

    async def measure(self) -> Gauges:
        return Gauges()

    async def status(self, target: bytes, method: str = "GET") -> int:
        return (await self.admin.answer(Request(method, target))).status


@pytest.mark.parametrize(
    ("live", "loaded", "connected", "expected"),
    [
        (True, True, True, (200, 200)),
        (True, False, True, (200, 503)),
        (True, True, False, (200, 503)),
        (False, True, True, (500, 500)),
        (False, False, False, (500, 500)),
    ],
)
async def test_live_is_the_socket_and_ready_the_database_too(
    live: bool, loaded: bool, connected: bool, expected: tuple[int, int]
) -> None:
    bench = Bench(live, loaded, connected)
    assert (await bench.status(b"/live"), await bench.status(b"/ready")) == expected


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE", "OPTIONS"])
async def test_every_method_will_do(method: str) -> None:
    assert await Bench().status(b"/live?now", method) == 200


@pytest.mark.parametrize("path", [b"/", b"/config", b"/live/", b"/LIVE", b"/live/x", b"/items"])
async def test_everything_else_is_not_found_and_empty(path: bytes) -> None:
    answer = await Bench().admin.answer(Request("GET", path))
    assert (answer.status, answer.headers, answer.body) == (404, (), b"")


async def test_the_schema_cache_is_json_without_a_type_and_empty_while_there_is_none() -> None:
    answer = await Bench().admin.answer(Request("GET", b"/schema_cache"))
    assert (answer.status, answer.headers, answer.body) == (200, (), b'{"dbTables":[]}')
    assert (await Bench(loaded=False).admin.answer(Request("GET", b"/schema_cache"))).body == b""


async def test_metrics_are_text() -> None:
    answer = await Bench().admin.answer(Request("GET", b"/metrics"))
    assert answer.headers == ((b"Content-Type", b"text/plain; charset=utf-8"),)
    assert b"pgrst_db_pool_max" in answer.body


def test_the_metrics_have_postgrests_names_texts_and_numbers() -> None:
    loads = LoadCounts()
    for event in (SchemaLoaded(False), SchemaLoaded(True, 3, 0.25), SchemaLoaded(True, 3, 0.5)):
        loads.listen(event)
    loads.listen(DatabaseReached("PostgreSQL"))
    gauges = Gauges(
        pool_available=4,
        pool_waiting=5,
        pool_max=10,
        pool_timeouts=1,
        token_lookups=9,
        token_hits=7,
        token_evictions=2,
    )
    text = render_metrics(gauges, loads)
    # As an integer, which it alone is.
    assert "\npgrst_db_pool_available 4\n" in text
    found = {
        sample.name + "".join(sample.labels.values()): (family.type, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found == {
        "pgrst_db_pool_timeouts_total": ("counter", 1.0),
        "pgrst_db_pool_available": ("gauge", 4.0),
        "pgrst_db_pool_waiting": ("gauge", 5.0),
        "pgrst_db_pool_max": ("gauge", 10.0),
        "pgrst_schema_cache_loads_totalSUCCESS": ("counter", 2.0),
        "pgrst_schema_cache_loads_totalFAIL": ("counter", 1.0),
        "pgrst_schema_cache_query_time_seconds": ("gauge", 0.5),
        "pgrst_jwt_cache_requests_total": ("counter", 9.0),
        "pgrst_jwt_cache_hits_total": ("counter", 7.0),
        "pgrst_jwt_cache_evictions_total": ("counter", 2.0),
    }
    assert text.count("# HELP ") == text.count("# TYPE ") == 9


def test_a_status_is_there_once_it_has_occurred() -> None:
    assert "{status=" not in render_metrics(Gauges(), LoadCounts())

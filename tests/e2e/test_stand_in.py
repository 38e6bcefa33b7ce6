"""Shadow over recorded traffic: the stand-in answers as PostgREST 14.17 did, the mirror asks our engine.

Here a difference would be one between the real PostgREST and our engine.
"""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from proxy.app import Proxy
from tests.e2e.support import (
    LOCALHOST,
    assert_accounted,
    count_all,
    is_settled,
    make_config,
    parse_metrics,
    playing,
    read_all,
    recorded_reads,
    standing_in,
    until,
)
from tests.support.database import ConformanceDatabase

SPREAD = 300


@pytest.fixture
async def stage(conformance_database: ConformanceDatabase) -> AsyncIterator[Proxy]:
    """The joined program with every table in shadow, the stand-in behind it."""
    async with (
        standing_in() as upstream,
        playing(make_config(upstream.url, conformance_database.login_url())) as running,
    ):
        yield running


@pytest.fixture
async def admin(stage: Proxy) -> AsyncIterator[aiohttp.ClientSession]:
    """An ordinary client of the admin port."""
    async with aiohttp.ClientSession(f"http://{LOCALHOST}:{stage.admin_port}") as session:
        yield session


async def test_every_read_of_a_spread_is_accounted_for_and_none_disagrees(
    stage: Proxy, admin: aiohttp.ClientSession
) -> None:
    wrong = await read_all(stage.port, recorded_reads(SPREAD))
    await until(lambda: is_settled(stage))
    status = await (await admin.get("/status")).json()
    metrics = parse_metrics(await (await admin.get("/metrics")).text())
    counts = count_all(stage)
    assert wrong == []
    assert_accounted(status, metrics)
    assert counts["reads"] == counts["settled"] == SPREAD
    assert [one["shape"] for one in status["disagreements"]] == []
    assert counts["match"] + counts["equivalent"] > 0.9 * SPREAD
    assert len(status["tally"]) >= 8


async def test_the_status_tells_modes_tally_and_what_was_loaded(
    stage: Proxy, admin: aiohttp.ClientSession
) -> None:
    (read,) = recorded_reads(1, tables=["storage"], successful=True)
    await read_all(stage.port, [read])
    await until(lambda: is_settled(stage))
    status = await (await admin.get("/status")).json()
    assert status["ready"]
    assert status["schema_loaded"]
    assert status["upstream_reachable"]
    assert status["problems"] == []
    assert status["last_schema_load"]["relations"] > 50
    assert status["last_reload"]["accepted"]
    modes = {row["table"]: row["reads"] for row in status["modes"]}
    assert modes["storage"] == modes["zoo.Star Chart"] == modes["rpc/whoami"] == modes["other"] == "shadow"
    assert [(row["table"], row["reads"], row["verdicts"]["match"]) for row in status["tally"]] == [
        ("storage", 1, 1)
    ]


async def test_counters_of_every_table_stand_at_zero_before_the_first_read(
    stage: Proxy, admin: aiohttp.ClientSession
) -> None:
    metrics = parse_metrics(await (await admin.get("/metrics")).text())
    for family in ("verdicts", "mismatches", "skipped", "shed", "fallbacks"):
        samples = metrics[f"understudy_{family}"].samples
        assert {"storage", "data_item", "other"} <= {sample.labels["table"] for sample in samples}
        assert {sample.value for sample in samples} == {0.0}


async def test_the_process_is_live_and_ready(admin: aiohttp.ClientSession) -> None:
    live, ready = await admin.get("/live"), await admin.get("/ready")
    assert (live.status, (await live.json())["live"]) == (200, True)
    assert (ready.status, await ready.json()) == (200, {"ready": True, "problems": []})


async def test_without_upstream_and_database_it_is_live_but_not_ready() -> None:
    config = make_config(f"http://{LOCALHOST}:1", f"postgresql://nobody@{LOCALHOST}:1/nothing")
    async with (
        Proxy(config) as running,
        aiohttp.ClientSession(f"http://{LOCALHOST}:{running.admin_port}") as admin,
    ):
        live, ready = await admin.get("/live"), await admin.get("/ready")
        assert (live.status, ready.status) == (200, 503)
        assert (await ready.json())["problems"] == [
            "the upstream cannot be reached",
            "no schema cache is loaded: reads are not mirrored",
        ]


async def test_the_admin_pages_are_not_on_the_client_port(stage: Proxy) -> None:
    async with aiohttp.ClientSession(f"http://{LOCALHOST}:{stage.port}") as clients:
        for page in ("/live", "/ready", "/metrics", "/status"):
            async with clients.get(page) as answer:
                assert answer.status == 501, "what the stand-in says to a request that was never recorded"

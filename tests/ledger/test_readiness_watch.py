"""Readiness as a metric: judged table by table, off the clients' way, and kept while the ledger is gone."""

import asyncio
from dataclasses import dataclass, field

import pytest
from prometheus_client import generate_latest

from proxy.config import Config, ReadinessConfig, UpstreamConfig
from proxy.judging import ReadinessWatch
from proxy.operate.metrics import Metrics
from proxy.server.state import Snapshot, State
from proxy.shadow.policy import Names, list_modes
from tests.ledger.conftest import MakeScene
from tests.ledger.support import Scene, judged, mismatch

LIMITS = ReadinessConfig(0.1, max_unseen_shapes=0.5, max_latency_ratio=99.0, min_period=1.0)
NAMES = Names(("dlm",), frozenset({("dlm", "storage"), ("dlm", "location"), ("dlm", "migration")}))


@dataclass
class Watched:
    """A watch on the ledger of ``scene``, which sleeps as long as it is let."""

    scene: Scene
    rounds: int = 1
    slept: list[float] = field(default_factory=list)
    metrics: Metrics = field(default_factory=lambda: Metrics(lambda: 0.0))

    def __post_init__(self) -> None:
        config = Config(upstream=UpstreamConfig("http://postgrest:3000"), readiness=LIMITS)
        self.state = State(Snapshot(config, NAMES, None))
        self.metrics.set_tables(list_modes(config, NAMES))

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds > 30:
            self.rounds -= 1
            if not self.rounds:
                raise asyncio.CancelledError

    async def watch(self) -> None:
        ledger, show = self.scene.ledger, self.metrics.show_readiness
        watch = ReadinessWatch(ledger, self.state, show, lambda: self.scene.now, self.sleep)
        with pytest.raises(asyncio.CancelledError):
            await watch.keep()

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"understudy_{name}", labels)

    def verdicts(self, table: str) -> dict[str, float | None]:
        names = ("ready", "not ready", "insufficient evidence")
        return {name: self.value("readiness", table=table, verdict=name) for name in names}


async def test_every_table_is_judged_and_what_is_not_yet_says_nothing_good(make_scene: MakeScene) -> None:
    watched = Watched(scene := make_scene())
    assert set(watched.verdicts("storage").values()) == {0.0}
    assert watched.value("mismatch_bound_ratio", table="storage") == 1.0
    assert watched.value("unseen_shapes_ratio", table="other") == 1.0
    reads = [judged(request_line=f"GET /storage?a=eq.{number}") for number in range(80)]
    await scene.flush(*reads, judged(table="location"), mismatch(table="location"), judged(table="gone"))
    scene.now += 200.0
    await scene.flush(*reads)
    await watched.watch()
    assert watched.verdicts("storage") == {"ready": 1.0, "not ready": 0.0, "insufficient evidence": 0.0}
    assert watched.verdicts("location") == {"ready": 0.0, "not ready": 1.0, "insufficient evidence": 0.0}
    assert watched.verdicts("migration") == {"ready": 0.0, "not ready": 0.0, "insufficient evidence": 1.0}
    bound = watched.value("mismatch_bound_ratio", table="storage")
    assert bound is not None
    assert 0.0 < bound < 0.1
    assert watched.value("unseen_shapes_ratio", table="migration") == 1.0
    # A table that the schema cache does not know gets no label.
    assert b'table="gone"' not in generate_latest(watched.metrics.registry)
    assert watched.slept.count(0.05) == 2


async def test_judgements_stay_while_the_ledger_cannot_be_read(make_scene: MakeScene) -> None:
    watched = Watched(scene := make_scene())
    await scene.flush(mismatch())
    await watched.watch()
    assert watched.verdicts("storage")["not ready"] == 1.0
    scene.database._url, watched.rounds = "postgresql://x@127.0.0.1:1/x", 2
    await asyncio.to_thread(scene.database.close)
    await watched.watch()
    assert watched.verdicts("storage")["not ready"] == 1.0

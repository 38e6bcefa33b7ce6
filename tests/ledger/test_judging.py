"""What readiness is judged by: the newest conditions, all replicas together, and what is void."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection

from proxy.ledger.bounds import DEFAULT
from proxy.ledger.judging import gather_evidence
from proxy.ledger.must_see import Pin, pin_shapes, unpin_shape
from proxy.shadow.evidence import Conditions
from proxy.shadow.readiness import TableEvidence, VoidEvidence
from tests.ledger.conftest import MakeScene
from tests.ledger.support import Scene, judged, mismatch


async def gather(scene: Scene) -> dict[str, TableEvidence]:
    return await scene.ledger.read(gather_evidence)


async def test_an_empty_ledger_knows_nothing(make_scene: MakeScene) -> None:
    scene = make_scene()
    await scene.flush(judged())
    assert set(await gather(scene)) == {"storage"}


async def test_replicas_sum_up_and_shapes_stay_apart(make_scene: MakeScene) -> None:
    one, other = make_scene(), make_scene(replica="other", now=1_500.0)
    await one.flush(judged(), judged("equivalent"), judged(shape="GET storage?id=eq.*"))
    await other.flush(judged(), judged("race"), mismatch())
    evidence = (await gather(one))["storage"]
    assert {shape.shape for shape in evidence.shapes} >= {"GET storage", "GET storage?id=eq.*"}
    assert evidence.count(("match",)) == 3
    assert evidence.count(("equivalent", "race", "mismatch")) == 3
    assert evidence.open_signatures == 1
    assert (evidence.first_seen, evidence.last_seen) == (1_000.0, 1_500.0)
    assert evidence.times.pairs == 6
    assert evidence.times.cost_ratio == pytest.approx(2.0)
    assert evidence.void is None
    # Each replica sees the read that matches and the one that does not for the first time.
    assert (evidence.fresh, evidence.fresh_mismatches) == (4, 1)


async def test_shapes_are_pinned_once_shown_with_their_table_and_taken_back(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene()
    await scene.flush(judged())

    def pin(connection: Connection, *shapes: str) -> int:
        pins = [Pin("report", shape, "access.log") for shape in shapes]
        return pin_shapes(connection, pins, "anna", 1_000.0)

    assert await scene.read(lambda connection: pin(connection, "GET report", "GET report?a=eq.*")) == 2
    assert await scene.read(lambda connection: pin(connection, "GET report", "GET report?b=eq.*")) == 1
    assert await scene.read(lambda connection: unpin_shape(connection, "GET report"))
    assert not await scene.read(lambda connection: unpin_shape(connection, "GET report"))
    evidence = await gather(scene)
    assert evidence["report"].must_see == ("GET report?a=eq.*", "GET report?b=eq.*")
    assert evidence["storage"].must_see == ()
    monkeypatch.setattr("proxy.ledger.must_see.MOST", 3)
    assert await scene.read(lambda connection: pin(connection, "GET report?c=eq.*", "GET report?d=eq.*")) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "other"}, ("schema",)),
        ({"engine": "0.2"}, ("engine",)),
        ({"rules": "other", "schema": "other"}, ("schema", "ignore rules")),
    ],
)
async def test_evidence_under_former_conditions_is_void(
    make_scene: MakeScene, change: dict[str, str], words: tuple[str, ...]
) -> None:
    scene = make_scene()
    await scene.flush(*(judged() for _ in range(5)))
    parts = {name: getattr(scene.conditions, name) for name in ("schema", "engine", "upstream", "rules")}
    scene.conditions, scene.now = Conditions(**{**parts, **change}), 2_000.0
    await scene.flush(judged())
    evidence = (await gather(scene))["storage"]
    assert evidence.count(("match",)) == 1
    assert evidence.void == VoidEvidence(5, words)


async def test_shapes_that_there_was_no_room_for_are_not_told_apart(make_scene: MakeScene) -> None:
    scene = make_scene(bounds=replace(DEFAULT, shapes=2))
    await scene.flush(*(judged(shape=f"GET storage?a{number}=eq.*") for number in range(5)))
    evidence = (await gather(scene))["storage"]
    lost = [shape for shape in evidence.shapes if shape.shape is None]
    assert sum(shape.count(("match",)) for shape in lost) == 3

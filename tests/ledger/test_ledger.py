"""Evidence goes into the ledger, adds up, and stays in bounds, on both kinds of database."""

import math
from dataclasses import replace
from functools import partial

import pytest

from proxy.difference import Difference
from proxy.events import (
    FellBack,
    LedgerShed,
    MismatchOpened,
    MismatchShrunk,
    ModeChanged,
    OutcomeLost,
    Rehearsed,
    Served,
    Shed,
    Skipped,
    Unrehearsed,
)
from proxy.ledger.bounds import DAY, Bounds
from proxy.ledger.hide import AT_ONCE
from proxy.ledger.read import (
    close_signature,
    list_changes,
    list_epochs,
    list_evidence,
    list_examples,
    list_signatures,
    list_traffic,
    sum_evidence,
)
from proxy.ledger.report import report_evidence
from proxy.ledger.write import OVERFLOW
from proxy.messages import Answer, Request
from proxy.shadow.evidence import Conditions, Evidence
from proxy.shadow.redaction.secrets import Redaction
from tests.ledger.conftest import MakeScene
from tests.ledger.support import JSON, judged, mismatch


async def test_evidence_is_counted_by_shape_role_and_class_of_answer(make_scene: MakeScene) -> None:
    scene = make_scene()
    await scene.flush(judged(), judged("race"), judged(role="editor"), judged(status=404), judged())
    found = {(key.role, key.answer_class): dict(one.verdicts) for key, one in await scene.read(list_evidence)}
    assert found == {
        ("anon", "2xx"): {"match": 2, "race": 1},
        ("editor", "2xx"): {"match": 1},
        ("anon", "4xx"): {"match": 1},
    }


async def test_flushes_add_up_and_keep_first_and_last(make_scene: MakeScene) -> None:
    scene = make_scene()
    await scene.flush(judged())
    scene.now = 2_000.0
    await scene.flush(judged("unsupported", detail="an operator"), judged(engine_seconds=0.05))
    ((_, evidence),) = await scene.read(list_evidence)
    assert dict(evidence.verdicts) == {"match": 2, "unsupported": 1}
    assert (evidence.first_seen, evidence.last_seen, evidence.detail) == (1_000.0, 2_000.0, "an operator")
    assert evidence.pairs == 2
    assert evidence.log_ratios == pytest.approx(math.log(2) + math.log(0.5))
    assert evidence.log_ratio_squares == pytest.approx(2 * math.log(2) ** 2)


async def test_a_read_that_repeats_another_is_no_fresh_evidence(make_scene: MakeScene) -> None:
    scene = make_scene()
    one, other = (judged(request_line=f"GET /storage?uid=eq.{number}") for number in range(2))
    await scene.flush(one, one, one, other, replace(one, role="editor"), replace(one, verdict="mismatch"))
    scene.now += 30
    await scene.flush(one, replace(judged("race"), request_line="GET /storage?uid=eq.7"))
    scene.now += 200
    await scene.flush(replace(one, verdict="mismatch"))
    found = {key.role: evidence for key, evidence in await scene.read(list_evidence)}
    counts = {role: (each.reads, each.fresh, each.fresh_mismatches) for role, each in found.items()}
    assert counts == {"anon": (8, 4, 2), "editor": (1, 1, 0)}


async def test_replicas_add_up(make_scene: MakeScene) -> None:
    scenes = [make_scene(replica=name) for name in ("one", "two", "three")]
    for scene in scenes:
        await scene.flush(
            judged(), mismatch(), Served("storage", "GET", "shadow", True, "upstream", 200, 1, 0)
        )
    ((_, evidence),) = await scenes[0].read(list_evidence)
    (signature,) = await scenes[0].read(list_signatures)
    (traffic,) = await scenes[0].read(list_traffic)
    assert (evidence.verdicts["match"], evidence.verdicts["mismatch"]) == (3, 3)
    assert (signature.count, traffic.count) == (3, 3)
    assert len(await scenes[0].read(partial(list_examples, signature_id=signature.id))) == 3


async def test_evidence_of_other_conditions_is_other_evidence(make_scene: MakeScene) -> None:
    scene = make_scene()
    await scene.flush(judged(upstream_version="postgrest/13"))
    scene.now += 1
    await scene.flush(judged(upstream_version="postgrest/14"), judged(upstream_version="postgrest/14"))
    scene.now += 1
    scene.conditions = Conditions("another schema", "0.1")
    await scene.flush(judged(upstream_version="postgrest/14"))
    counts = {
        epoch.conditions: sum(
            one.reads for key, one in await scene.read(list_evidence) if key.epoch == epoch.conditions.epoch
        )
        for epoch in await scene.read(list_epochs)
    }
    assert {(one.schema, one.upstream): count for one, count in counts.items()} == {
        ("schema", "postgrest/13"): 1,
        ("schema", "postgrest/14"): 2,
        ("another schema", "postgrest/14"): 1,
    }
    (table,) = (await scene.read(report_evidence))["tables"]
    assert (table["compared"], table["conditions"]["schema"]) == (1, "another schema")


async def test_traffic_is_counted_by_what_became_of_it(make_scene: MakeScene) -> None:
    scene = make_scene()
    await scene.flush(
        Served("storage", "GET", "shadow", True, "upstream", 200, 0.1, 0.0),
        Served("storage", "POST", "upstream", False, "upstream", 201, 0.1, 0.0),
        Skipped("storage", "not_sampled"),
        Skipped("storage", "method"),
        Shed("storage", "queue"),
        FellBack("storage", "timeout"),
        Rehearsed("storage", "match", "POST /storage"),
        Unrehearsed("storage", "refused"),
        OutcomeLost("storage", "engine"),
    )
    found = {(one.kind, one.reason): one.count for one in await scene.read(list_traffic)}
    assert found == {
        ("reads", "upstream"): 1,
        ("writes", "upstream"): 1,
        ("skipped", "not_sampled"): 1,
        ("shed", "queue"): 1,
        ("fell_back", "timeout"): 1,
        ("rehearsed", "match"): 1,
        ("unrehearsed", "refused"): 1,
        ("outcome_lost", "engine"): 1,
    }


async def test_three_examples_of_a_signature_are_kept_without_credentials(make_scene: MakeScene) -> None:
    scene = make_scene()
    await scene.flush(*[mismatch() for _ in range(2)])
    await scene.flush(*[mismatch() for _ in range(5)], mismatch("status 200 404"))
    found = {one.signature: one for one in await scene.read(list_signatures)}
    assert {name: one.count for name, one in found.items()} == {"body $.uri": 7, "status 200 404": 1}
    examples = await scene.read(partial(list_examples, signature_id=found["body $.uri"].id))
    assert len(examples) == 3
    assert examples[0].request == Request("GET", b"/storage?limit=1", ((b"Authorization", b"***"),))
    assert (examples[0].upstream.body, examples[0].engine.body) == (
        b'[{"uri":"right"}]',
        b'[{"uri":"wrong"}]',
    )
    assert examples[0].differences == mismatch().differences
    assert (examples[0].shape, examples[0].role) == ("GET storage", "anon")


async def test_a_signature_without_a_smallest_request_is_told_until_there_is_one(
    make_scene: MakeScene,
) -> None:
    scene = make_scene()
    await scene.flush(mismatch())
    await scene.flush(mismatch())
    opened = [event for event in scene.events if isinstance(event, MismatchOpened)]
    assert [(one.table, one.signature) for one in opened] == [("storage", "body $.uri")] * 2
    smallest = Request("GET", b"/storage", ((b"Cookie", b"session=1"),))
    await scene.flush(MismatchShrunk("storage", "body $.uri", smallest, 9))
    await scene.flush(mismatch())
    assert len([event for event in scene.events if isinstance(event, MismatchOpened)]) == 2
    (signature,) = await scene.read(list_signatures)
    assert signature.smallest == Request("GET", b"/storage", ((b"Cookie", b"***"),))
    assert signature.smallest_tries == 9


async def test_a_closed_signature_opens_again_when_it_occurs_again(make_scene: MakeScene) -> None:
    scene = make_scene()
    await scene.flush(mismatch(), MismatchShrunk("storage", "body $.uri", Request("GET", b"/storage"), 1))
    (signature,) = await scene.read(list_signatures)
    scene.now = 1_500.0
    await scene.read(partial(close_signature, signature_id=signature.id, who="ada", why="fixed", now=1_500.0))
    (closed,) = await scene.read(list_signatures)
    assert (closed.open, closed.closed_by, closed.closed_why) == (False, "ada", "fixed")
    scene.now = 2_000.0
    await scene.flush(mismatch())
    (again,) = await scene.read(list_signatures)
    assert (again.open, again.count, again.closed_by, again.smallest) == (True, 2, "", None)
    assert len(await scene.read(partial(list_examples, signature_id=signature.id))) == 1


async def test_mode_changes_are_kept_with_who_and_why(make_scene: MakeScene) -> None:
    scene, other = make_scene(), make_scene(replica="two")
    change = ModeChanged("storage", "reads", "shadow", "engine", "ada", "it is ready")
    await scene.flush(change)
    other.now = scene.now + 2
    await other.flush(change)
    scene.now += 10
    await scene.flush(ModeChanged("storage", "reads", "engine", "shadow", "ada", "slow"))
    scene.now += 10
    await scene.flush(change)
    found = await scene.read(list_changes)
    assert [(one.after, one.replicas, one.why) for one in found] == [
        ("engine", 1, "it is ready"),
        ("shadow", 1, "slow"),
        ("engine", 2, "it is ready"),
    ]


async def test_shapes_beyond_the_bound_are_counted_together(make_scene: MakeScene) -> None:
    scene = make_scene(bounds=Bounds(shapes=2))
    shapes = [judged(shape=f"GET storage?a{number}=eq.*") for number in range(5)]
    await scene.flush(*shapes)
    await scene.flush(*shapes)
    found = {key.shape: one.reads for key, one in await scene.read(list_evidence)}
    assert len(found) == 3
    assert found[OVERFLOW] == 6
    assert sum(found.values()) == 10


async def test_signatures_and_examples_beyond_the_bounds_are_shed_and_counted(make_scene: MakeScene) -> None:
    scene = make_scene(bounds=Bounds(signatures=1, example_bytes=10))
    await scene.flush(mismatch("first"), mismatch("second"), mismatch("second"))
    assert [one.signature for one in await scene.read(list_signatures)] == ["first"]
    shed = {event.kind: event.count for event in scene.events if isinstance(event, LedgerShed)}
    assert shed == {"mismatch": 2, "example": 1}
    assert scene.ledger.condition.shed == shed


async def test_a_flush_takes_secrets_out_of_so_much_and_no_more(make_scene: MakeScene) -> None:
    large = Answer(200, JSON, b'[{"uri":"%b"}]' % (b"x" * 100_000))
    scene = make_scene()
    await scene.flush(*[mismatch(f"kind {number}", upstream=large) for number in range(20)])
    kept = [
        len(await scene.read(partial(list_examples, signature_id=one.id)))
        for one in await scene.read(list_signatures)
    ]
    assert 3 < sum(kept) < 7
    assert scene.ledger.condition.shed == {"example": 20 - sum(kept)}
    await scene.flush(*[mismatch(f"kind {number}") for number in range(20)])
    for one in await scene.read(list_signatures):
        assert await scene.read(partial(list_examples, signature_id=one.id))


async def test_of_answers_that_are_too_large_the_differences_are_kept(make_scene: MakeScene) -> None:
    large = Answer(200, JSON, b'[{"uri":"%b"}]' % (b"x" * 2_000_000))
    scene = make_scene()
    status = Difference("status", "", "200", "500")
    await scene.flush(mismatch(upstream=large, engine=large, differences=(status,)))
    (signature,) = await scene.read(list_signatures)
    (example,) = await scene.read(partial(list_examples, signature_id=signature.id))
    assert (example.upstream.body, example.engine.body) == (b"***", b"***")
    assert example.differences == (status,)


async def test_what_memory_has_no_room_for_is_shed_and_counted(make_scene: MakeScene) -> None:
    scene = make_scene(max_keys=4, max_bytes=100)
    await scene.flush(mismatch("first"), *[judged(shape=f"GET storage?{number}") for number in range(5)])
    shed = {event.kind: event.count for event in scene.events if isinstance(event, LedgerShed)}
    assert shed == {"example": 1, "evidence": 3}
    assert len(await scene.read(list_evidence)) == 3


async def test_text_that_no_database_takes_is_kept_escaped(make_scene: MakeScene) -> None:
    scene = make_scene()
    odd = mismatch(
        "nul \0 \udcff", shape="GET \0", role="\udc80", request=Request("GET", b"/storage?a=%00\xff")
    )
    assert await scene.flush(odd)
    (signature,) = await scene.read(list_signatures)
    (example,) = await scene.read(partial(list_examples, signature_id=signature.id))
    assert example.request.target == b"/storage?a=%00\xff"
    assert signature.signature == "nul \\0 \\udcff"


async def test_what_is_to_be_hidden_from_now_on_is_hidden_in_what_was_kept(make_scene: MakeScene) -> None:
    scene = make_scene()
    request = Request("GET", b"/storage?uri=eq.wrong&limit=1")
    await scene.flush(
        *[mismatch(f"kind {number}", request=request) for number in range(AT_ONCE + 1)],
        MismatchShrunk("storage", "kind 3", request, 1),
    )
    scene.redaction = Redaction(frozenset({"uri"}))
    for _ in range(2):
        assert await scene.flush()
    for signature in await scene.read(list_signatures):
        (example,) = await scene.read(partial(list_examples, signature_id=signature.id))
        assert example.request.target == b"/storage?uri=eq.***&limit=1"
        assert (example.upstream.body, example.engine.body) == (b'[{"uri":"***"}]', b'[{"uri":"***"}]')
        assert (example.differences[0].upstream, example.differences[0].engine) == ("***", "***")
        assert signature.smallest in (None, example.request)


async def test_what_is_old_is_forgotten_and_open_mismatches_are_not(make_scene: MakeScene) -> None:
    scene = make_scene()
    await scene.flush(judged(), mismatch("open"), mismatch("closed"), Skipped("storage", "mode"))
    signatures = {one.signature: one.id for one in await scene.read(list_signatures)}
    await scene.read(
        partial(close_signature, signature_id=signatures["closed"], who="ada", why="", now=scene.now)
    )
    scene.now += 365 * DAY
    await scene.flush()
    assert await scene.read(list_evidence) == []
    assert await scene.read(list_traffic) == []
    assert [one.signature for one in await scene.read(list_signatures)] == ["open"]
    assert await scene.read(partial(list_examples, signature_id=signatures["closed"])) == []
    assert len(await scene.read(partial(list_examples, signature_id=signatures["open"]))) == 1


async def test_the_sums_of_a_table_are_those_of_its_shapes(make_scene: MakeScene) -> None:
    scene = make_scene()
    await scene.flush(*[judged(shape=f"GET storage?{number % 3}") for number in range(7)])
    scene.now += 5
    await scene.flush(judged("race", table="location"), judged("mismatch", shape="GET storage?1"))
    shapes = await scene.read(list_evidence)
    for one in await scene.read(sum_evidence):
        merged = Evidence()
        for key, evidence in shapes:
            if key.table == one.table:
                merged.merge(evidence)
        assert one.evidence.verdicts == merged.verdicts
        for name in ("fresh", "fresh_mismatches", "pairs", "first_seen", "last_seen"):
            assert getattr(one.evidence, name) == getattr(merged, name)
        for name in ("log_ratios", "log_ratio_squares", "upstream_seconds", "engine_seconds"):
            assert getattr(one.evidence, name) == pytest.approx(getattr(merged, name))
        assert one.shapes == sum(key.table == one.table for key, _ in shapes)

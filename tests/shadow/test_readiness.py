"""The judgement on a table: its verdict, and what it says is missing."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import ReadinessConfig
from proxy.events import Verdict
from proxy.shadow.latency import PairedTimes
from proxy.shadow.rates import find_reads_needed
from proxy.shadow.readiness import (
    Readiness,
    ShapeEvidence,
    TableEvidence,
    VoidEvidence,
    judge_readiness,
)

DAY = 86400.0
NOW = 30 * DAY
LIMITS = ReadinessConfig()
SWIFT = PairedTimes(5000, 0.0, 200.0)


CONCLUSIVE = ("match", "equivalent", "mismatch")


def make_shape(name: str | None, verdicts: Mapping[Verdict, int]) -> ShapeEvidence:
    """A shape of which every read is another one."""
    fresh = sum(verdicts.get(verdict, 0) for verdict in CONCLUSIVE)  # type: ignore[call-overload]
    return ShapeEvidence(name, "web_anon", "2xx", verdicts, fresh, verdicts.get("mismatch", 0))


def shape(name: str, **verdicts: int) -> ShapeEvidence:
    return make_shape(name, Counter(verdicts))  # type: ignore[arg-type]


READY = TableEvidence(
    "data_item",
    (shape("GET data_item?id=eq.*", match=4000), shape("GET data_item", match=900, equivalent=100)),
    SWIFT,
    first_seen=NOW - 2 * DAY,
    last_seen=NOW - 60,
)


def judge(evidence: TableEvidence, must_see: tuple[str, ...] = ()) -> Readiness:
    return judge_readiness(replace(evidence, must_see=must_see), LIMITS, NOW)


def words_of(readiness: Readiness) -> list[str]:
    return [gap.words for gap in readiness.missing]


def test_a_table_with_nothing_missing_is_ready() -> None:
    readiness = judge(READY)
    assert (readiness.verdict, readiness.missing) == ("ready", ())
    assert (readiness.agreed, readiness.mismatches, readiness.shapes) == (5000, 0, 2)
    assert readiness.mismatch_bound < 0.001
    assert readiness.unseen.bound < 0.001


def test_without_evidence_the_verdict_is_that_there_is_not_enough() -> None:
    readiness = judge(TableEvidence("data_item"))
    assert readiness.verdict == "insufficient evidence"
    assert words_of(readiness) == [
        "another ~3,500 matched reads",
        "the next read may be of an unseen shape with a chance of 1, over the limit 0.001",
        "another 100 reads that both sides answered, for their latency",
    ]


def test_what_is_missing_is_said_exactly() -> None:
    evidence = replace(READY, shapes=(shape("GET data_item", match=1160),))
    readiness = judge(evidence, ("GET data_item?select=*", "GET data_item"))
    assert readiness.verdict == "insufficient evidence"
    assert words_of(readiness) == [
        "another ~2,300 matched reads",
        "the next read may be of an unseen shape with a chance of 0.0026, over the limit 0.001",
        "shape GET data_item?select=* never seen",
    ]
    assert readiness.reads_needed == 3402 - 1160


def test_an_open_signature_speaks_against_a_table_whatever_its_rate() -> None:
    readiness = judge(replace(READY, open_signatures=3))
    assert (readiness.verdict, words_of(readiness)) == ("not ready", ["3 open mismatch signatures"])
    assert words_of(judge(replace(READY, open_signatures=1))) == ["1 open mismatch signature"]


def test_mismatches_beyond_the_limit_speak_against_a_table() -> None:
    readiness = judge(replace(READY, shapes=(shape("GET data_item", match=991, mismatch=9),)))
    assert readiness.verdict == "not ready"
    assert words_of(readiness)[0] == "9 mismatches in 1,000 reads: 0.009 is over 0.001"


@pytest.mark.parametrize(
    ("log", "verdict", "words"),
    [
        (math.log(1.0), "ready", []),
        (math.log(1.31), "not ready", ["paired latency ratio 1.31 over the limit 1.2"]),
        (
            math.log(1.19),
            "insufficient evidence",
            ["paired latency ratio 1.19, perhaps up to 1.21: not shown to be within the limit 1.2"],
        ),
    ],
)
def test_the_latency_ratio_is_judged_by_its_interval(log: float, verdict: str, words: list[str]) -> None:
    times = PairedTimes(5000, 5000 * log, 5000 * (log * log + 0.16))
    readiness = judge(replace(READY, times=times))
    assert (readiness.verdict, words_of(readiness)) == (verdict, words)


def test_reads_that_decided_nothing_are_no_evidence_but_are_bounded() -> None:
    shapes = (*READY.shapes, shape("GET data_item?limit=*", indeterminate=900, race=10, volatile=5))
    readiness = judge(replace(READY, shapes=shapes))
    assert (readiness.agreed, readiness.verdict) == (5000, "insufficient evidence")
    assert words_of(readiness) == [
        "0.15 of reads undecided (900 indeterminate, 10 race, 5 volatile), over the limit 0.1"
    ]
    assert readiness.undecided == {"indeterminate": 900, "race": 10, "inconclusive": 0, "volatile": 5}


def test_reads_that_the_engine_leaves_unanswered_speak_against_a_table() -> None:
    shapes = (*READY.shapes, shape("GET data_item?odd=eq.*", unsupported=100, failed=2))
    readiness = judge(replace(READY, shapes=shapes))
    assert words_of(readiness) == [
        "0.02 of reads unanswered by the engine (100 unsupported, 2 failed), over the limit 0.01"
    ]
    assert (readiness.verdict, readiness.unsupported, readiness.failed) == ("not ready", 100, 2)


def test_evidence_has_to_reach_back_and_to_be_fresh() -> None:
    assert words_of(judge(replace(READY, first_seen=NOW - 3600))) == [
        "evidence of 59 min only; 1 d are wanted"
    ]
    old = replace(READY, first_seen=NOW - 20 * DAY, last_seen=NOW - 9 * DAY)
    assert words_of(judge(old)) == ["the newest compared read is 9 d old; 7 d is the limit"]


def test_void_evidence_is_named_where_reads_are_missing() -> None:
    void = VoidEvidence(12_400, ("schema",))
    assert judge(replace(READY, void=void)).verdict == "ready"
    few = replace(READY, shapes=(shape("GET data_item", match=5),), void=void)
    assert words_of(judge(few))[0] == (
        "another ~3,400 matched reads (12,400 reads count no more, since the schema has changed)"
    )


def test_shapes_that_nobody_told_apart_count_as_unseen() -> None:
    lost = make_shape(None, Counter({"match": 1000}))
    readiness = judge(replace(READY, shapes=(*READY.shapes, lost)))
    assert readiness.unseen.estimate == pytest.approx(1 / 6)
    assert readiness.verdict == "insufficient evidence"


def test_a_shape_that_was_asked_for_but_never_compared_is_not_seen() -> None:
    shapes = (*READY.shapes, shape("GET data_item?odd=eq.*", unsupported=1))
    assert words_of(judge(replace(READY, shapes=shapes), ("GET data_item?odd=eq.*",))) == [
        "shape GET data_item?odd=eq.* never seen"
    ]


def test_a_client_that_asks_one_thing_over_and_over_is_one_observation() -> None:
    polled = replace(shape("GET data_item?id=eq.*", match=1_000_000), fresh=1000)
    readiness = judge(replace(READY, shapes=(polled,)))
    assert (readiness.agreed, readiness.fresh, readiness.reads_needed) == (1_000_000, 1000, 2402)
    assert words_of(readiness) == [
        "another ~2,500 matched reads",
        "the next read may be of an unseen shape with a chance of 0.003, over the limit 0.001",
    ]


def test_a_shape_of_which_nothing_is_fresh_is_seen_all_the_same() -> None:
    repeated = replace(shape("GET data_item?x=eq.*", match=3), fresh=0)
    readiness = judge(replace(READY, shapes=(*READY.shapes, repeated)), ("GET data_item?x=eq.*",))
    assert (readiness.verdict, readiness.must_see, readiness.never_seen) == ("ready", 1, ())


def test_of_many_missing_shapes_the_rest_is_a_number() -> None:
    wanted = tuple(f"GET data_item?a{number}=eq.*" for number in range(7))
    assert words_of(judge(READY, wanted))[-1] == "4 further must-see shapes never seen"


VERDICTS = st.sampled_from(
    ("match", "equivalent", "mismatch", "indeterminate", "race", "inconclusive", "volatile", "failed")
)
SHAPES = st.lists(
    st.builds(
        lambda name, counts: make_shape(name, Counter(counts)),
        st.sampled_from("abcdef"),
        st.dictionaries(VERDICTS, st.integers(0, 6000)),
    ),
    max_size=6,
)


@given(SHAPES, st.integers(0, 2), st.floats(0, 40 * DAY), st.floats(0, 40 * DAY))
def test_ready_means_that_every_single_condition_holds(
    shapes: list[ShapeEvidence], signatures: int, reach: float, age: float
) -> None:
    last = NOW - age
    evidence = TableEvidence("a", tuple(shapes), SWIFT, signatures, last - reach, last)
    readiness = judge(evidence)
    decided = readiness.agreed + readiness.mismatches
    reads = decided + sum(readiness.undecided.values()) + readiness.unsupported + readiness.failed
    holds = (
        signatures == 0
        and decided >= find_reads_needed(LIMITS.max_mismatch_rate, readiness.mismatches, LIMITS.confidence)
        and readiness.unseen.bound <= LIMITS.max_unseen_shapes
        and readiness.failed <= LIMITS.max_unanswered * reads
        and sum(readiness.undecided.values()) <= LIMITS.max_undecided * reads
        and reach >= LIMITS.min_period
        and age <= LIMITS.max_age
    )
    assert (readiness.verdict == "ready") == holds
    assert (readiness.verdict == "ready") == (readiness.missing == ())
    assert (readiness.verdict == "not ready") == any(gap.against for gap in readiness.missing)


@given(SHAPES, st.sampled_from(("match", "equivalent")), st.integers(3, 5000))
def test_more_agreement_never_takes_readiness_away(
    shapes: list[ShapeEvidence], verdict: Verdict, number: int
) -> None:
    """But for a shape that comes up for the first or second time, which says that there may be more."""
    before = judge(replace(READY, shapes=tuple(shapes)))
    grown = [make_shape(one.shape, Counter(one.verdicts) + Counter({verdict: number})) for one in shapes]
    after = judge(replace(READY, shapes=tuple(grown)))
    assert after.reads_needed <= before.reads_needed
    if before.verdict == "ready":
        assert after.verdict == "ready"

"""The newest judgement on each table, and how its bound has come down."""

from dataclasses import replace

from proxy.config import ReadinessConfig
from proxy.operate.judgements import KEPT, Judgement, Judgements
from proxy.shadow.readiness import TableEvidence, judge_readiness


def test_the_newest_judgement_is_kept_with_the_bounds_before_it() -> None:
    now = iter(range(10_000))
    judgements = Judgements(lambda: float(next(now)))
    first = judge_readiness(TableEvidence("a"), ReadinessConfig(), 0.0)
    second = replace(first, mismatch_bound=0.5)
    judgements.note(first)
    judgements.note(second)
    judgements.note(replace(first, table="b"))
    assert judgements.report() == {
        "a": Judgement(second, 1.0, (1.0, 0.5)),
        "b": Judgement(replace(first, table="b"), 2.0, (1.0,)),
    }
    for _ in range(2 * KEPT):
        judgements.note(first)
    assert len(judgements.report()["a"].bounds) == KEPT

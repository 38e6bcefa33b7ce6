"""The newest disagreements, remembered without values."""

from proxy.difference import Difference
from proxy.events import Judged, Verdict
from proxy.operate.recent import KEPT, Disagreement, Recent


def judged(verdict: Verdict, target: str = "/storage?storage_name=eq.secret", detail: str = "") -> Judged:
    found = (Difference("body", "$[0].storage_name", "secret", "other"),)
    differences = found if verdict == "mismatch" else ()
    return Judged("storage", verdict, f"GET {target}", differences, detail=detail)


def test_a_mismatch_is_kept_with_its_shape_and_paths_and_no_value() -> None:
    recent = Recent()
    recent.listen(judged("mismatch"))
    expected = Disagreement(
        "storage", "mismatch", "GET storage?storage_name=eq.*", ("body $[0].storage_name",), ""
    )
    assert recent.report() == (expected,)
    assert "secret" not in repr(recent.report())


def test_a_failure_is_kept_with_its_detail() -> None:
    recent = Recent()
    recent.listen(judged("failed", detail="EngineDown"))
    assert recent.report()[0].detail == "EngineDown"


def test_agreement_is_not_kept() -> None:
    recent = Recent()
    for verdict in ("match", "equivalent", "indeterminate", "unsupported"):
        recent.listen(judged(verdict))
    assert recent.report() == ()


def test_only_the_newest_are_kept() -> None:
    recent = Recent()
    for number in range(KEPT + 3):
        recent.listen(judged("mismatch", f"/t{number}"))
    assert [one.shape for one in recent.report()] == [f"GET t{number}" for number in range(3, KEPT + 3)]

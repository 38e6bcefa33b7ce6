"""The soak in short, and its gauges. See ``make soak``."""

from pathlib import Path

from tests.soak.gauges import MEBIBYTE, Gauge, find_trend, judge
from tests.soak.soak import Plan, soak
from tests.soak.traffic import fact


async def test_everything_happens_once_and_no_answer_is_wrong(tmp_path: Path) -> None:
    said: list[str] = []
    plan = Plan(requests=400, seconds=4.0, clients=6, pause=0.1, propagation=1.0, report_every=5.0)
    problems = await soak(tmp_path, plan, said.append, happenings=10)
    assert problems == [], said
    assert any(line.startswith("happened: ") and "restart 1" in line for line in said)


def test_the_trend_is_not_moved_by_a_few_outliers() -> None:
    times = [float(number) for number in range(100)]
    values = [100.0 + 2 * at for at in times]
    values[10] = values[60] = 1e9
    trend = find_trend(times, values)
    assert abs(trend.rise - 198) < 10
    assert abs(trend.start - 100) < 10


def test_what_grows_is_found_and_what_has_grown_at_first_is_not() -> None:
    def gauges(*resident: float, descriptors: int = 50) -> list[Gauge]:
        return [Gauge(float(at), int(size), descriptors) for at, size in enumerate(resident)]

    warm = [50 * MEBIBYTE] * 10 + [100 * MEBIBYTE] * 90
    assert judge(gauges(*warm)) == []
    assert judge(gauges(*(100 * MEBIBYTE + at * MEBIBYTE for at in range(100)))) == [
        "memory grew by 74.0 MiB"
    ]
    leaking = [Gauge(float(at), 100 * MEBIBYTE, 50 + at) for at in range(100)]
    assert judge(leaking) == ["descriptors grew by 74"]


def test_the_model_is_that_of_the_schema() -> None:
    assert fact(1) == {
        "id": 1,
        "shelf_id": 2,
        "name": "fact 1 – ü",
        "price": 1.25,
        "tags": {"n": 1, "list": [1, "x"]},
    }

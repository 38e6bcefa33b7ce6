"""Small pictures of what happened lately."""

import re

from hypothesis import given
from hypothesis import strategies as st

from proxy.operate.history import EMPTY, Moment
from proxy.web.picture import HEIGHT, WIDTH, draw_bound, draw_evidence, draw_latency, draw_spark, draw_traffic

COUNTS = st.integers(0, 10**6)
SECONDS = st.none() | st.floats(1e-6, 100)
MOMENTS = st.lists(st.builds(Moment, *[COUNTS] * 6, SECONDS, SECONDS), max_size=70)
NUMBER = re.compile(r"-?[0-9.]+")


@given(MOMENTS)
def test_whatever_happened_stays_within_the_frame(moments: list[Moment]) -> None:
    for draw in (draw_traffic, draw_latency, draw_evidence, draw_spark):
        picture = draw(moments)
        for shape in picture.shapes:
            assert re.fullmatch(r"[MLHhvz0-9. -]*", shape.path)
            for x, y in re.findall(r"[ML](-?[0-9.]+) (-?[0-9.]+)", shape.path):
                assert 0 <= float(x) <= picture.width
                assert 0 <= float(y) <= picture.height + 0.1


@given(st.lists(st.floats(1e-9, 1), max_size=300), st.floats(1e-6, 0.9))
def test_a_bound_stays_within_the_frame(bounds: list[float], limit: float) -> None:
    for shape in draw_bound(bounds, limit).shapes:
        for number in NUMBER.findall(shape.path):
            assert 0 <= float(number) <= WIDTH


def test_nothing_has_no_picture() -> None:
    for draw in (draw_traffic, draw_latency, draw_evidence):
        assert draw([EMPTY] * 60).empty
    assert draw_bound((), 0.001).empty
    assert draw_traffic([EMPTY] * 60).words == "0 reads in 30 min"


def test_the_words_say_what_the_picture_shows() -> None:
    moments = [EMPTY] * 58 + [Moment(60, 30, 80, 1, 0, 0, 0.004, 0.0031)] * 2
    assert (
        draw_traffic(moments).words == "180 reads in 30 min: 120 answered by the upstream, 60 by the engine"
    )
    assert draw_traffic(moments).top == "3 reads/s"
    assert draw_latency(moments).words == "the last typical times: upstream 4 ms, engine 3.1 ms"
    assert draw_evidence(moments).words == "162 compared reads in 30 min: 160 agreed, 2 in a mismatch"
    assert draw_bound((0.5, 0.002), 0.001).words == "the rate of mismatches is below 0.002"


def test_one_mismatch_among_a_million_is_seen() -> None:
    (shape,) = (
        one for one in draw_evidence([Moment(agreed=10**6, mismatches=1)]).shapes if one.kind == "mismatches"
    )
    (height,) = re.findall(r"v([0-9.]+)", shape.path)
    assert float(height) >= 2


def test_a_line_is_broken_where_nothing_is_known() -> None:
    moments = [
        Moment(upstream_seconds=0.1),
        EMPTY,
        Moment(upstream_seconds=0.2),
        Moment(upstream_seconds=0.1),
    ]
    upstream, engine = draw_latency(moments).shapes
    assert [part[0] for part in re.findall(r"[ML][^MLh]*", upstream.path)] == ["M", "M", "L"]
    assert engine.path == ""


def test_a_smaller_bound_is_further_down() -> None:
    (_, line) = draw_bound((1.0, 0.1, 0.01), 0.001).shapes
    heights = [float(y) for _, y in re.findall(r"[ML]([0-9.]+) ([0-9.]+)", line.path)]
    assert heights == sorted(heights)
    assert heights[0] < heights[-1] < HEIGHT

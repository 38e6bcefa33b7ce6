"""Small pictures of what happened lately, as shapes that a template draws as SVG."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.operate.history import SECONDS, Moment
from proxy.shadow.words import count_of, fraction

Kind: TypeAlias = Literal["upstream", "engine", "agreed", "undecided", "unanswered", "mismatches", "limit"]
"""What a shape is of; the style sheet knows how it looks."""

WIDTH, HEIGHT = 480, 96
SPARK_WIDTH, SPARK_HEIGHT = 120, 24
_LEAST = 2.0
"""How high at least a bar is, so that one mismatch among a thousand reads is seen."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One path; a ``line`` is stroked, anything else filled."""

    kind: Kind
    path: str
    line: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes in a frame, what it shows in ``words``, what the upper edge stands for, and a legend."""

    title: str
    words: str
    top: str
    shapes: tuple[Shape, ...]
    legend: tuple[tuple[Kind, str], ...]
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def empty(self) -> bool:
        return not any(shape.path for shape in self.shapes)


def draw_traffic(moments: Sequence[Moment]) -> Picture:
    """Reads by who answered them."""
    upstream, engine = sum(one.upstream for one in moments), sum(one.engine for one in moments)
    layers: tuple[tuple[Kind, list[float]], ...] = (
        ("engine", [one.engine for one in moments]),
        ("upstream", [one.upstream for one in moments]),
    )
    words = f"{count_of(upstream + engine, 'read')} in {_span(moments)}"
    if upstream + engine:
        words += f": {upstream:,} answered by the upstream, {engine:,} by the engine"
    legend: tuple[tuple[Kind, str], ...] = (("engine", "by the engine"), ("upstream", "by the upstream"))
    top = max((one.upstream + one.engine for one in moments), default=0)
    shapes = _stack(layers, WIDTH, HEIGHT)
    return Picture("Traffic", words, f"{top / SECONDS:.3g} reads/s", shapes, legend)


def draw_spark(moments: Sequence[Moment]) -> Picture:
    """The same, for a line of a table."""
    whole = draw_traffic(moments)
    layers: tuple[tuple[Kind, list[float]], ...] = (
        ("engine", [one.engine for one in moments]),
        ("upstream", [one.upstream for one in moments]),
    )
    shapes = _stack(layers, SPARK_WIDTH, SPARK_HEIGHT)
    return Picture(whole.title, whole.words, "", shapes, (), SPARK_WIDTH, SPARK_HEIGHT)


def draw_latency(moments: Sequence[Moment]) -> Picture:
    """The typical time of each side."""
    sides: tuple[tuple[Kind, list[float | None]], ...] = (
        ("upstream", [one.upstream_seconds for one in moments]),
        ("engine", [one.engine_seconds for one in moments]),
    )
    known = [value for _, values in sides for value in values if value is not None]
    top = max(known, default=0.0)
    shapes = tuple(Shape(kind, _line(values, top), line=True) for kind, values in sides)
    last = [f"{kind} {_milliseconds(values)}" for kind, values in sides if any(values)]
    words = f"the last typical times: {', '.join(last)}" if last else f"no side was timed in {_span(moments)}"
    legend: tuple[tuple[Kind, str], ...] = (("upstream", "upstream"), ("engine", "engine"))
    return Picture("Latency", words, f"{top * 1000:.3g} ms", shapes, legend)


def draw_evidence(moments: Sequence[Moment]) -> Picture:
    """Compared reads by what came of them."""
    kinds: tuple[tuple[Kind, str], ...] = (
        *(("agreed", "agreed"), ("undecided", "undecided")),
        *(("unanswered", "unanswered by the engine"), ("mismatches", "in a mismatch")),
    )
    layers = tuple((kind, [float(getattr(one, kind)) for one in moments]) for kind, _ in kinds)
    counts = {kind: int(sum(values)) for kind, values in layers}
    words = f"{count_of(sum(counts.values()), 'compared read')} in {_span(moments)}"
    if any(counts.values()):
        words += ": " + ", ".join(f"{counts[kind]:,} {name}" for kind, name in kinds if counts[kind])
    top = max((sum(column) for column in zip(*(values for _, values in layers), strict=True)), default=0.0)
    return Picture("Evidence", words, f"{top / SECONDS:.3g} reads/s", _stack(layers, WIDTH, HEIGHT), kinds)


def draw_bound(bounds: Sequence[float], limit: float) -> Picture:
    """How the bound on the mismatch rate has come down, by powers of ten, and the limit it has to reach."""
    floor = min(*bounds, limit, 1.0) / 3 if bounds else limit / 3

    def height_of(share: float) -> float:
        return 1 - math.log(max(share, floor)) / math.log(floor)

    heights: list[float | None] = [height_of(bound) for bound in bounds]
    shapes = (
        Shape("limit", f"M0 {_place(height_of(limit)):.1f}H{WIDTH}", line=True),
        Shape("agreed", _line(heights, 1.0), line=True),
    )
    words = f"the rate of mismatches is below {fraction(bounds[-1])}" if bounds else "nothing was judged yet"
    legend: tuple[tuple[Kind, str], ...] = (("agreed", "bound"), ("limit", f"limit {fraction(limit)}"))
    return Picture("Bound", words, "1", shapes if bounds else (), legend)


def _span(moments: Sequence[Moment]) -> str:
    return f"{len(moments) * SECONDS / 60:.0f} min"


def _milliseconds(values: Sequence[float | None]) -> str:
    last = next((value for value in reversed(values) if value is not None), 0.0)
    return f"{last * 1000:.3g} ms"


def _stack(layers: Sequence[tuple[Kind, Sequence[float]]], width: int, height: int) -> tuple[Shape, ...]:
    """Bars on top of each other, the first layer at the bottom; every layer one path."""
    columns = list(zip(*(values for _, values in layers), strict=True))
    top = max(map(sum, columns), default=0)
    step = width / max(1, len(columns))
    paths: list[list[str]] = [[] for _ in layers]
    for number, column in enumerate(columns):
        floor = float(height)
        for path, value in zip(paths, column, strict=True):
            if value:
                tall = max(_LEAST, (height - _LEAST) * value / top)
                floor -= tall
                left = number * step
                path.append(f"M{left:.1f} {max(0.0, floor):.1f}h{step * 0.8:.1f}v{tall:.1f}H{left:.1f}z")
    return tuple(Shape(kind, "".join(path)) for (kind, _), path in zip(layers, paths, strict=True))


def _line(values: Sequence[float | None], top: float) -> str:
    """A line through what is known, broken where nothing is; a point of its own is a dash."""
    step = WIDTH / max(1, len(values))

    def points() -> Iterator[str]:
        drawing = False
        for number, value in enumerate(values):
            if value is None:
                drawing = False
                continue
            pen = "L" if drawing else "M"
            yield f"{pen}{(number + 0.5) * step:.1f} {_place(value / top):.1f}"
            if not drawing:
                yield "h1"
            drawing = True

    return "".join(points())


def _place(share: float) -> float:
    """How far down a line is at ``share`` of the height; the pen is as thick as the margin."""
    return HEIGHT - _LEAST - (HEIGHT - 2 * _LEAST) * share

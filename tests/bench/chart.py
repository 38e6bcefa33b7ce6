"""The goals as a chart, in SVG: how near each figure comes to its goal."""

from collections.abc import Iterator, Sequence
from html import escape

from tests.bench.goals import Goal

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP = 900, 330, 90, 24, 56
_MOST = 3.0
"""Where the axis ends: three times as good as the goal."""


def make_chart(goals: Sequence[Goal], title: str) -> str:
    """One bar for each goal that was measured; the line at 1 is the goal, to its right it is surpassed."""
    measured = [goal for goal in goals if goal.figure]
    height = _TOP + _ROW * len(measured) + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="10" y="22" font-size="15">{escape(title)}</text>',
        f'<text x="{_place(1) - 4:.0f}" y="{_TOP - 8}" text-anchor="middle" fill="#555">goal</text>',
    ]
    for number, goal in enumerate(measured):
        lines += _draw(goal, _TOP + _ROW * number)
    end = _TOP + _ROW * len(measured)
    lines.append(f'<path d="M{_place(1):.1f} {_TOP - 4}V{end}" stroke="#222" stroke-dasharray="4 3"/>')
    return "\n".join((*lines, "</svg>", ""))


def _draw(goal: Goal, y: int) -> Iterator[str]:
    assert goal.figure is not None
    colour = "#2e7d32" if goal.reached else "#c62828"
    length = _place(_score(goal, goal.figure)) - _LEFT
    yield f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(goal.what)}</text>'
    yield f'<rect x="{_LEFT}" y="{y + 4}" width="{length:.1f}" height="14" fill="{colour}" opacity="0.75"/>'
    if goal.interval is not None and all(goal.interval):
        low, high = (_place(_score(goal, bound)) for bound in goal.interval)
        yield f'<path d="M{low:.1f} {y + 11}H{high:.1f}" stroke="#222" stroke-width="2"/>'
    label = f"{goal.figure:.2f} ({goal.sense} {goal.bound:g})"
    yield f'<text x="{_WIDTH - _RIGHT + 4}" y="{y + 15}">{escape(label)}</text>'


def _score(goal: Goal, figure: float) -> float:
    """How near to the goal: 1 reaches it, more is better."""
    return figure / goal.bound if goal.sense == "≥" else goal.bound / figure


def _place(score: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(score, _MOST) / _MOST

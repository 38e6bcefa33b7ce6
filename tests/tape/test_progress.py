"""Progress is for who watches: drawn on a terminal, and nothing where there is none."""

import io

import pytest
from rich.console import Console

from proxy.tape.progress import show_progress


def play(total: int | None, *, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, color_system=None, width=80)
    with show_progress("exchanges", total, console) as step:
        for _ in range(3):
            step()
    return out.getvalue()


@pytest.mark.parametrize(("total", "told"), [(3, "3/3"), (None, "exchanges 3")])
def test_on_a_terminal_it_is_drawn(total: int | None, told: str) -> None:
    assert told in play(total, terminal=True)


@pytest.mark.parametrize("total", [3, None])
def test_piped_nothing_is_written(total: int | None) -> None:
    assert play(total, terminal=False).strip() == ""

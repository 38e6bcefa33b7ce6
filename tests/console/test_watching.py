"""``--watch``: the same again and again, on the same place, until Ctrl-C."""

import argparse
import io

import pytest
from rich.console import Console

from proxy.console.output import print_line
from proxy.console.watching import CLEAR_REST, HOME, add_watch, show, watch
from proxy.errors import UnderstudyError


class Sleeps:
    """Takes each pause down, and is interrupted in the last one."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == self.times:
            raise KeyboardInterrupt


def make(*, terminal: bool = True, height: int = 20) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=terminal, color_system=None, width=60, height=height), out


def test_it_draws_over_the_last_drawing_and_ends_with_the_last_exit_code() -> None:
    console, out = make()
    codes, sleeps = [0, 1, 0], Sleeps(3)

    def draw(console: Console) -> int:
        print_line(console, f"drawing {len(sleeps.slept)}")
        return codes[len(sleeps.slept)]

    assert watch(draw, 5.0, console, sleeps) == 0
    assert sleeps.slept == [5.0, 5.0, 5.0]
    drawings = out.getvalue().split(HOME)[-3:]
    assert [drawing.count("drawing") for drawing in drawings] == [1, 1, 1]
    assert all(CLEAR_REST in drawing and "every 5s, until Ctrl-C" in drawing for drawing in drawings)


def test_what_has_no_room_is_counted_and_nothing_scrolls() -> None:
    console, out = make(height=6)

    def draw(console: Console) -> int:
        for number in range(30):
            print_line(console, f"line {number}")
        return 0

    watch(draw, 1.0, console, Sleeps(1))
    drawing = out.getvalue().split(HOME)[-1].split(CLEAR_REST)[0]
    assert drawing.count("\n") == 5
    assert "line 2" in drawing
    assert "line 3" not in drawing
    assert "… 27 more lines have no room here" in drawing


def test_who_cannot_be_asked_is_told_in_its_place_and_asked_again() -> None:
    console, out = make()
    sleeps = Sleeps(2)

    def draw(console: Console) -> int:
        if not sleeps.slept:
            raise UnderstudyError("nobody there")
        print_line(console, "back again")
        return 0

    assert watch(draw, 1.0, console, sleeps) == 0
    assert out.getvalue().index("nobody there") < out.getvalue().index("back again")


def test_piped_the_drawings_follow_each_other_without_commands_to_a_terminal() -> None:
    console, out = make(terminal=False)

    def draw(console: Console) -> int:
        print_line(console, "drawn")
        return 1

    assert watch(draw, 1.0, console, Sleeps(2)) == 1
    assert out.getvalue().count("drawn\n") == 2
    assert "\x1b" not in out.getvalue()


def test_without_it_the_trouble_goes_to_the_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    def draw(console: Console) -> int:
        raise UnderstudyError("nobody there")

    assert show("status", draw, None) == 2
    assert capsys.readouterr().err == "understudy status: nobody there\n"


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [([], None), (["--watch"], 2.0), (["--watch", "500ms"], 0.5), (["--watch", "10"], 10.0)],
)
def test_the_pause_is_a_duration(arguments: list[str], seconds: float | None) -> None:
    parser = argparse.ArgumentParser()
    add_watch(parser)
    assert parser.parse_args(arguments).watch == seconds


def test_a_pause_that_is_none_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_watch(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--watch", "0"])

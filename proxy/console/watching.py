"""``--watch``: what a command shows, drawn anew on the same place of the terminal until Ctrl-C."""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeAlias

from rich.console import Console

from proxy.config.kinds import read_duration, show_duration
from proxy.console.output import make_console, print_line, show_time
from proxy.errors import UnderstudyError

Draw: TypeAlias = Callable[[Console], int]
"""Prints what is to be seen; gives the exit code that goes with it. Raises UnderstudyError."""

DEFAULT_SECONDS = "2"
HOME, CLEAR_LINE, CLEAR_REST = "\x1b[H", "\x1b[K", "\x1b[J"


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Declare ``--watch``."""
    parser.add_argument(
        "--watch",
        nargs="?",
        const=DEFAULT_SECONDS,
        type=_seconds,
        metavar="SECONDS",
        help=f"draw it anew every SECONDS, until Ctrl-C (default: {DEFAULT_SECONDS})",
    )


def _seconds(text: str) -> float:
    return read_duration(text)


def show(command: str, draw: Draw, seconds: float | None) -> int:
    """Draw once, or with ``seconds`` again and again. Exit code 2: it could not be drawn."""
    console = make_console()
    if seconds is not None:
        return watch(draw, seconds, console)
    try:
        return draw(console)
    except UnderstudyError as error:
        print(f"understudy {command}: {error}", file=sys.stderr)
        return 2


def watch(draw: Draw, seconds: float, console: Console, sleep: Callable[[float], None] = time.sleep) -> int:
    """Draw every ``seconds``; gives the last drawing's exit code when it is ended by Ctrl-C.

    What cannot be drawn for now is told in its place: who restarts a proxy wants to see it come back. Where
    nothing can be drawn over, the drawings follow each other.
    """
    code = 2
    redraws = console.is_terminal and not console.is_dumb_terminal
    try:
        with console.screen(hide_cursor=True) if redraws else nullcontext():
            while True:
                with console.capture() as drawn:
                    code = _draw_once(draw, seconds, console)
                _put(drawn.get(), console, redraws)
                sleep(seconds)
    except KeyboardInterrupt:
        return code


def _draw_once(draw: Draw, seconds: float, console: Console) -> int:
    print_line(console, f"{show_time(time.time())}, every {show_duration(seconds)}, until Ctrl-C", "dim")
    try:
        return draw(console)
    except UnderstudyError as error:
        print_line(console, str(error), "red")
        return 2


def _put(text: str, console: Console, redraws: bool) -> None:
    """Write a drawing over the last one, at once, so that it does not flicker."""
    if redraws:
        lines = text.splitlines()
        room = console.height - 1
        if len(lines) > room:
            lines = [*lines[: room - 1], f"… {len(lines) - room + 1} more lines have no room here"]
        text = HOME + "".join(f"{line}{CLEAR_LINE}\n" for line in lines) + CLEAR_REST
    console.file.write(text)
    console.file.flush()

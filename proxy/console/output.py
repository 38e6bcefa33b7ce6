"""Rows as a table on a terminal, as lines with tabs between the cells when piped."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def make_console() -> Console:
    """A console that prints text as it is."""
    return Console(highlight=False, soft_wrap=False)


def print_rows(
    console: Console, names: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", left: int = 1
) -> None:
    """Print ``rows`` under ``names``; from the column ``left`` on they are aligned to the right."""
    if not console.is_terminal:
        for row in (names, *rows):
            print("\t".join(_plain(cell) for cell in row), file=console.file)
        return
    table = Table(title=title or None)
    for index, name in enumerate(names):
        table.add_column(name, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(escape(show_text(cell)) for cell in row))
    console.print(table)


def print_line(console: Console, text: str = "", style: str | None = None) -> None:
    """Print one line as it is."""
    if console.is_terminal:
        console.print(escape(show_text(text)), style=style, soft_wrap=True)
    else:
        print(show_text(text), file=console.file)


def show_text(text: str) -> str:
    """``text`` on one line, without characters by which data could command a terminal."""
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in text)


def show_time(seconds: float | None) -> str:
    """A time in seconds since 1970, in the local zone."""
    if seconds is None:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def show_count(count: int) -> str:
    return str(count) if count else "·"


def _plain(cell: str) -> str:
    return "-" if cell == "·" else show_text(cell)

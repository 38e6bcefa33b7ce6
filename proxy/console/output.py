"""Rows as a table on a terminal, as lines with tabs between the cells when piped.

On a terminal that is too narrow, columns that say nothing are left out; where that is not enough, each row
is a block of its own. There are no colours where ``NO_COLOR`` is set, and on terminals that have none.
"""

import time
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

Styles: TypeAlias = Mapping[str, Mapping[str, str]]
"""By column, the style of each of its words; ``*`` is that of all others but those that say nothing."""

NOTHING = frozenset({"·", "-", ""})
MODES = {"upstream": "dim", "shadow": "cyan", "rehearse": "cyan", "canary": "yellow", "engine": "green"}
_DIM = "dim"
_SHORTEST = 20
"""Characters that a column keeps of a longer text, before it goes on in the next line."""

_GAP = 2


def make_console() -> Console:
    """A console that prints text as it is."""
    return Console(highlight=False, soft_wrap=False)


def print_rows(
    console: Console,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    left: int = 1,
    styles: Styles | None = None,
) -> None:
    """Print ``rows`` under ``names``; from the column ``left`` on they are aligned to the right.

    Columns to the left are wrapped where there is no room for them, the others never.
    """
    if not console.is_terminal:
        for row in (names, *rows):
            print("\t".join(_plain(cell) for cell in row), file=console.file)
        return
    shown = [[*row[:left], *map(_group_digits, row[left:])] for row in rows]
    for columns in (range(len(names)), _list_telling(names, shown, left)):
        heads = [names[index] for index in columns]
        cells = [[row[index] for index in columns] for row in shown]
        widths = _find_widths(heads, cells, left)
        if sum(widths) + _GAP * len(widths) <= console.width:
            console.print(_tabulate(heads, cells, title, left, styles or {}, widths))
            return
    _print_blocks(console, names, shown, title, styles or {})


def print_line(console: Console, text: str = "", style: str | None = None, *, to_copy: bool = False) -> None:
    """Print one line as it is; where it is longer than the terminal is wide, it goes on at its own depth.

    One that is ``to_copy`` is left to the terminal, which knows that it is one.
    """
    shown = show_text(text)
    if not console.is_terminal:
        print(shown, file=console.file)
        return
    if to_copy or not shown:
        console.print(Text(shown, style or ""), soft_wrap=True)
        return
    depth = len(shown) - len(shown.lstrip())
    console.print(Padding(Text(shown.strip(), style or "", overflow="fold"), (0, 0, 0, depth), expand=False))


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


def _list_telling(names: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> list[int]:
    """The columns without those to the right that say nothing in any row."""
    silent = {index for index in range(left, len(names)) if all(row[index] in NOTHING for row in rows)}
    return [index for index in range(len(names)) if index not in silent]


def _find_widths(names: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> list[int]:
    """The least width of each column: what is to the left may be broken, but not into small pieces."""
    widths = [max(cell_len(row[index]) for row in (names, *rows)) for index in range(len(names))]
    return [*(min(width, _SHORTEST) for width in widths[:left]), *widths[left:]]


def _tabulate(
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str,
    left: int,
    styles: Styles,
    widths: Sequence[int],
) -> Table:
    table = Table(
        title=title or None,
        title_style="bold",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for index, name in enumerate(names):
        side: JustifyMethod = "left" if index < left else "right"
        table.add_column(name, justify=side, overflow="fold", no_wrap=index >= left, min_width=widths[index])
    for row in rows:
        table.add_row(*(_dress(name, cell, styles) for name, cell in zip(names, row, strict=True)))
    return table


def _print_blocks(
    console: Console, names: Sequence[str], rows: Sequence[Sequence[str]], title: str, styles: Styles
) -> None:
    if title:
        console.print(Text(title, "bold"))
    for row in rows:
        first, *others = (_dress(name, cell, styles) for name, cell in zip(names, row, strict=True))
        first.stylize("bold")
        console.print(first)
        told = [
            Text.assemble((f"{name} ", _DIM), cell)
            for name, cell in zip(names[1:], others, strict=True)
            if cell.plain not in NOTHING
        ]
        console.print(Padding(Text("  ").join(told), (0, 0, 0, 2)))


def _dress(name: str, cell: str, styles: Styles) -> Text:
    words = styles.get(name, {})
    style = _DIM if cell in NOTHING else words.get(cell, words.get("*", ""))
    return Text(show_text(cell), style, overflow="fold")


def _group_digits(cell: str) -> str:
    return f"{int(cell):,}" if cell.isdecimal() else cell


def _plain(cell: str) -> str:
    return "-" if cell == "·" else show_text(cell)

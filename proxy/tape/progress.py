"""How far long work has come, on a terminal; nothing where nobody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)


@contextmanager
def show_progress(
    what: str, total: int | None = None, console: Console | None = None
) -> Iterator[Callable[[], None]]:
    """Gives what is to be called for each step that is done, of ``total`` if that is known.

    It is drawn on the standard error, and gone when the work is done: what is printed then says more.
    """
    console = console or Console(stderr=True)
    columns: list[ProgressColumn] = [TextColumn("{task.description}")]
    if total is None:
        columns += [TextColumn("{task.completed}"), TimeElapsedColumn()]
    else:
        columns += [BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    drawn = console.is_terminal and not console.is_dumb_terminal
    with Progress(*columns, console=console, transient=True, disable=not drawn) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)

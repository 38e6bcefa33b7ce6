"""The matrix as a table, on a terminal and in Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tests.chaos.cells import BROKEN, CELLS, HOWS, MODES, NONSENSE, Cell, Seen
from tests.chaos.scene import Finding

_SHOWN = 6
_PLAIN = frozenset({"reads", "writes", "match", "equivalent", "mode", "rehearsal match", "engine_served"})


def lines(found: Sequence[Finding]) -> Iterator[str]:
    """One line for each cell that was played, and its faults below it."""
    for one in found:
        cell = one.cell
        place = f"{cell.broken} {cell.how}"
        yield (
            f"{place:<24}{cell.mode:<10}reads {_show(one.reads):<34}writes {_show(one.writes):<34}"
            f"slowest {one.slowest:>4.1f} s  well in {one.mended_in:>4.1f} s  {_show_counts(one.counts)}"
        )
        for fault in one.faults:
            yield f"    FAULT: {fault}"


def describe_nonsense() -> Iterator[str]:
    """The cells that are not played, with the reason."""
    for (broken, how), reason in NONSENSE.items():
        yield f"{f'{broken} {how}':<24}not played: {reason}"


def make_document() -> str:
    """The matrix as a page of the documentation: what is promised, not what was measured."""
    rows = [_HEAD]
    for broken in BROKEN:
        rows.append(f"\n## {broken}\n\n| | " + " | ".join(MODES) + " |\n|---|" + "---|" * len(MODES) + "\n")
        for how in HOWS:
            cells = [cell for cell in CELLS if (cell.broken, cell.how) == (broken, how)]
            if cells[0].nonsense:
                rows.append(f"| {how} | {'*' + cells[0].nonsense + '*'} |" + " |" * (len(MODES) - 1) + "\n")
            else:
                rows.append(f"| {how} | " + " | ".join(map(_promise, cells)) + " |\n")
    return "".join(rows)


def _promise(cell: Cell) -> str:
    reads, writes = _words(cell.reads), _words(cell.writes)
    seen = reads if reads == writes else f"reads {reads}, writes {writes}"
    counted = ", ".join(name.replace("|", " or ") for name in cell.counted)
    return f"{seen}; counted: {counted}" if counted else seen


def _words(seen: Seen) -> str:
    return " or ".join(sorted(seen.may, key=lambda outcome: (outcome != "right", outcome)))


def _show(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.most_common())


def _show_counts(counts: Counter[str]) -> str:
    told = [f"{name} {number}" for name, number in counts.most_common() if name not in _PLAIN]
    return ", ".join(told[:_SHOWN])


def count_faults(found: Iterable[Finding]) -> int:
    """How many cells are not as they have to be."""
    return sum(bool(one.faults) for one in found)


_HEAD = """\
# What happens when something is broken

`make chaos` breaks each part in each way while clients of every mode read and write, and checks in every
cell what they see, what is counted, that nothing is lost or written twice, that reads and their ends agree to
the last one, and that all is well again when it is mended. This page is made from that table (`make docs`).

*right* is the right answer; *theirs* what a broken upstream said, to the byte; a number is an error in
PostgREST's shape; *cut* a connection that breaks off, so that nobody takes it for an answer; *late* nothing
within twelve seconds.
"""

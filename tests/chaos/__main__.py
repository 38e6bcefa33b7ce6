"""``python -m tests.chaos``, which ``make chaos`` runs. Exit code 1 if a promise was broken."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from proxy.loop import FAST_LOOP
from tests.chaos.cells import BROKEN, HOWS, NONSENSE, Broken, How
from tests.chaos.report import count_faults, describe_nonsense, lines, make_document
from tests.chaos.scene import Finding, play
from tests.chaos.stage import Place, set_place


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the matrix, or what was chosen of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--broken", choices=BROKEN, action="append", help="only this; may be repeated")
    parser.add_argument("--how", choices=HOWS, action="append", help="only in this way; may be repeated")
    parser.add_argument(
        "--document", type=Path, metavar="FILE", help="write the matrix to FILE and play nothing"
    )
    options = parser.parse_args(arguments)
    if options.document is not None:
        options.document.write_text(make_document(), encoding="utf-8")
        return 0
    scenes = [
        (broken, how)
        for broken in options.broken or BROKEN
        for how in options.how or HOWS
        if (broken, how) not in NONSENSE
    ]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as directory, set_place(Path(directory)) as place:
        found = [finding for number, scene in enumerate(scenes) for finding in _play(place, *scene, number)]
    for line in describe_nonsense():
        print(line)
    broken_cells = count_faults(found)
    print(f"{len(found)} cells, {broken_cells} broken ({time.monotonic() - started:.0f} s)")
    return int(bool(broken_cells))


def _play(place: Place, broken: Broken, how: How, number: int) -> list[Finding]:
    with asyncio.Runner(loop_factory=FAST_LOOP) as runner:
        found = runner.run(play(place, broken, how, number))
    for line in lines(found):
        print(line, flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())

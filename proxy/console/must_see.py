"""``understudy must-see``: shapes that have to have been compared before their table is promoted.

What comes once a month is in no mix of a week. It is written down already, though: in the access log of
whatever stands in front, or on a tape.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from proxy.config import Config
from proxy.console.output import make_console, print_rows
from proxy.console.sources import SourceError, ask_ledger
from proxy.console.switching import name_operator
from proxy.errors import UnderstudyError
from proxy.ledger.judging import gather_evidence
from proxy.ledger.must_see import MOST, Pin, pin_shapes, unpin_shape
from proxy.messages import READ_METHODS, Request
from proxy.shadow.must_see import find_table, read_access_log
from proxy.shadow.readiness import judge_readiness
from proxy.shadow.shape import read_shape
from proxy.shadow.words import count_of
from proxy.tape.collection import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy must-see``."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="understudy.yaml")
    add = partial(parser.add_argument, action="append", default=[])
    add("--access-log", type=Path, metavar="FILE", help="pin the reads in a common or combined log")
    add("--tape", type=Path, metavar="PATH", help="pin the reads on a tape, or on a directory of tapes")
    add("--shape", metavar="SHAPE", help="pin one shape, as in `GET report?month=eq.*`")
    add("--remove", metavar="SHAPE", help="pin a shape no longer")
    parser.add_argument("--prefix", default="", metavar="PATH", help="of the paths in the log: /api")
    parser.add_argument("--least", type=int, default=1, metavar="N", help="only what occurs so often")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(options: argparse.Namespace, config: Config | None) -> int:
    """Import, remove, then list. Exit code 0: all that is pinned was seen, 1: not all, 2: not possible."""
    assert config is not None
    try:
        if options.shape or options.access_log or options.tape or options.remove:
            _change(options, config)
        pinned = _list_pinned(config)
    except (UnderstudyError, OSError) as error:
        print(f"understudy must-see: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(
            json.dumps([{"table": table, "shape": shape, "compared": seen} for table, shape, seen in pinned])
        )
    else:
        cells = [[table, shape, "seen" if seen else "never seen"] for table, shape, seen in pinned]
        print_rows(make_console(), ["table", "shape", "compared"], cells, title="must-see shapes", left=3)
    return int(not all(seen for _, _, seen in pinned))


def _change(options: argparse.Namespace, config: Config) -> None:
    """Pin and unpin. Raises UnderstudyError and OSError."""
    who, now = name_operator(), time.time()
    pins = list(_find_pins(options, config.engine.db_schemas))
    new = ask_ledger(config, partial(pin_shapes, pins=pins, who=who, now=now), writes=True)
    removed = sum(
        ask_ledger(config, partial(unpin_shape, shape=shape), writes=True) for shape in options.remove
    )
    told = f"{count_of(new, 'shape')} pinned, {removed:,} removed; at most {MOST:,} are kept"
    print(f"understudy must-see: {told}", file=sys.stderr)


def _find_pins(options: argparse.Namespace, schemas: tuple[str, ...]) -> Iterator[Pin]:
    """What the options name. A shape that is aimed at no table is passed over."""
    for path in options.access_log:
        with path.open(encoding="utf-8", errors="replace") as lines:
            yield from _pick(read_access_log(lines, options.prefix), path.name, options.least, schemas)
    for path in options.tape:
        requests = (exchange.request for exchange in load(path))
        reads = (Request(one.method, one.target, one.headers) for one in requests)
        counts = Counter(read_shape(read) for read in reads if read.method in READ_METHODS)
        yield from _pick(counts, path.name, options.least, schemas)
    for shape in options.shape:
        table = find_table(shape, schemas)
        if table is None:
            raise SourceError(f"--shape: method and target expected, as in `GET report?month=eq.*`: {shape}")
        yield Pin(table, shape, "command line")


def _pick(counts: Mapping[str, int], source: str, least: int, schemas: tuple[str, ...]) -> Iterator[Pin]:
    for shape, number in counts.items():
        table = find_table(shape, schemas)
        if table is not None and number >= least:
            yield Pin(table, shape, source)


def _list_pinned(config: Config) -> list[tuple[str, str, bool]]:
    """Table, shape, and whether it was compared. Raises UnderstudyError."""
    found: list[tuple[str, str, bool]] = []
    for table, evidence in ask_ledger(config, gather_evidence).items():
        never = judge_readiness(evidence, config.readiness, time.time()).never_seen
        found += [(table, shape, shape not in never) for shape in evidence.must_see]
    return found

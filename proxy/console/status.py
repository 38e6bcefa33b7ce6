"""``understudy status``: modes, traffic, verdicts and evidence, of a running proxy or from the ledger."""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Set
from dataclasses import asdict
from typing import Any

from rich.console import Console

from proxy.config import Config
from proxy.console.output import MODES, print_line, print_rows, show_count, show_time
from proxy.console.sources import SourceError, ask_admin, ask_ledger
from proxy.console.sources import add_arguments as add_sources
from proxy.console.watching import add_watch, show
from proxy.ledger.report import Document, report_evidence
from proxy.ledger.tables import VERDICTS
from proxy.shadow.names import Names, QualifiedName
from proxy.shadow.policy import list_modes

HELD = ", held"
_CHANGES = 5
_STYLES = {
    "reads": {**MODES, **{mode + HELD: "bold red" for mode in ("upstream", "shadow")}},
    "writes": MODES,
    "match": {"*": "green"},
    "equivalent": {"*": "green"},
    "mismatch": {"*": "red"},
    "failed": {"*": "red"},
    "unsupported": {"*": "yellow"},
    "shed": {"*": "yellow"},
    "open": {"*": "bold red"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy status``."""
    add_sources(parser)
    add_watch(parser)


def run(options: argparse.Namespace, config: Config | None) -> int:
    """Exit code 0: all is well, 1: something is not, 2: nobody could be asked."""

    def draw(console: Console) -> int:
        status = gather(options.admin, config)
        if options.json:
            print(json.dumps(status, ensure_ascii=False, indent=1), file=console.file)
        else:
            print_status(status, console)
        return int(bool(status["problems"]))

    return show("status", draw, options.watch)


def gather(admin: str | None, config: Config | None) -> Document:
    """What is known, from the admin port if there is one, else from ledger and file.

    Raises SourceError when nothing could be asked.
    """
    if admin is None and config is None:
        raise SourceError("--config or --admin is needed")
    problems: list[str] = []
    running: Document | None = None
    evidence: Document | None = None
    try:
        running = None if admin is None else ask_admin(admin, "/status")
        problems += running["problems"] if running is not None else []
    except SourceError as error:
        problems.append(str(error))
    try:
        if config is not None:
            evidence = ask_ledger(config, report_evidence)
        elif admin is not None:
            evidence = ask_admin(admin, "/evidence")
    except SourceError as error:
        problems.append(str(error))
    if running is None and evidence is None:
        raise SourceError("; ".join(problems))
    return _join(running, evidence, config, problems)


def _join(
    running: Document | None, evidence: Document | None, config: Config | None, problems: list[str]
) -> Document:
    known: Document = {one["table"]: one for one in evidence["tables"]} if evidence is not None else {}
    ledger = running["ledger"] if running is not None else None
    if ledger is not None and ledger["state"] == "down":
        problems.append(f"the ledger is down: {ledger['problem']}")
    opened = sum(one["open_mismatches"] for one in known.values())
    if opened:
        problems.append(f"open kinds of mismatch: {opened}; see `understudy mismatches`")
    holds: list[Document] = (running or evidence or {})["holds"]
    problems += [f"{hold['table']} is held in shadow until it is re-armed: {hold['words']}" for hold in holds]
    if running is not None:
        modes = running["modes"]
    else:
        held = {hold["table"] for hold in holds}
        modes = [] if config is None else _modes_by_file(config, list({**known, **dict.fromkeys(held)}), held)
    order: Document = {one["table"]: one for one in modes}
    tables = [_table(name, order.get(name), known.get(name)) for name in {**order, **known}]
    return {
        "problems": problems,
        "tables": tables,
        "mode_changes": [] if evidence is None else evidence["mode_changes"],
        "ledger": ledger,
        "process": running,
    }


def _table(name: str, modes: Document | None, evidence: Document | None) -> Document:
    return {
        "table": name,
        "reads": None if modes is None else modes["reads"],
        "writes": None if modes is None else modes["writes"],
        "held": modes is not None and modes["held"],
        "evidence": evidence,
    }


def _modes_by_file(config: Config, labels: Iterable[str], held: Set[str]) -> list[Document]:
    """The modes of the tables that the ledger knows, by the file and the holds."""
    schemas = config.engine.db_schemas
    relations: set[QualifiedName] = set()
    functions: dict[QualifiedName, bool] = {}
    for label in labels:
        bare = label.removeprefix("rpc/")
        schema, dot, name = bare.partition(".")
        qualified = (schema, name) if dot and schema in schemas else (schemas[0], bare)
        if label == bare:
            relations.add(qualified)
        else:
            functions[qualified] = True
    names = Names(schemas, frozenset(relations), functions)
    return [asdict(one) for one in list_modes(config, names, held)]


def print_status(status: Document, console: Console) -> None:
    """Print ``status`` for people."""
    for problem in status["problems"]:
        print_line(console, f"problem: {problem}", "red")
    seen = [one for one in status["tables"] if one["evidence"] is not None]
    idle = len(status["tables"]) - len(seen)
    verdicts = [name for name in VERDICTS if any(one["evidence"]["verdicts"][name] for one in seen)]
    names = ["table", "reads", "writes", "served", *verdicts, "skipped", "shed", "shapes", "open", "ratio"]
    rows = [_row(one, verdicts) for one in seen]
    print_rows(console, names, rows, title="evidence", left=3, styles=_STYLES)
    if idle:
        _print_idle(status["tables"], console)
    for change in status["mode_changes"][:_CHANGES]:
        what = f"{change['table']} {change['operation']}: {change['before']} → {change['after']}"
        print_line(console, f"{show_time(change['at'])}  {what}  by {change['who']}: {change['why']}")
    ledger = status["ledger"]
    if ledger is not None:
        waiting = f"{ledger['entries']} counts wait, last written {show_time(ledger['last_flush'])}"
        print_line(console, f"ledger: {ledger['state']}, {waiting}")
        if ledger["shed"]:
            print_line(console, f"ledger, not kept: {ledger['shed']}", "red")


def _row(one: Document, verdicts: list[str]) -> list[str]:
    evidence: Any = one["evidence"]
    traffic = evidence["traffic"]
    ratio = evidence["latency_ratio"]
    return [
        *(one["table"], (one["reads"] or "-") + (HELD if one["held"] else ""), one["writes"] or "-"),
        show_count(sum(traffic.get("reads", {}).values())),
        *(show_count(evidence["verdicts"][name]) for name in verdicts),
        *(show_count(sum(traffic.get(kind, {}).values())) for kind in ("skipped", "shed")),
        *(show_count(evidence[name]) for name in ("shapes", "open_mismatches")),
        "·" if ratio is None else f"{ratio['mean']:.2f} ({ratio['low']:.2f}-{ratio['high']:.2f})",
    ]


def _print_idle(tables: list[Document], console: Console) -> None:
    """The tables that nobody asked for, by mode."""
    counts: defaultdict[str, int] = defaultdict(int)
    for one in tables:
        if one["evidence"] is None:
            counts[one["reads"]] += 1
    told = ", ".join(f"{count} in {mode}" for mode, count in sorted(counts.items()))
    print_line(console, f"without evidence: {told}")

"""Pages from what is known. What is known of a table is what the terminal shows of it, too."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from proxy.config import Config, ReadinessConfig
from proxy.console.curl import render_curl
from proxy.console.side_by_side import Line, compare_lines
from proxy.ledger.documents import read_answer, read_request
from proxy.operate.health import Condition, LastReload, judge_readiness
from proxy.operate.history import Moment
from proxy.operate.judgements import Judgement
from proxy.shadow.guard import ON_STAGE, Hold
from proxy.shadow.policy import TableModes
from proxy.shadow.promotion import find_target
from proxy.shadow.readiness import Readiness
from proxy.web.values import (
    NOTHING,
    Document,
    MismatchPage,
    ReadinessPage,
    ShownExample,
    Standing,
    TableLine,
    TablePage,
    TablesPage,
)

Report = Callable[[str], tuple[Moment, ...]]

_TROUBLE: Mapping[Standing, int] = {"held": 0, "not ready": 1}
"""What stands first, where somebody looks who has to do something."""

UPSTREAM, ENGINE = "$UPSTREAM", "$ADMIN/engine"
"""What curl lines are for, where it is not known by what name they are reached."""


def list_problems(
    condition: Condition,
    reload: LastReload | None,
    ledger: Mapping[str, object],
    *,
    paused: bool,
    stopped: bool,
) -> tuple[str, ...]:
    """What an operator has to know before all else."""
    problems = list(judge_readiness(condition).problems)
    if reload is not None and not reload.accepted:
        problems.append(f"the newest configuration was refused: {reload.problem}")
    if reload is not None and reload.needs_restart:
        problems.append(f"waiting for a restart: {', '.join(reload.needs_restart)}")
    if ledger.get("state") == "down":
        problems.append(f"the ledger is down: {ledger.get('problem', '')}")
    if paused:
        problems.append("mirroring is paused: nothing is compared until somebody resumes it")
    elif stopped:
        problems.append("mirroring has stopped by itself, to spare the database")
    return tuple(problems)


def make_line(
    modes: TableModes, hold: Hold | None, judgement: Judgement | None, moments: tuple[Moment, ...]
) -> TableLine:
    """One table at a glance."""
    standing: Standing = "unknown"
    if hold is not None:
        standing = "held"
    elif judgement is not None and _has_evidence(judgement.readiness):
        standing = judgement.readiness.verdict
    return TableLine(modes.table, standing, modes, hold, judgement, moments)


def _has_evidence(readiness: Readiness) -> bool:
    return readiness.last_seen is not None or readiness.open_signatures > 0


def make_tables(
    modes: Iterable[TableModes],
    holds: Mapping[str, Hold],
    judged: Mapping[str, Judgement],
    report: Report,
    limits: ReadinessConfig,
    problems: tuple[str, ...] = (),
) -> TablesPage:
    """All tables: those in trouble first, then by name; those of which nothing is known by their mode."""
    lines: list[TableLine] = []
    idle: dict[str, tuple[str, ...]] = {}
    for one in modes:
        line = make_line(one, holds.get(one.table), judged.get(one.table), report(one.table))
        if line.standing != "unknown" or one.reads in ON_STAGE or any(map(_has_reads, line.moments)):
            lines.append(line)
        else:
            idle[one.reads] = (*idle.get(one.reads, ()), one.table)
    lines.sort(key=lambda line: (_TROUBLE.get(line.standing, len(_TROUBLE)), line.table))
    waiting = {mode: tuple(sorted(names)) for mode, names in idle.items()}
    return TablesPage(tuple(lines), waiting, limits, problems)


def _has_reads(moment: Moment) -> bool:
    return bool(moment.upstream or moment.engine)


def make_table(
    line: TableLine,
    config: Config,
    evidence: Mapping[str, Any],
    mismatches: Sequence[Document],
    problems: tuple[str, ...] = (),
) -> TablePage:
    """One table; ``evidence`` is the ledger's report on all of them."""
    tables: Sequence[Document] = evidence.get("tables", ())
    return TablePage(
        line,
        find_target(line.table, config).rule,
        config.readiness,
        next((one["traffic"] for one in tables if one["table"] == line.table), NOTHING),
        tuple(mismatches),
        tuple(one for one in evidence.get("mode_changes", ()) if one["table"] == line.table),
        problems,
    )


def make_readiness(
    judged: Mapping[str, Judgement], config: Config, problems: tuple[str, ...] = ()
) -> ReadinessPage:
    """The judgements, what speaks against a table first, then what is missing most."""

    def place(one: Judgement) -> tuple[int, int, str]:
        missing = one.readiness.missing
        return -sum(gap.against for gap in missing), -len(missing), one.readiness.table

    found = (one for one in judged.values() if _has_evidence(one.readiness))
    return ReadinessPage(tuple(sorted(found, key=place)), config.readiness, problems)


def make_mismatch(
    found: Document, upstream: str, engine: str, problems: tuple[str, ...] = ()
) -> MismatchPage:
    """One kind of mismatch, with curl lines for a shell and both answers beside each other."""
    examples = tuple(_show_example(example, upstream, engine) for example in found["examples"])
    smallest = found["smallest"]
    if smallest is not None:
        smallest = {**smallest, "curl": _render_lines(smallest, upstream, engine)}
    # The examples stand beside it, with more to them.
    kept = {name: value for name, value in found.items() if name != "examples"}
    return MismatchPage({**kept, "smallest": smallest}, examples, problems)


def _show_example(example: Mapping[str, Any], upstream: str, engine: str) -> ShownExample:
    lines = tuple(compare_lines(read_answer(example["upstream"]), read_answer(example["engine"])))
    differences = example["differences"]
    named = {one["path"].lower() for one in differences if one["aspect"] == "headers"}
    return ShownExample(
        {**example, "curl": _render_lines(example["request"], upstream, engine)},
        lines,
        tuple(_find_line(one, lines) for one in differences),
        tuple(
            index
            for index, line in enumerate(lines)
            if line.mark != "=" and _is_header(line) and line.path.lower() not in named
        ),
    )


def _find_line(difference: Document, lines: Iterable[Line]) -> int | None:
    """The first line that shows ``difference``, or something within it."""
    if difference["aspect"] == "status":
        return 0
    path = difference["path"].lower() if difference["aspect"] == "headers" else difference["path"]
    within = (f"{path}.", f"{path}[")
    for index, line in enumerate(lines):
        shown = line.path.lower() if _is_header(line) else line.path
        if path and line.mark != "=" and (shown == path or shown.startswith(within)):
            return index
    return None


def _is_header(line: Line) -> bool:
    return line.path != "" and not line.path.startswith("$")


def _render_lines(request: Mapping[str, Any], upstream: str, engine: str) -> Mapping[str, str]:
    asked = read_request(dict(request))
    return {"upstream": render_curl(asked, upstream), "engine": render_curl(asked, engine)}

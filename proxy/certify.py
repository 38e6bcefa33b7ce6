"""``understudy certificate``: what the ledger, the database and the file say of a cutover that is done."""

import argparse
import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

import proxy
from proxy.config import Config, IgnoreRule
from proxy.console.certificate import render_json, render_markdown
from proxy.console.sources import SourceError, ask_ledger
from proxy.database.connection import Database
from proxy.database.reach import load_reach
from proxy.database.settings import read_server
from proxy.errors import ApiError, EngineDown, UnderstudyError
from proxy.events import Verdict
from proxy.ledger.holds import list_holds
from proxy.ledger.judging import gather_evidence
from proxy.ledger.read import TrafficCount, list_epochs, list_traffic
from proxy.server.schema_cache import make_names
from proxy.shadow.certificate import AliveRule, Certificate, CertifiedTable
from proxy.shadow.evidence import Conditions
from proxy.shadow.guard import Hold
from proxy.shadow.names import Names
from proxy.shadow.policy import TableModes, list_modes
from proxy.shadow.readiness import TableEvidence, judge_readiness

NOT_COMPARED = ("skipped", "shed")
"""The kinds of traffic that were reads and never compared."""

NOT_TOLD_APART = "(shapes that were not told apart)"


@dataclass(frozen=True, slots=True)
class Kept:
    """What the ledger knows."""

    evidence: Mapping[str, TableEvidence]
    conditions: Mapping[str, Conditions]
    holds: Mapping[str, Hold]
    traffic: tuple[TrafficCount, ...]


def run(options: argparse.Namespace, config: Config | None) -> int:
    """Exit code 0: nothing speaks against switching the upstream off, 1: something does, 2: not possible."""
    assert config is not None
    try:
        names, server = asyncio.run(_ask_database(config))
        kept = ask_ledger(config, read_ledger)
    except UnderstudyError as error:
        print(f"understudy certificate: {error}", file=sys.stderr)
        return 2
    certificate = make_certificate(config, names, server, kept, time.time())
    render = render_json if options.json else render_markdown
    print(render(certificate, config.readiness), end="\n" if options.json else "")
    return int(bool(certificate.objections))


def read_ledger(connection: Connection) -> Kept:
    """All that a certificate tells of what was compared and what was not."""
    return Kept(
        gather_evidence(connection),
        {epoch.table: epoch.conditions for epoch in list_epochs(connection)},
        list_holds(connection),
        tuple(list_traffic(connection)),
    )


def make_certificate(config: Config, names: Names, server: str, kept: Kept, now: float) -> Certificate:
    """The certificate at ``now``, which is in seconds since 1970. ``server`` is PostgreSQL's version."""
    asked = kept.evidence.keys() | {one.table for one in kept.traffic} | kept.holds.keys()
    modes = list_modes(config, names, kept.holds.keys())
    known = {one.table: one for one in modes}
    gone = sorted(asked - known.keys())
    return Certificate(
        now,
        {
            "understudy": f"{proxy.__version__}, compat {config.engine.compat}",
            "upstream": ", ".join(sorted({one.upstream or "unknown" for one in kept.conditions.values()})),
            "PostgreSQL": server,
        },
        tuple(_certify(one, config, kept, now) for one in modes if one.table in asked),
        tuple(_list_rules(config.compare.ignore, kept.traffic, date.fromtimestamp(now))),
        idle={one.table: (one.reads, one.writes) for one in modes if one.table not in asked},
        gone=tuple(gone),
    )


def _certify(modes: TableModes, config: Config, kept: Kept, now: float) -> CertifiedTable:
    table = modes.table
    evidence = kept.evidence.get(table, TableEvidence(table))
    excluded: Counter[str] = Counter()
    for one in kept.traffic:
        if one.table == table and one.kind in NOT_COMPARED:
            excluded[f"{one.kind}, {one.reason}"] += one.count
    return CertifiedTable(
        judge_readiness(evidence, config.readiness, now),
        modes.reads,
        modes.writes,
        modes.held,
        kept.conditions[table].schema if table in kept.conditions else "",
        dict(excluded),
        _count_shapes(evidence, ("indeterminate",)),
        _count_shapes(evidence, ("unsupported",)),
    )


def _count_shapes(evidence: TableEvidence, verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How often each shape came to one of ``verdicts``, whoever asked."""
    counts: defaultdict[str, int] = defaultdict(int)
    for one in evidence.shapes:
        counts[one.shape or NOT_TOLD_APART] += one.count(verdicts)
    return {shape: number for shape, number in counts.items() if number}


def _list_rules(
    rules: Iterable[IgnoreRule], traffic: Iterable[TrafficCount], today: date
) -> Iterable[AliveRule]:
    hits: Counter[str] = Counter()
    for one in traffic:
        if one.kind == "ignored":
            hits[one.reason] += one.count
    for rule in rules:
        if today <= rule.expires:
            subject, _, leaves_out = rule.name.partition(": ")
            yield AliveRule(subject, leaves_out, rule.reason, rule.expires.isoformat(), hits[rule.name])


async def _ask_database(config: Config) -> tuple[Names, str]:
    """The names of the schema cache, and PostgreSQL's version. Raises SourceError."""
    database = Database(config.engine, connections=1, application_name="understudy certificate")
    try:
        schema = await database.load_schema(config.engine)
        reach = await database.run(load_reach)
        server = await database.run(read_server)
    except (ApiError, EngineDown) as error:
        raise SourceError(f"the database cannot be read: {error}") from error
    finally:
        await database.close()
    return make_names(schema, config.engine, reach), server.version

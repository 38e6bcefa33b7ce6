"""What the ledger knows, as JSON values: the same for the admin port and for the command line."""

from collections import defaultdict
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from proxy.ledger.documents import show_answer, show_differences, show_request
from proxy.ledger.holds import list_holds
from proxy.ledger.read import (
    Example,
    Signature,
    count_open,
    find_signatures,
    list_changes,
    list_epochs,
    list_examples,
    list_signatures,
    list_traffic,
    sum_evidence,
)
from proxy.ledger.tables import VERDICTS
from proxy.shadow.evidence import Evidence
from proxy.shadow.latency import find_latency_ratio

Document = dict[str, Any]

CONFIDENCE = 0.95
"""Of the interval in which a latency ratio is shown to lie."""


def report_mismatches(connection: Connection, table: str | None = None) -> list[Document]:
    """Every kind of mismatch, open ones first."""
    return [_show_signature(one) for one in list_signatures(connection, table)]


def report_mismatch(connection: Connection, prefix: str) -> list[Document]:
    """The kinds of mismatch whose ID begins with ``prefix``, with their examples."""
    return [
        {
            **_show_signature(one),
            "smallest": None if one.smallest is None else show_request(one.smallest),
            "smallest_tries": one.smallest_tries,
            "examples": [_show_example(example) for example in list_examples(connection, one.id)],
        }
        for one in find_signatures(connection, prefix)
    ]


def report_evidence(connection: Connection) -> Document:
    """The evidence of each table in its newest epoch, what became of its requests; holds, and changes."""
    newest = {epoch.table: epoch.conditions for epoch in list_epochs(connection)}
    sums = {
        one.table: one
        for one in sum_evidence(connection)
        if one.table in newest and one.epoch == newest[one.table].epoch
    }
    traffic: defaultdict[str, Document] = defaultdict(dict)
    for one in list_traffic(connection):
        traffic[one.table].setdefault(one.kind, {})[one.reason] = one.count
    opened = count_open(connection)
    tables = sorted(sums.keys() | traffic.keys() | opened.keys())
    return {
        "tables": [
            {
                "table": table,
                **_show_evidence(sums[table].evidence if table in sums else Evidence()),
                "shapes": sums[table].shapes if table in sums else 0,
                "open_mismatches": opened.get(table, 0),
                "traffic": traffic[table],
                "conditions": asdict(newest[table]) if table in newest else None,
            }
            for table in tables
        ],
        "holds": [asdict(hold) for hold in list_holds(connection).values()],
        "mode_changes": [asdict(change) for change in list_changes(connection)],
    }


def _show_evidence(evidence: Evidence) -> Document:
    ratio = find_latency_ratio(evidence.times, CONFIDENCE)
    return {
        "compared": evidence.reads,
        "verdicts": {verdict: evidence.verdicts[verdict] for verdict in VERDICTS},
        "fresh": evidence.fresh,
        "fresh_mismatches": evidence.fresh_mismatches,
        "pairs": evidence.pairs,
        "latency_ratio": None if ratio is None else asdict(ratio),
        "first_seen": evidence.first_seen if evidence.reads else None,
        "last_seen": evidence.last_seen if evidence.reads else None,
    }


def _show_signature(one: Signature) -> Document:
    return {
        "id": one.id,
        "table": one.table,
        "signature": one.signature,
        "aspects": list(one.aspects),
        "state": "open" if one.open else "closed",
        "count": one.count,
        "first_seen": one.first_seen,
        "last_seen": one.last_seen,
        "closed_at": one.closed_at,
        "closed_by": one.closed_by,
        "closed_why": one.closed_why,
    }


def _show_example(example: Example) -> Document:
    return {
        "seen_at": example.seen_at,
        "shape": example.shape,
        "role": example.role,
        "request": show_request(example.request),
        "upstream": show_answer(example.upstream),
        "engine": show_answer(example.engine),
        "differences": show_differences(example.differences),
        "cut": list(example.cut),
    }

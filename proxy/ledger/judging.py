"""What the ledger knows of a table, as readiness is judged by: the evidence in force, and what is void."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import get_args

from sqlalchemy import Connection, select

from proxy.events import Verdict
from proxy.ledger.must_see import list_pins
from proxy.ledger.read import Epoch, count_open, list_epochs, list_evidence
from proxy.ledger.tables import EVIDENCE, MUST_SEE, SIGNATURES
from proxy.ledger.write import OVERFLOW
from proxy.shadow.evidence import Conditions, Evidence, EvidenceKey
from proxy.shadow.readiness import ShapeEvidence, TableEvidence, VoidEvidence

_VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

_CONDITIONS = {"schema": "schema", "engine": "engine", "upstream": "upstream", "rules": "ignore rules"}
"""The conditions of evidence, and how people call them."""


def gather_evidence(connection: Connection, table: str | None = None) -> dict[str, TableEvidence]:
    """The evidence of each table, or of the one that is named, under its newest conditions.

    Conditions that were in force before are void, even where replicas of two versions run side by side: what
    is promoted is what all of them will be.
    """
    counted: defaultdict[str, list[tuple[EvidenceKey, Evidence]]] = defaultdict(list)
    for key, evidence in list_evidence(connection, table):
        counted[key.table].append((key, evidence))
    epochs: defaultdict[str, list[Epoch]] = defaultdict(list)
    for epoch in list_epochs(connection):
        epochs[epoch.table].append(epoch)
    opened, pinned = count_open(connection), list_pins(connection)
    known = counted.keys() | epochs.keys() | opened.keys() | pinned.keys()
    return {
        name: replace(
            _make_evidence(name, counted[name], epochs[name]),
            open_signatures=opened.get(name, 0),
            must_see=pinned.get(name, ()),
        )
        for name in sorted(known if table is None else known & {table})
    }


def list_judged(connection: Connection) -> frozenset[str]:
    """The tables of which something is known."""
    statements = (select(table.c.table_name).distinct() for table in (EVIDENCE, SIGNATURES, MUST_SEE))
    return frozenset(name for statement in statements for name in connection.scalars(statement))


def _make_evidence(
    table: str,
    counted: Sequence[tuple[EvidenceKey, Evidence]],
    epochs: Sequence[Epoch],
) -> TableEvidence:
    newest = epochs[-1].conditions if epochs else Conditions()
    valid = [(key, evidence) for key, evidence in counted if key.epoch == newest.epoch]
    total = Evidence()
    for _, evidence in valid:
        total.merge(evidence)
    return TableEvidence(
        table,
        tuple(
            ShapeEvidence(
                None if key.shape == OVERFLOW else key.shape,
                key.role,
                key.answer_class,
                {verdict: evidence.verdicts[verdict] for verdict in _VERDICTS},
                evidence.fresh,
                evidence.fresh_mismatches,
            )
            for key, evidence in valid
        ),
        total.times,
        first_seen=total.first_seen if total.reads else None,
        last_seen=total.last_seen if total.reads else None,
        void=_find_void(counted, epochs, newest),
    )


def _find_void(
    counted: Iterable[tuple[EvidenceKey, Evidence]], epochs: Sequence[Epoch], newest: Conditions
) -> VoidEvidence | None:
    """What was counted under former conditions, and in what the last of those differ from the newest."""
    reads = sum(evidence.reads for key, evidence in counted if key.epoch != newest.epoch)
    if not reads or len(epochs) < 2:
        return None
    former = epochs[-2].conditions
    changed = tuple(
        words for name, words in _CONDITIONS.items() if getattr(former, name) != getattr(newest, name)
    )
    return VoidEvidence(reads, changed)

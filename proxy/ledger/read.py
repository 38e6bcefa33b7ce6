"""Rows to values: what the ledger knows, for whoever asks."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, func, select, update

from proxy.difference import Difference
from proxy.ledger.documents import read_answer, read_differences, read_request
from proxy.ledger.tables import EPOCHS, EVIDENCE, EXAMPLES, MODE_CHANGES, SIGNATURES, TRAFFIC, VERDICTS
from proxy.messages import Answer, Request
from proxy.shadow.evidence import Conditions, Evidence, EvidenceKey

SAME_CHANGE = 90.0
"""Seconds within which replicas follow the same file."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """Conditions under which evidence of one table was gathered, and when."""

    table: str
    conditions: Conditions
    first_seen: float
    last_seen: float


@dataclass(frozen=True, slots=True)
class Signature:
    """One kind of mismatch. ``closed_at`` is None while it is open; ``smallest`` None while none is known."""

    id: str
    table: str
    signature: str
    aspects: tuple[str, ...]
    count: int
    first_seen: float
    last_seen: float
    closed_at: float | None
    closed_by: str
    closed_why: str
    smallest: Request | None
    smallest_tries: int

    @property
    def open(self) -> bool:
        return self.closed_at is None


@dataclass(frozen=True, slots=True)
class Example:
    """One mismatch, redacted. ``cut`` names the bodies of which only the beginning was kept."""

    seen_at: float
    shape: str
    role: str
    request: Request
    upstream: Answer
    engine: Answer
    differences: tuple[Difference, ...]
    cut: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A mode change; ``replicas`` is how many followed it within a short time."""

    at: float
    table: str
    operation: str
    before: str
    after: str
    who: str
    why: str
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class TrafficCount:
    """How many of one table's requests went one way; see ``tables.TRAFFIC``."""

    table: str
    kind: str
    reason: str
    count: int


def list_evidence(connection: Connection, table: str | None = None) -> list[tuple[EvidenceKey, Evidence]]:
    """Everything that was counted, of one table or of all, in every epoch."""
    statement = select(EVIDENCE).order_by(EVIDENCE.c.table_name, EVIDENCE.c.shape, EVIDENCE.c.key)
    if table is not None:
        statement = statement.where(EVIDENCE.c.table_name == table)
    return [_to_evidence(row) for row in connection.execute(statement)]


@dataclass(frozen=True, slots=True)
class TableEvidence:
    """What was counted of one table in one epoch, over all its shapes."""

    table: str
    epoch: str
    shapes: int
    evidence: Evidence


def sum_evidence(connection: Connection) -> list[TableEvidence]:
    """The sums over the shapes of each table and epoch; what was told of single reads is left out."""
    summed = [column for column in EVIDENCE.c if column.type.python_type in (int, float)]
    sums = [_aggregate(column).label(column.name) for column in summed]
    groups = EVIDENCE.c.table_name, EVIDENCE.c.epoch
    statement = select(*groups, func.count().label("shapes"), *sums).group_by(*groups).order_by(*groups)
    found = []
    for row in connection.execute(statement):
        # PostgreSQL adds whole numbers up to a decimal one.
        values = {column.name: column.type.python_type(row._mapping[column.name]) for column in summed}
        evidence = Evidence(
            +Counter({verdict: values.pop(f"{verdict}_count") for verdict in VERDICTS}), **values
        )
        found.append(TableEvidence(row.table_name, row.epoch, row.shapes, evidence))
    return found


def _aggregate(column: Column[Any]) -> ColumnElement[Any]:
    if column.name == "first_seen":
        return func.min(column)
    return func.max(column) if column.name == "last_seen" else func.sum(column)


def list_epochs(connection: Connection) -> list[Epoch]:
    """The epochs of every table, the one seen last at the end."""
    statement = select(EPOCHS).order_by(EPOCHS.c.table_name, EPOCHS.c.last_seen)
    return [
        Epoch(
            row.table_name,
            Conditions(row.schema_fingerprint, row.engine, row.upstream, row.rules),
            row.first_seen,
            row.last_seen,
        )
        for row in connection.execute(statement)
    ]


def list_traffic(connection: Connection) -> list[TrafficCount]:
    """What became of requests, by table."""
    statement = select(TRAFFIC).order_by(TRAFFIC.c.table_name, TRAFFIC.c.kind, TRAFFIC.c.reason)
    return [TrafficCount(*row[:4]) for row in connection.execute(statement)]


def list_signatures(connection: Connection, table: str | None = None) -> list[Signature]:
    """The kinds of mismatch, open ones first, the newest of them first."""
    statement = select(SIGNATURES).order_by(
        SIGNATURES.c.closed_at.is_not(None), SIGNATURES.c.last_seen.desc(), SIGNATURES.c.id
    )
    if table is not None:
        statement = statement.where(SIGNATURES.c.table_name == table)
    return [_to_signature(row) for row in connection.execute(statement)]


def find_signatures(connection: Connection, prefix: str) -> list[Signature]:
    """The kinds of mismatch whose ID begins with ``prefix``."""
    return [one for one in list_signatures(connection) if one.id.startswith(prefix)]


def list_examples(connection: Connection, signature_id: str) -> list[Example]:
    """The examples of one kind of mismatch, the first seen first."""
    statement = select(EXAMPLES).where(EXAMPLES.c.signature_id == signature_id).order_by(EXAMPLES.c.slot)
    return [_to_example(row) for row in connection.execute(statement)]


def list_changes(connection: Connection, limit: int = 50) -> list[RecordedChange]:
    """The newest mode changes, newest first; what several replicas did together is one."""
    statement = select(MODE_CHANGES).order_by(MODE_CHANGES.c.changed_at.desc()).limit(10 * limit)
    return _fold_changes(reversed(connection.execute(statement).all()))[::-1][:limit]


def close_signature(connection: Connection, signature_id: str, who: str, why: str, now: float) -> bool:
    """Close a kind of mismatch until it occurs again; whether it was open."""
    closed = connection.execute(
        update(SIGNATURES)
        .where(SIGNATURES.c.id == signature_id, SIGNATURES.c.closed_at.is_(None))
        .values(closed_at=now, closed_by=who, closed_why=why)
    )
    return closed.rowcount == 1


def count_open(connection: Connection) -> dict[str, int]:
    """How many kinds of mismatch are open, by table."""
    statement = (
        select(SIGNATURES.c.table_name, func.count())
        .where(SIGNATURES.c.closed_at.is_(None))
        .group_by(SIGNATURES.c.table_name)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def _to_evidence(row: Row[Any]) -> tuple[EvidenceKey, Evidence]:
    found = row._mapping
    key = EvidenceKey(row.table_name, row.epoch, row.shape, row.role, row.answer_class)
    verdicts = Counter({verdict: found[f"{verdict}_count"] for verdict in VERDICTS})
    return key, Evidence(
        +verdicts,
        row.fresh,
        row.fresh_mismatches,
        row.pairs,
        row.log_ratios,
        row.log_ratio_squares,
        row.upstream_seconds,
        row.engine_seconds,
        row.first_seen,
        row.last_seen,
        row.detail,
    )


def _to_signature(row: Row[Any]) -> Signature:
    found = row._mapping
    return Signature(
        row.id,
        row.table_name,
        row.signature,
        tuple(filter(None, row.aspects.split(","))),
        found["count"],
        row.first_seen,
        row.last_seen,
        row.closed_at,
        row.closed_by,
        row.closed_why,
        read_request(json.loads(row.smallest)) if row.smallest else None,
        row.smallest_tries,
    )


def _to_example(row: Row[Any]) -> Example:
    parts = {name: json.loads(row._mapping[name]) for name in ("request", "upstream", "engine")}
    return Example(
        row.seen_at,
        row.shape,
        row.role,
        read_request(parts["request"]),
        read_answer(parts["upstream"]),
        read_answer(parts["engine"]),
        read_differences(json.loads(row.differences)),
        tuple(name for name, part in parts.items() if "whole_size" in part),
    )


def _fold_changes(rows: Iterable[Row[Any]]) -> list[RecordedChange]:
    """Changes in order of time; what replicas did in the same way within a short time is one.

    A person's words on a change have more to tell (``canary 10 %``) than what replicas then make of the
    file: of the two, the person's stay.
    """
    folded: list[RecordedChange] = []
    followers: list[set[tuple[str, bool]]] = []
    for row in rows:
        change = RecordedChange(
            row.changed_at,
            row.table_name,
            row.operation,
            row.mode_before,
            row.mode_after,
            row.who,
            row.why,
        )
        follower = (row.replica, _is_plain(change))
        for index in reversed(range(len(folded))):
            if follower not in followers[index] and _is_same(folded[index], change):
                followers[index].add(follower)
                if _is_plain(folded[index]) and not _is_plain(change):
                    folded[index] = replace(change, at=folded[index].at)
                break
        else:
            folded.append(change)
            followers.append({follower})
    return [
        replace(one, replicas=max(1, len({replica for replica, _ in known} - {""})))
        for one, known in zip(folded, followers, strict=True)
    ]


def _is_same(one: RecordedChange, other: RecordedChange) -> bool:
    """Whether ``other`` is the same change as ``one`` before it, as far as its words tell."""
    if other.at - one.at > SAME_CHANGE or (one.who != other.who and "file" not in (one.who, other.who)):
        return False
    if (one.table, one.operation) != (other.table, other.operation):
        return False
    if _is_plain(one) == _is_plain(other):
        return (one.before, one.after) == (other.before, other.after)
    return _find_modes(one) == _find_modes(other)


def _is_plain(change: RecordedChange) -> bool:
    """Whether it names modes and nothing else."""
    return _find_modes(change) == (change.before, change.after)


def _find_modes(change: RecordedChange) -> tuple[str, ...]:
    return tuple(text.partition(" ")[0].rstrip(",") for text in (change.before, change.after))

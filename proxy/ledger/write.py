"""A batch to rows: one transaction, added to what is there, so that replicas sum up.

The sequence number of the flush is written in the same transaction. If nobody knows whether a commit came
through, the batch is sent again, and is counted once.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from proxy.events import Judged, LedgerKind, MismatchOpened
from proxy.ledger.batch import EXAMPLES_KEPT, Batch, Occurrences, Shed, clean
from proxy.ledger.bounds import Bounds
from proxy.ledger.documents import render, show_answer, show_differences, show_request
from proxy.ledger.hide import name_redaction
from proxy.ledger.tables import (
    EPOCHS,
    EVIDENCE,
    EXAMPLES,
    MODE_CHANGES,
    REPLICAS,
    SIGNATURES,
    TRAFFIC,
    VERDICTS,
)
from proxy.shadow.evidence import Evidence, EvidenceKey, digest
from proxy.shadow.redaction.bodies import LARGEST
from proxy.shadow.redaction.exchange import redact_exchange
from proxy.shadow.redaction.secrets import Redaction
from proxy.shadow.scrub import scrub

OVERFLOW = "…"
"""The shape under which everything is counted that came after the last shape there was room for.

Nothing is known of what is in it, so who estimates has to take each such read for one of an unseen shape.
"""

_CHUNK = 500
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Flush:
    """Whose batch it is, and the how-manieth of it; ``now`` in seconds since 1970."""

    replica: str
    sequence: int
    now: float


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a batch: the mismatches that nobody has shrunk yet, and what was not kept."""

    opened: tuple[MismatchOpened, ...] = ()
    shed: Shed = field(default_factory=Counter)


def apply_batch(
    connection: Connection, flush: Flush, batch: Batch, redaction: Redaction, bounds: Bounds
) -> Applied:
    """Add ``batch`` to the ledger, unless this flush has been added before."""
    if not _claim(connection, flush):
        return Applied()
    shed: Counter[LedgerKind] = Counter()
    _add_epochs(connection, batch, flush.now)
    _add_evidence(connection, batch, bounds)
    _add_traffic(connection, batch, flush.now)
    opened = tuple(_add_mismatches(connection, batch, redaction, bounds, shed))
    _add_smallest(connection, batch, redaction)
    _add_changes(connection, batch, flush)
    return Applied(opened, shed)


def find_id(table: str, signature: str) -> str:
    """The ID of a signature: eight hexadecimal digits."""
    return digest(table, signature)[:8]


def _claim(connection: Connection, flush: Flush) -> bool:
    """Take the sequence number; False if it was taken, and its batch thus written."""
    start = {"replica": flush.replica, "sequence": 0, "last_seen": flush.now}
    connection.execute(_insert(connection, REPLICAS).on_conflict_do_nothing(), start)
    claimed = connection.execute(
        update(REPLICAS)
        .where(REPLICAS.c.replica == flush.replica, REPLICAS.c.sequence < flush.sequence)
        .values(sequence=flush.sequence, last_seen=flush.now)
    )
    return claimed.rowcount == 1


def _add_epochs(connection: Connection, batch: Batch, now: float) -> None:
    rows = [
        {
            "table_name": table,
            "epoch": epoch,
            "schema_fingerprint": conditions.schema,
            "engine": conditions.engine,
            "upstream": clean(conditions.upstream),
            "rules": conditions.rules,
            "first_seen": seen,
            "last_seen": now,
        }
        for (table, epoch), (conditions, seen) in sorted(batch.epochs.items(), key=lambda item: item[0])
    ]
    _upsert(connection, EPOCHS, rows)


def _add_evidence(connection: Connection, batch: Batch, bounds: Bounds) -> None:
    keyed = {_key(key): (key, evidence) for key, evidence in batch.evidence.items()}
    if not keyed:
        return
    known: set[str] = set()
    for chunk in _chunks(keyed):
        known.update(connection.scalars(select(EVIDENCE.c.key).where(EVIDENCE.c.key.in_(chunk))))
    total = connection.scalar(select(func.count()).select_from(EVIDENCE)) or 0
    shapes = _count_shapes(connection, {(key.table, key.epoch) for key, _ in keyed.values()})
    wanted: dict[str, tuple[EvidenceKey, Evidence]] = {}
    for text, (key, evidence) in keyed.items():
        group = (key.table, key.epoch)
        if text not in known and (shapes[group] >= bounds.shapes or total >= bounds.rows):
            key = EvidenceKey(key.table, key.epoch, OVERFLOW, "", "")
            text = _key(key)
            if text in wanted:
                wanted[text][1].merge(evidence)
                continue
            # A batch may be applied again; what is in it stays as it was.
            merged = Evidence()
            merged.merge(evidence)
            evidence = merged
        elif text not in known:
            shapes[group] += 1
            total += 1
        wanted[text] = (key, evidence)
    _upsert(connection, EVIDENCE, [_evidence_row(text, *wanted[text]) for text in sorted(wanted)])


def _count_shapes(connection: Connection, groups: set[tuple[str, str]]) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for tables in _chunks(sorted({table for table, _ in groups})):
        statement = (
            select(EVIDENCE.c.table_name, EVIDENCE.c.epoch, func.count())
            .where(EVIDENCE.c.table_name.in_(tables))
            .group_by(EVIDENCE.c.table_name, EVIDENCE.c.epoch)
        )
        counts.update({(table, epoch): count for table, epoch, count in connection.execute(statement)})
    return counts


def _key(key: EvidenceKey) -> str:
    return digest(key.table, key.epoch, key.shape, key.role, key.answer_class)


def _evidence_row(text: str, key: EvidenceKey, evidence: Evidence) -> dict[str, Any]:
    return {
        "key": text,
        "table_name": key.table,
        "epoch": key.epoch,
        "shape": scrub(key.shape),
        "role": key.role,
        "answer_class": key.answer_class,
        **{f"{verdict}_count": evidence.verdicts[verdict] for verdict in VERDICTS},
        "fresh": evidence.fresh,
        "fresh_mismatches": evidence.fresh_mismatches,
        "pairs": evidence.pairs,
        "log_ratios": evidence.log_ratios,
        "log_ratio_squares": evidence.log_ratio_squares,
        "upstream_seconds": evidence.upstream_seconds,
        "engine_seconds": evidence.engine_seconds,
        "first_seen": evidence.first_seen,
        "last_seen": evidence.last_seen,
        "detail": scrub(clean(evidence.detail)),
    }


def _add_traffic(connection: Connection, batch: Batch, now: float) -> None:
    rows = [
        {"table_name": table, "kind": kind, "reason": reason, "count": count, "last_seen": now}
        for (table, kind, reason), count in sorted(batch.traffic.items())
    ]
    _upsert(connection, TRAFFIC, rows)


def _add_mismatches(
    connection: Connection, batch: Batch, redaction: Redaction, bounds: Bounds, shed: Counter[LedgerKind]
) -> Iterator[MismatchOpened]:
    """Add the mismatches; gives those that have no smallest request yet. To be run to its end."""
    if not batch.mismatches:
        return
    signatures = connection.scalar(select(func.count()).select_from(SIGNATURES)) or 0
    room = bounds.example_bytes - (connection.scalar(select(func.sum(EXAMPLES.c.size))) or 0)
    # Taking secrets out of large answers is work for the interpreter, of which a flush may do only so much.
    room = min(room, bounds.flush_bytes)
    for (table, signature), found in sorted(batch.mismatches.items(), key=lambda item: item[0]):
        name = find_id(table, signature)
        row = connection.execute(select(SIGNATURES).where(SIGNATURES.c.id == name)).one_or_none()
        reopened = row is not None and row.closed_at is not None and found.last_seen > row.closed_at
        if row is None:
            if signatures >= bounds.signatures:
                shed["mismatch"] += found.count
                continue
            signatures += 1
            connection.execute(SIGNATURES.insert(), _new_signature(name, table, signature, found))
        else:
            _count_again(connection, row, found, reopened)
        kept, used = _add_examples(connection, name, found, redaction, room)
        shed["example"] += kept
        room -= used
        unshrunk = row is None or reopened or not row.smallest
        if unshrunk and found.examples and (request := found.examples[0][1].request) is not None:
            yield MismatchOpened(table, signature, request)


def _new_signature(name: str, table: str, signature: str, found: Occurrences) -> dict[str, Any]:
    return {
        "id": name,
        "table_name": table,
        "signature": scrub(signature),
        "aspects": ",".join(sorted(found.aspects)),
        "count": found.count,
        "first_seen": found.first_seen,
        "last_seen": found.last_seen,
        "epoch": found.epoch,
        "closed_at": None,
        "closed_by": "",
        "closed_why": "",
        "smallest": "",
        "smallest_tries": 0,
    }


def _count_again(connection: Connection, row: Any, found: Occurrences, reopened: bool) -> None:
    """Count a known signature. One that was closed and occurs again is open, with new examples."""
    values: dict[str, Any] = {
        "count": SIGNATURES.c.count + found.count,
        "first_seen": min(row.first_seen, found.first_seen),
        "last_seen": max(row.last_seen, found.last_seen),
        "epoch": found.epoch,
        "aspects": ",".join(sorted(found.aspects.union(filter(None, row.aspects.split(","))))),
    }
    if reopened:
        values |= {"closed_at": None, "closed_by": "", "closed_why": "", "smallest": "", "smallest_tries": 0}
        connection.execute(delete(EXAMPLES).where(EXAMPLES.c.signature_id == row.id))
    connection.execute(update(SIGNATURES).where(SIGNATURES.c.id == row.id).values(**values))


def _add_examples(
    connection: Connection, name: str, found: Occurrences, redaction: Redaction, room: int
) -> tuple[int, int]:
    """Keep what examples there is room for; gives how many there was none for, and the bytes used."""
    held = connection.scalar(
        select(func.count()).select_from(EXAMPLES).where(EXAMPLES.c.signature_id == name)
    )
    slots = range(held or 0, EXAMPLES_KEPT)
    left_out = used = 0
    for slot, (seen, event) in zip(slots, found.examples, strict=False):
        cost = _estimate(event)
        if used + cost > room:
            left_out += 1
            continue
        row = _example_row(event, redaction)
        size = sum(len(row[part]) for part in ("request", "upstream", "engine", "differences"))
        used += max(cost, size)
        where = {"signature_id": name, "slot": slot, "seen_at": seen, "size": size}
        connection.execute(EXAMPLES.insert(), {**row, **where})
    return left_out, used


def _estimate(event: Judged) -> int:
    """The bytes that have to be looked through for secrets; a body that is too large for that is left out."""
    messages = (event.request, event.upstream, event.engine)
    sizes = [len(message.body) for message in messages if message is not None]
    return sum(size for size in sizes if size <= LARGEST)


def _example_row(event: Judged, redaction: Redaction) -> dict[str, Any]:
    answers = [answer for answer in (event.upstream, event.engine) if answer is not None]
    assert event.request is not None
    redacted = redact_exchange(redaction, event.request, answers, event.differences)
    upstream, engine = redacted.answers
    return {
        "shape": scrub(clean(event.shape)),
        "role": clean(event.role),
        "request": render(show_request(redacted.request)),
        "upstream": render(show_answer(upstream)),
        "engine": render(show_answer(engine)),
        "differences": render(show_differences(redacted.differences)),
        "redaction": name_redaction(redaction),
    }


def _add_smallest(connection: Connection, batch: Batch, redaction: Redaction) -> None:
    for (table, signature), event in batch.smallest.items():
        request = redact_exchange(redaction, event.request).request
        connection.execute(
            update(SIGNATURES)
            .where(SIGNATURES.c.id == find_id(table, signature))
            .values(smallest=render(show_request(request)), smallest_tries=event.tries)
        )


def _add_changes(connection: Connection, batch: Batch, flush: Flush) -> None:
    rows = [
        {
            "id": f"{flush.replica}-{flush.sequence}-{number}",
            "replica": flush.replica,
            "changed_at": change.at,
            "table_name": change.event.table,
            "operation": change.event.operation,
            "mode_before": change.event.before,
            "mode_after": change.event.after,
            "who": clean(scrub(change.event.who)),
            "why": clean(scrub(change.event.why)),
        }
        for number, change in enumerate(batch.changes)
    ]
    if rows:
        connection.execute(MODE_CHANGES.insert(), rows)


def _insert(connection: Connection, table: Table) -> Any:
    """An INSERT that can say what to do with a row that is there; both databases spell it alike."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def _upsert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Add ``rows`` to those that have the same key: numbers are added, the later text and time stay."""
    if not rows:
        return
    statement = _insert(connection, table)
    new = statement.excluded
    later = new.last_seen >= table.c.last_seen
    changed: dict[str, Any] = {}
    for column in table.c:
        if column.name == "last_seen":
            changed[column.name] = case((later, new.last_seen), else_=column)
        elif column.name == "detail":
            changed[column.name] = case((later & (new.detail != ""), new.detail), else_=column)
        elif column.name == "first_seen":
            changed[column.name] = case((new.first_seen < column, new.first_seen), else_=column)
        elif column.type.python_type in (int, float):
            changed[column.name] = column + new[column.name]
    keys = list(table.primary_key)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))


def _chunks(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """``items`` in lists that are short enough for one statement's parameters."""
    rest = iter(items)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk

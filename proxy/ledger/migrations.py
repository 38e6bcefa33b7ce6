"""How the ledger's database came to be what it is: one step for each version, forward only.

A step that has been released is never changed. Its statements are plain SQL that SQLite and PostgreSQL
both understand.
"""

from collections.abc import Sequence
from typing import TypeAlias

from sqlalchemy import Connection, inspect, text

from proxy.errors import UnderstudyError

Step: TypeAlias = tuple[str, ...]


class LedgerTooNew(UnderstudyError):
    """The ledger was written by a later version of this program, whose steps are not known here."""


_FIRST: Step = (
    "CREATE TABLE ledger_replicas ("
    " replica TEXT PRIMARY KEY, sequence BIGINT NOT NULL, last_seen DOUBLE PRECISION NOT NULL)",
    "CREATE TABLE ledger_epochs ("
    " table_name TEXT NOT NULL, epoch TEXT NOT NULL, schema_fingerprint TEXT NOT NULL, engine TEXT NOT NULL,"
    " upstream TEXT NOT NULL, rules TEXT NOT NULL, first_seen DOUBLE PRECISION NOT NULL,"
    " last_seen DOUBLE PRECISION NOT NULL, PRIMARY KEY (table_name, epoch))",
    "CREATE TABLE ledger_evidence ("
    " key TEXT PRIMARY KEY, table_name TEXT NOT NULL, epoch TEXT NOT NULL, shape TEXT NOT NULL,"
    " role TEXT NOT NULL, answer_class TEXT NOT NULL,"
    " match_count BIGINT NOT NULL, equivalent_count BIGINT NOT NULL, indeterminate_count BIGINT NOT NULL,"
    " mismatch_count BIGINT NOT NULL, race_count BIGINT NOT NULL, inconclusive_count BIGINT NOT NULL,"
    " volatile_count BIGINT NOT NULL, unsupported_count BIGINT NOT NULL, failed_count BIGINT NOT NULL,"
    " fresh BIGINT NOT NULL, fresh_mismatches BIGINT NOT NULL, pairs BIGINT NOT NULL,"
    " log_ratios DOUBLE PRECISION NOT NULL,"
    " log_ratio_squares DOUBLE PRECISION NOT NULL, upstream_seconds DOUBLE PRECISION NOT NULL,"
    " engine_seconds DOUBLE PRECISION NOT NULL, first_seen DOUBLE PRECISION NOT NULL,"
    " last_seen DOUBLE PRECISION NOT NULL, detail TEXT NOT NULL)",
    "CREATE INDEX ledger_evidence_table ON ledger_evidence (table_name, epoch)",
    "CREATE TABLE ledger_traffic ("
    " table_name TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, count BIGINT NOT NULL,"
    " last_seen DOUBLE PRECISION NOT NULL, PRIMARY KEY (table_name, kind, reason))",
    "CREATE TABLE ledger_signatures ("
    " id TEXT PRIMARY KEY, table_name TEXT NOT NULL, signature TEXT NOT NULL, aspects TEXT NOT NULL,"
    " count BIGINT NOT NULL, first_seen DOUBLE PRECISION NOT NULL, last_seen DOUBLE PRECISION NOT NULL,"
    " epoch TEXT NOT NULL, closed_at DOUBLE PRECISION, closed_by TEXT NOT NULL, closed_why TEXT NOT NULL,"
    " smallest TEXT NOT NULL, smallest_tries INTEGER NOT NULL)",
    "CREATE TABLE ledger_examples ("
    " signature_id TEXT NOT NULL, slot INTEGER NOT NULL, seen_at DOUBLE PRECISION NOT NULL,"
    " shape TEXT NOT NULL, role TEXT NOT NULL, request TEXT NOT NULL, upstream TEXT NOT NULL,"
    " engine TEXT NOT NULL, differences TEXT NOT NULL, size BIGINT NOT NULL, redaction TEXT NOT NULL,"
    " PRIMARY KEY (signature_id, slot))",
    "CREATE TABLE ledger_mode_changes ("
    " id TEXT PRIMARY KEY, replica TEXT NOT NULL, changed_at DOUBLE PRECISION NOT NULL,"
    " table_name TEXT NOT NULL, operation TEXT NOT NULL, mode_before TEXT NOT NULL, mode_after TEXT NOT NULL,"
    " who TEXT NOT NULL, why TEXT NOT NULL)",
)

_HOLDS: Step = (
    "CREATE TABLE ledger_holds ("
    " table_name TEXT PRIMARY KEY, since DOUBLE PRECISION NOT NULL, reason TEXT NOT NULL,"
    " words TEXT NOT NULL, replica TEXT NOT NULL)",
)

_MUST_SEE: Step = (
    "CREATE TABLE ledger_must_see ("
    " table_name TEXT NOT NULL, shape TEXT NOT NULL, source TEXT NOT NULL, who TEXT NOT NULL,"
    " pinned_at DOUBLE PRECISION NOT NULL, PRIMARY KEY (table_name, shape))",
)

STEPS: tuple[Step, ...] = (_FIRST, _HOLDS, _MUST_SEE)
"""The step at position n leads from version n to version n + 1."""


def migrate(connection: Connection, steps: Sequence[Step] = STEPS) -> int:
    """Bring the database up to date, from whatever version it has; gives the version it had.

    To be called inside a transaction that nobody else writes beside. Raises LedgerTooNew.
    """
    version = read_version(connection)
    if version is None:
        connection.execute(text("CREATE TABLE ledger_version (version INTEGER NOT NULL)"))
        connection.execute(text("INSERT INTO ledger_version (version) VALUES (0)"))
        version = 0
    if version > len(steps):
        raise LedgerTooNew(f"the ledger has version {version}, this program knows up to {len(steps)}")
    for step in steps[version:]:
        for statement in step:
            connection.execute(text(statement))
    if version < len(steps):
        connection.execute(text("UPDATE ledger_version SET version = :version"), {"version": len(steps)})
    return version


def read_version(connection: Connection) -> int | None:
    """The version of the database; None if there is no ledger in it."""
    if not inspect(connection).has_table("ledger_version"):
        return None
    return int(connection.execute(text("SELECT version FROM ledger_version")).scalar_one())

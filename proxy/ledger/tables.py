"""What is in the ledger's database, as SQLAlchemy tables. How it comes to be there is in ``migrations``.

Times are seconds since 1970. Keys of evidence and signatures are digests, so that replicas find the same
row for the same thing.
"""

from typing import get_args

from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, Table, Text

from proxy.events import Verdict

VERDICTS: tuple[str, ...] = get_args(Verdict)

METADATA = MetaData()

VERSION = Table("ledger_version", METADATA, Column("version", Integer, nullable=False))

REPLICAS = Table(
    "ledger_replicas",
    METADATA,
    Column("replica", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("last_seen", Double, nullable=False),
)
"""The last flush of each replica: the same one, sent again, is not counted again."""

EPOCHS = Table(
    "ledger_epochs",
    METADATA,
    Column("table_name", Text, primary_key=True),
    Column("epoch", Text, primary_key=True),
    Column("schema_fingerprint", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
)

EVIDENCE = Table(
    "ledger_evidence",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("table_name", Text, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("answer_class", Text, nullable=False),
    *(Column(f"{verdict}_count", BigInteger, nullable=False) for verdict in VERDICTS),
    Column("fresh", BigInteger, nullable=False),
    Column("fresh_mismatches", BigInteger, nullable=False),
    Column("pairs", BigInteger, nullable=False),
    Column("log_ratios", Double, nullable=False),
    Column("log_ratio_squares", Double, nullable=False),
    Column("upstream_seconds", Double, nullable=False),
    Column("engine_seconds", Double, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("detail", Text, nullable=False),
)

TRAFFIC = Table(
    "ledger_traffic",
    METADATA,
    Column("table_name", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_seen", Double, nullable=False),
)
"""Reads and writes served (reason: by whom), reads skipped, shed and fallen back (reason: why).

Writes rehearsed (reason: the verdict), not rehearsed (why), and those of which the outcome is lost (whose).
Comparisons in which something was ignored (reason: by which rule).
"""

SIGNATURES = Table(
    "ledger_signatures",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("table_name", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("aspects", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("closed_at", Double),
    Column("closed_by", Text, nullable=False),
    Column("closed_why", Text, nullable=False),
    Column("smallest", Text, nullable=False),
    Column("smallest_tries", Integer, nullable=False),
)

EXAMPLES = Table(
    "ledger_examples",
    METADATA,
    Column("signature_id", Text, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("seen_at", Double, nullable=False),
    Column("shape", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("upstream", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("differences", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("redaction", Text, nullable=False),
)

MODE_CHANGES = Table(
    "ledger_mode_changes",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("replica", Text, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("mode_before", Text, nullable=False),
    Column("mode_after", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("why", Text, nullable=False),
)

HOLDS = Table(
    "ledger_holds",
    METADATA,
    Column("table_name", Text, primary_key=True),
    Column("since", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("words", Text, nullable=False),
    Column("replica", Text, nullable=False),
)
"""The tables that the guard has put back; who was first is the one who counts."""

MUST_SEE = Table(
    "ledger_must_see",
    METADATA,
    Column("table_name", Text, primary_key=True),
    Column("shape", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("pinned_at", Double, nullable=False),
)
"""The shapes that have to have been compared before a table is promoted."""

"""What the ledger forgets: what has not been seen for long, was settled long ago, or is beyond the bounds."""

from sqlalchemy import Connection, delete, select

from proxy.ledger.bounds import Bounds
from proxy.ledger.tables import EPOCHS, EVIDENCE, EXAMPLES, MODE_CHANGES, REPLICAS, SIGNATURES, TRAFFIC


def prune(connection: Connection, bounds: Bounds, now: float) -> None:
    """Forget, at ``now``. An open signature is never forgotten."""
    old = now - bounds.retention
    for table in (EVIDENCE, EPOCHS, TRAFFIC, REPLICAS):
        connection.execute(delete(table).where(table.c.last_seen < old))
    connection.execute(delete(SIGNATURES).where(SIGNATURES.c.closed_at < now - bounds.closed_retention))
    connection.execute(delete(EXAMPLES).where(EXAMPLES.c.signature_id.not_in(select(SIGNATURES.c.id))))
    newest = select(MODE_CHANGES.c.id).order_by(MODE_CHANGES.c.changed_at.desc()).limit(bounds.changes)
    connection.execute(delete(MODE_CHANGES).where(MODE_CHANGES.c.id.not_in(newest)))

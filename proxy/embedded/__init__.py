"""An embedded PostgreSQL, and databases to throw away, for tests and the demo."""

from proxy.embedded.databases import create_database, drop_database, load_sql
from proxy.embedded.server import EmbeddedPostgres
from proxy.embedded.wheel import EmbeddedError

__all__ = ["EmbeddedError", "EmbeddedPostgres", "create_database", "drop_database", "load_sql"]

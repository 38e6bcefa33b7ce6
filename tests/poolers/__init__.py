"""What stands between the engine and PostgreSQL in large deployments, for real: PgBouncer, and a standby."""

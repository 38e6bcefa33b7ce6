"""What an attacker would try, against real parts: a proxy on a socket, an engine on a PostgreSQL."""

from pathlib import Path

SCHEMA = Path(__file__).with_name("schema.sql")

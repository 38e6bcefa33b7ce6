"""What the database itself says of how the engine is to run: its version, options and roles' settings.

Source: PostgREST 14, reference 10.8, 11.2 and 12.2 (in-database configuration).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from proxy.engine.sql.elements import quote

RoleSettings: TypeAlias = Mapping[str, tuple[tuple[str, str], ...]]
"""By role, the settings that hold for its transactions."""


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL server: ``server_version_num``, ``server_version`` and what ``version()`` says."""

    number: int
    version: str
    description: str


async def read_server(connection: Any) -> Server:
    """Which server ``connection`` leads to. Raises asyncpg's errors."""
    async with connection.transaction(readonly=True):
        row = await connection.fetchrow(
            "SELECT current_setting('server_version_num')::integer,"
            "   current_setting('server_version'), version()"
        )
    return Server(*row)


async def read_login(connection: Any) -> str:
    """The role that ``connection`` is logged in as. Raises asyncpg's errors."""
    async with connection.transaction(readonly=True):
        return str(await connection.fetchval("SELECT session_user"))


async def read_settings(connection: Any, names: Sequence[str], pre_config: str | None) -> dict[str, str]:
    """The settings of ``names`` that the connecting role has, in this database before others.

    The function ``pre_config`` may set some for the length of the transaction; they come last. Raises
    asyncpg's errors.
    """
    async with connection.transaction(isolation="read_committed", readonly=True):
        found = {}
        if pre_config is not None:
            await connection.execute(f"SELECT FROM {_quote_function(pre_config)}()")
            rows = await connection.fetch(
                # Empty is also what is left of a setting that an earlier transaction made.
                "SELECT name, nullif(current_setting(name, true), '') AS value"
                " FROM unnest($1::text[]) AS name",
                names,
            )
            found = {row["name"]: row["value"] for row in rows if row["value"] is not None}
        rows = await connection.fetch(
            "SELECT substr(c.setting, 1, strpos(c.setting, '=') - 1) AS name,"
            "   substr(c.setting, strpos(c.setting, '=') + 1) AS value"
            " FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) AS c (setting)"
            " WHERE s.setrole = quote_ident(current_user)::regrole::oid AND s.setdatabase IN"
            "   (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_catalog))"
            " ORDER BY s.setdatabase"
        )
        return found | {row["name"]: row["value"] for row in rows if row["name"] in names}


async def read_role_settings(connection: Any) -> RoleSettings:
    """The settings of every role that the connecting role may become and whose settings it may make.

    Raises asyncpg's errors.
    """
    granted = "has_parameter_privilege(quote_ident(current_user)::regrole::oid, s.key, 'set')"
    statement = f"""
        SELECT r.rolname AS role, s.key, s.value
        FROM pg_auth_members m
        JOIN pg_roles r ON r.oid = m.roleid
        CROSS JOIN LATERAL unnest(r.rolconfig) AS c (setting)
        CROSS JOIN LATERAL (
          SELECT substr(c.setting, 1, strpos(c.setting, '=') - 1) AS key,
            substr(c.setting, strpos(c.setting, '=') + 1) AS value
        ) s
        LEFT JOIN pg_settings p ON p.name = s.key
        WHERE m.member = quote_ident(current_user)::regrole::oid
          AND (p.context = 'user' OR {granted if connection.get_server_version().major >= 15 else "false"})
        """
    async with connection.transaction():
        rows = await connection.fetch(statement)
    by_role: dict[str, tuple[tuple[str, str], ...]] = {}
    for row in rows:
        by_role[row["role"]] = (*by_role.get(row["role"], ()), (row["key"], row["value"]))
    return MappingProxyType(by_role)


def _quote_function(name: str) -> str:
    namespace, dot, function = name.partition(".")
    return quote(namespace, function) if dot else quote(name)

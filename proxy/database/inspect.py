"""Ask the database what the role of a request may see. Source: PostgREST 14, reference 11.4."""

import json
from collections.abc import Mapping
from typing import Any

import asyncpg

from proxy.config import EngineConfig
from proxy.database.catalog_queries import FUNCTIONS
from proxy.engine.openapi.inspection import Inspection
from proxy.engine.schema import Function, Parameter

_COMMENT = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = $1"

# Privileges of any kind count: of the relation, of one of its columns, or those of its owner.
_RELATIONS = """
  SELECT c.relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition AND n.nspname = $1 AND (
    pg_has_role(c.relowner, 'USAGE')
    OR has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
    OR has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))
"""

_FUNCTIONS = f"SELECT * FROM ({FUNCTIONS}) AS f WHERE has_function_privilege(f.oid, 'EXECUTE')"


async def inspect(connection: asyncpg.Connection, namespace: str, options: EngineConfig) -> Inspection:
    """What the present role may see of the schema ``namespace``, for the root document.

    ``connection`` is inside the transaction of the request, with its role and search path set. Where
    ``openapi_mode`` ignores privileges, only the schema's comment is asked for. Raises asyncpg's errors.
    """
    comment = await connection.fetchval(_COMMENT, namespace)
    if options.openapi_mode == "ignore-privileges":
        return Inspection(comment)
    relations = await connection.fetch(_RELATIONS, namespace)
    functions = await connection.fetch(_FUNCTIONS, [namespace])
    return Inspection(
        description=comment,
        relations=frozenset(row["relname"] for row in relations),
        functions=tuple(map(_make_function, functions)),
    )


def _make_function(row: Mapping[str, Any]) -> Function:
    """As much of a function as the document tells."""
    return Function(
        schema=row["schema"],
        name=row["name"],
        parameters=tuple(Parameter(*parts) for parts in json.loads(row["parameters"])),
        volatility=row["volatility"],
        description=row["description"],
    )

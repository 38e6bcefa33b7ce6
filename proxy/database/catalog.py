"""Read the schema cache from the catalog. Source: PostgREST 14, reference 11.1."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import asyncpg

from proxy.config import EngineConfig
from proxy.engine.schema import Column, MediaHandler, QualifiedName, Relation, Schema

K = TypeVar("K")
V = TypeVar("V")

# The types of domains, followed down to what they are based on.
_BASE_TYPES = """
  WITH RECURSIVE domains AS (
    SELECT oid AS type, oid AS base, typbasetype AS next FROM pg_type
    UNION ALL
    SELECT d.type, t.oid, t.typbasetype FROM domains d JOIN pg_type t ON t.oid = d.next
  ), base_types AS (
    SELECT d.type, d.base, t.typnamespace = 'pg_catalog'::regnamespace AS built_in
    FROM domains d JOIN pg_type t ON t.oid = d.base WHERE d.next = 0
  )
"""

_RELATIONS = """
  SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind IN ('v', 'm') AS view,
    obj_description(c.oid, 'pg_class') AS description,
    CASE WHEN c.relkind IN ('r', 'p') THEN 28
         WHEN c.relkind IN ('v', 'f') THEN pg_relation_is_updatable(c.oid, true)
         ELSE 0 END AS writable,
    coalesce((
      SELECT array_agg(a.attname::text ORDER BY a.attname)
      FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
      WHERE k.conrelid = c.oid AND k.contype = 'p'
    ), '{}') AS key
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND NOT c.relispartition AND n.nspname = ANY ($1)
  ORDER BY n.nspname, c.relname
"""

_COLUMNS = (
    _BASE_TYPES
    + """
  SELECT a.attrelid AS relation, a.attname AS name, col_description(a.attrelid, a.attnum) AS description,
    NOT (a.attnotnull OR t.typtype = 'd' AND t.typnotnull) AS nullable,
    format_type(a.atttypid, a.atttypmod) AS nominal_type,
    CASE WHEN t.typtype = 'd' AND b.built_in THEN format_type(b.base, NULL)
         WHEN t.typtype <> 'd' AND t.typnamespace = 'pg_catalog'::regnamespace
           THEN format_type(a.atttypid, NULL)
         ELSE format_type(a.atttypid, a.atttypmod) END AS type,
    CASE WHEN t.typbasetype <> 0 AND d.adbin IS NULL THEN pg_get_expr(t.typdefaultbin, 0)
         WHEN a.attidentity = 'd' THEN format('nextval(%L)', s.objid::regclass)
         WHEN a.attgenerated = 's' THEN NULL
         ELSE pg_get_expr(d.adbin, d.adrelid) END AS default,
    information_schema._pg_char_max_length(
      information_schema._pg_truetypid(a.*, t.*), information_schema._pg_truetypmod(a.*, t.*)
    )::integer AS max_length,
    coalesce((
      SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = b.base
    ), '{}') AS enum
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN base_types b ON b.type = t.oid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_depend s ON s.refclassid = 'pg_class'::regclass AND s.refobjid = a.attrelid
    AND s.refobjsubid = a.attnum AND s.deptype = 'i' AND s.classid = 'pg_class'::regclass
  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'f', 'p')
    AND NOT c.relispartition AND n.nspname = ANY ($1)
  ORDER BY a.attrelid, a.attnum
"""
)

_REPRESENTATIONS = """
  SELECT c.castsource::regtype::text AS source, c.casttarget::regtype::text AS target,
    c.castfunc::regproc::text AS function
  FROM pg_cast c JOIN pg_type s ON s.oid = c.castsource JOIN pg_type t ON t.oid = c.casttarget
  WHERE c.castcontext = 'i' AND c.castmethod = 'f' AND has_function_privilege(c.castfunc, 'EXECUTE')
    AND (s.typtype = 'd' AND t.oid IN ('json'::regtype, 'text'::regtype)
      OR t.typtype = 'd' AND s.oid IN ('json'::regtype, 'text'::regtype))
"""

_FUNCTIONS = """
  SELECT n.nspname AS schema, p.proname AS name, bool_and(p.provolatile <> 'v') AS reads
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype AND n.nspname = ANY ($1)
  GROUP BY 1, 2
"""

_HANDLERS = """
  WITH media_types AS (
    SELECT t.oid, lower(t.typname) AS wanted,
      CASE t.typname WHEN '*/*' THEN 'application/octet-stream' ELSE t.typname::text END AS media_type
    FROM pg_type t
    WHERE t.typbasetype <> 0 AND (t.typname = '*/*' OR t.typname ~ '^[A-Za-z0-9.-]+/[A-Za-z0-9.+-]+$')
  )
  SELECT n.nspname AS schema, p.proname AS name, m.wanted, m.media_type,
    an.nspname AS target_schema, a.typname AS target_name
  FROM media_types m
  JOIN pg_proc p ON p.prorettype = m.oid
  JOIN pg_aggregate g ON g.aggfnoid = p.oid
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_type a ON a.oid = p.proargtypes[0]
  JOIN pg_namespace an ON an.oid = a.typnamespace
  WHERE n.nspname = ANY ($1) AND p.pronargs = 1 AND (
    a.typname = 'anyelement'
    OR EXISTS (SELECT FROM pg_class c WHERE c.reltype = a.oid AND c.relkind IN ('r', 'v', 'm', 'f', 'p')))
"""


async def load_schema(connection: asyncpg.Connection, options: EngineConfig) -> Schema:
    """Read everything in one read-only transaction of the connecting role.

    An empty search path makes the catalog write every type outside ``pg_catalog`` with its schema.
    Raises asyncpg's errors; a schema of ``db_schemas`` that does not exist is one (3F000).
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL search_path = ''")
        schemas = list(options.db_schemas)
        await connection.fetch("SELECT quote_ident(name)::regnamespace FROM unnest($1::text[]) name", schemas)
        columns: dict[int, dict[str, Column]] = {}
        for row in await connection.fetch(_COLUMNS, schemas):
            columns.setdefault(row["relation"], {})[row["name"]] = _make_column(row)
        relations = [
            _make_relation(row, columns.get(row["oid"], {}))
            for row in await connection.fetch(_RELATIONS, schemas)
        ]
        representations = await connection.fetch(_REPRESENTATIONS)
        functions = await connection.fetch(_FUNCTIONS, schemas)
        handlers = await connection.fetch(_HANDLERS, schemas)
        timezones = await connection.fetch("SELECT name FROM pg_timezone_names")
    return Schema(
        relations=_freeze({(relation.schema, relation.name): relation for relation in relations}),
        representations=_freeze({(row["source"], row["target"]): row["function"] for row in representations}),
        functions=_freeze({(row["schema"], row["name"]): row["reads"] for row in functions}),
        handlers=_freeze({_handler_key(row): _make_handler(row) for row in handlers}),
        timezones=frozenset(row["name"] for row in timezones),
    )


def _freeze(mapping: dict[K, V]) -> Mapping[K, V]:
    return MappingProxyType(mapping)


def _make_column(row: Mapping[str, Any]) -> Column:
    return Column(
        name=row["name"],
        type=row["type"],
        nominal_type=row["nominal_type"],
        nullable=row["nullable"],
        default=row["default"],
        max_length=row["max_length"],
        enum=tuple(row["enum"]),
        description=row["description"],
    )


def _make_relation(row: Mapping[str, Any], columns: dict[str, Column]) -> Relation:
    # The bits of pg_relation_is_updatable(): 8 for INSERT, 4 for UPDATE, 16 for DELETE.
    return Relation(
        schema=row["schema"],
        name=row["name"],
        columns=_freeze(columns),
        key=tuple(row["key"]),
        view=row["view"],
        insertable=bool(row["writable"] & 8),
        updatable=bool(row["writable"] & 4),
        deletable=bool(row["writable"] & 16),
        description=row["description"],
    )


def _handler_key(row: Mapping[str, Any]) -> tuple[QualifiedName | None, str]:
    target = None if row["target_name"] == "anyelement" else (row["target_schema"], row["target_name"])
    return target, row["wanted"]


def _make_handler(row: Mapping[str, Any]) -> MediaHandler:
    return MediaHandler((row["schema"], row["name"]), row["media_type"])

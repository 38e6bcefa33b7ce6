"""Read the schema cache from the catalog. Source: PostgREST 14, reference 11.1."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

import asyncpg

from proxy.config import EngineConfig
from proxy.engine.relationships import ForeignKey, ViewColumns, derive_relationships, find_view_key
from proxy.engine.schema import (
    Column,
    ComputedRelationship,
    Function,
    MediaHandler,
    Parameter,
    QualifiedName,
    Relation,
    Schema,
)
from proxy.engine.view_origins import parse_targets, trace_origins

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

_CHECK_SCHEMAS = "SELECT quote_ident(name)::regnamespace FROM unnest($1::text[]) AS name"

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

_FUNCTIONS = (
    _BASE_TYPES
    + """, arguments AS (
    SELECT p.oid,
      jsonb_agg(jsonb_build_array(
        coalesce(a.name, ''), a.type::regtype::text,
        CASE a.type WHEN 'bit'::regtype THEN 'bit varying' WHEN 'bit[]'::regtype THEN 'bit varying[]'
          WHEN 'character'::regtype THEN 'character varying'
          WHEN 'character[]'::regtype THEN 'character varying[]' ELSE a.type::regtype::text END,
        a.number <= p.pronargs - p.pronargdefaults,
        coalesce(a.mode = 'v', false)
      ) ORDER BY a.number) AS parameters,
      count(*) FILTER (WHERE coalesce(a.name, '') = '') AS unnamed,
      count(*) AS total,
      bool_or(a.type::regtype::text IN ('bytea', 'json', 'jsonb', 'text', 'xml')) AS raw
    FROM pg_proc p,
      unnest(p.proargnames, p.proargtypes, p.proargmodes) WITH ORDINALITY AS a (name, type, mode, number)
    WHERE a.type IS NOT NULL
    GROUP BY p.oid
  )
  SELECT n.nspname AS schema, p.proname AS name, obj_description(p.oid, 'pg_proc') AS description,
    coalesce(g.parameters, '[]')::text AS parameters,
    rn.nspname AS returns_schema, coalesce(rc.relname, r.typname) AS returns_name,
    p.proretset AS returns_set,
    r.typtype = 'c' OR coalesce(p.proargmodes::text[] && '{t,b,o}', false) AS composite,
    CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatility,
    coalesce(p.proconfig, '{}') AS configuration
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN base_types b ON b.type = p.prorettype
  JOIN pg_type r ON r.oid = b.base
  JOIN pg_namespace rn ON rn.oid = r.typnamespace
  LEFT JOIN pg_class rc ON rc.oid = r.typrelid AND r.typtype = 'c'
  LEFT JOIN arguments g ON g.oid = p.oid
  WHERE p.prokind = 'f' AND r.oid <> 'trigger'::regtype AND n.nspname = ANY ($1)
    AND (g.oid IS NULL OR g.unnamed = 0 OR g.total = 1 AND g.raw)
  ORDER BY n.nspname, p.proname, p.pronargs, p.oid
"""
)

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


_FOREIGN_KEYS = """
  WITH keys AS (
    SELECT k.conrelid, (SELECT array_agg(c ORDER BY c) FROM unnest(k.conkey) c) AS columns
    FROM pg_constraint k WHERE k.contype IN ('p', 'u')
  )
  SELECT f.conname AS constraint, sn.nspname AS source_schema, s.relname AS source_name,
    tn.nspname AS target_schema, t.relname AS target_name, c.own, c.other,
    EXISTS (SELECT FROM keys k WHERE k.conrelid = f.conrelid AND k.columns = c.numbers) AS unique
  FROM pg_constraint f
  JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY u.n) AS own, array_agg(b.attname::text ORDER BY u.n) AS other,
      array_agg(a.attnum ORDER BY a.attnum) AS numbers
    FROM unnest(f.conkey, f.confkey) WITH ORDINALITY AS u (own, other, n)
    JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = u.own
    JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = u.other
  ) c ON true
  JOIN pg_class s ON s.oid = f.conrelid JOIN pg_namespace sn ON sn.oid = s.relnamespace
  JOIN pg_class t ON t.oid = f.confrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
  WHERE f.contype = 'f' AND f.conparentid = 0
  ORDER BY f.conrelid, f.conname
"""

_COMPUTED = """
  SELECT n.nspname AS schema, p.proname AS name, an.nspname AS source_schema, a.relname AS source_name,
    rn.nspname AS target_schema, r.relname AS target_name, NOT p.proretset OR p.prorows = 1 AS to_one
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_class a ON a.reltype = p.proargtypes[0] AND a.relkind IN ('r', 'v', 'm', 'f', 'p')
  JOIN pg_namespace an ON an.oid = a.relnamespace
  JOIN pg_class r ON r.reltype = p.prorettype AND r.relkind IN ('r', 'v', 'm', 'f', 'p')
  JOIN pg_namespace rn ON rn.oid = r.relnamespace
  WHERE p.pronargs = 1
"""

_VIEWS = """
  SELECT c.oid, n.nspname AS schema, c.relname AS name, r.ev_action::text AS action
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_rewrite r ON r.ev_class = c.oid
  WHERE c.relkind IN ('v', 'm') AND r.ev_type = '1' AND n.nspname = ANY ($1)
"""

_ATTRIBUTES = """
  SELECT a.attrelid AS relation, a.attnum AS number, a.attname AS name,
    n.nspname AS schema, c.relname AS relation_name
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0
"""

_PRIMARY_KEYS = """
  SELECT n.nspname AS schema, c.relname AS name, array_agg(a.attname::text ORDER BY u.n) AS columns
  FROM pg_constraint k
  JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS u (number, n)
  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
  WHERE k.contype = 'p'
  GROUP BY n.nspname, c.relname
"""

_ROLE_SETTINGS = """
  SELECT r.rolname AS role, s.key, s.value
  FROM pg_auth_members m
  JOIN pg_roles r ON r.oid = m.roleid
  CROSS JOIN LATERAL unnest(r.rolconfig) AS c (setting)
  CROSS JOIN LATERAL (
    SELECT substr(c.setting, 1, strpos(c.setting, '=') - 1) AS key,
      substr(c.setting, strpos(c.setting, '=') + 1) AS value
  ) s
  LEFT JOIN pg_settings p ON p.name = s.key
  WHERE m.member = current_user::regrole::oid
    AND (p.context = 'user' OR has_parameter_privilege(current_user::regrole::oid, s.key, 'set'))
"""


async def load_schema(connection: asyncpg.Connection, options: EngineConfig) -> Schema:
    """Read everything in one read-only transaction of the connecting role.

    An empty search path makes the catalog write every type outside ``pg_catalog`` with its schema.
    Raises asyncpg's errors; a schema of ``db_schemas`` that does not exist is one (3F000).
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("SET LOCAL search_path = ''")
        schemas = list(options.db_schemas)
        searched = [*schemas, *options.db_extra_search_path]
        await connection.fetch(
            "SELECT quote_ident(name)::regnamespace FROM unnest($1::text[]) name", searched
        )
        views = await _load_views(connection, searched)
        keys = {(row["schema"], row["name"]): row["columns"] for row in await connection.fetch(_PRIMARY_KEYS)}
        relations = await _load_relations(connection, schemas, views, keys)
        foreign_keys = [_make_foreign_key(row) for row in await connection.fetch(_FOREIGN_KEYS)]
        computed = [_make_computed(row) for row in await connection.fetch(_COMPUTED)]
        # Junctions may lie outside the exposed schemas; then they are found, and left out at the end.
        everywhere = {name: Relation(*name, {}, tuple(key)) for name, key in keys.items()} | relations
        relationships = derive_relationships(foreign_keys, computed, views, everywhere, schemas)
        representations = await connection.fetch(_REPRESENTATIONS)
        functions = await _load_functions(connection, schemas, options)
        handlers = await connection.fetch(_HANDLERS, schemas)
        timezones = await connection.fetch("SELECT name FROM pg_timezone_names")
        settings = await connection.fetch(_ROLE_SETTINGS) if options.db_config else []
    by_role: dict[str, tuple[tuple[str, str], ...]] = {}
    for row in settings:
        by_role[row["role"]] = (*by_role.get(row["role"], ()), (row["key"], row["value"]))
    return Schema(
        relations=_freeze(relations),
        relationships=_freeze(relationships),
        functions=_freeze(functions),
        representations=_freeze({(row["source"], row["target"]): row["function"] for row in representations}),
        handlers=_freeze({_handler_key(row): _make_handler(row) for row in handlers}),
        role_settings=_freeze(by_role),
        timezones=frozenset(row["name"] for row in timezones),
    )


def _freeze(mapping: dict[K, V]) -> Mapping[K, V]:
    return MappingProxyType(mapping)


async def _load_relations(
    connection: asyncpg.Connection,
    schemas: list[str],
    views: Mapping[QualifiedName, ViewColumns],
    keys: Mapping[QualifiedName, list[str]],
) -> dict[QualifiedName, Relation]:
    columns: dict[int, dict[str, Column]] = {}
    for row in await connection.fetch(_COLUMNS, schemas):
        columns.setdefault(row["relation"], {})[row["name"]] = _make_column(row)
    relations = {}
    for row in await connection.fetch(_RELATIONS, schemas):
        relation = _make_relation(row, columns.get(row["oid"], {}))
        name = (relation.schema, relation.name)
        key = find_view_key(views.get(name, {}), keys) if relation.view else relation.key
        relations[name] = replace(relation, key=key)
    return relations


async def _load_views(
    connection: asyncpg.Connection, schemas: list[str]
) -> dict[QualifiedName, dict[tuple[QualifiedName, str], list[str]]]:
    """For every view, which columns of which tables its columns show."""
    rows = await connection.fetch(_VIEWS, schemas)
    targets = {row["oid"]: parse_targets(row["action"]) for row in rows}
    traced = {row["oid"]: list(trace_origins(row["oid"], targets)) for row in rows}
    oids = {*traced, *(relation for found in traced.values() for _, (relation, _) in found)}
    names: dict[tuple[int, int], tuple[QualifiedName, str]] = {
        (row["relation"], row["number"]): ((row["schema"], row["relation_name"]), row["name"])
        for row in await connection.fetch(_ATTRIBUTES, list(oids))
    }
    views: dict[QualifiedName, dict[tuple[QualifiedName, str], list[str]]] = {}
    for row in rows:
        shown = views.setdefault((row["schema"], row["name"]), {})
        for number, origin in traced[row["oid"]]:
            if origin in names:
                shown.setdefault(names[origin], []).append(names[row["oid"], number][1])
    return views


async def _load_functions(
    connection: asyncpg.Connection, schemas: list[str], options: EngineConfig
) -> dict[QualifiedName, tuple[Function, ...]]:
    functions: dict[QualifiedName, tuple[Function, ...]] = {}
    for row in await connection.fetch(_FUNCTIONS, schemas):
        function = _make_function(row, options)
        name = (function.schema, function.name)
        functions[name] = (*functions.get(name, ()), function)
    return functions


def _make_function(row: Mapping[str, Any], options: EngineConfig) -> Function:
    settings = [tuple(text.split("=", 1)) for text in row["configuration"]]
    isolation = next((value for key, value in settings if key == "default_transaction_isolation"), None)
    return Function(
        schema=row["schema"],
        name=row["name"],
        parameters=tuple(Parameter(*parts) for parts in json.loads(row["parameters"])),
        returns=(row["returns_schema"], row["returns_name"]),
        returns_set=row["returns_set"],
        composite=row["composite"],
        volatility=row["volatility"],
        isolation=isolation,
        settings=tuple((key, value) for key, value in settings if _is_hoisted(f"{key}={value}", options)),
        description=row["description"],
    )


def _is_hoisted(setting: str, options: EngineConfig) -> bool:
    """PostgREST takes each configured name for a regular expression (reference 12.6)."""
    return any(re.search(pattern, setting) for pattern in options.db_hoisted_tx_settings)


def _make_foreign_key(row: Mapping[str, Any]) -> ForeignKey:
    return ForeignKey(
        constraint=row["constraint"],
        source=(row["source_schema"], row["source_name"]),
        target=(row["target_schema"], row["target_name"]),
        columns=tuple(zip(row["own"], row["other"], strict=True)),
        unique=row["unique"],
    )


def _make_computed(row: Mapping[str, Any]) -> ComputedRelationship:
    return ComputedRelationship(
        source=(row["source_schema"], row["source_name"]),
        target=(row["target_schema"], row["target_name"]),
        function=(row["schema"], row["name"]),
        to_one=row["to_one"],
    )


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

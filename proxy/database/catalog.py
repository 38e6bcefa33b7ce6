"""Read the schema cache from the catalog. Source: PostgREST 14, reference 11.1."""

import json
import re
from collections.abc import Mapping, Set
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

import asyncpg

from proxy.config import EngineConfig
from proxy.database import catalog_queries as queries
from proxy.database.settings import read_role_settings
from proxy.engine.plan.quiet import CALLED
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
        keys = {
            (row["schema"], row["name"]): row["columns"]
            for row in await connection.fetch(queries.PRIMARY_KEYS)
        }
        quiet = {row["oid"] for row in await connection.fetch(queries.QUIET, searched, sorted(CALLED))}
        relations = await _load_relations(connection, schemas, views, keys, quiet)
        foreign_keys = [_make_foreign_key(row) for row in await connection.fetch(queries.FOREIGN_KEYS)]
        computed = [_make_computed(row) for row in await connection.fetch(queries.COMPUTED)]
        # Junctions may lie outside the exposed schemas; then they are found, and left out at the end.
        everywhere = {name: Relation(*name, {}, tuple(key)) for name, key in keys.items()} | relations
        relationships = derive_relationships(foreign_keys, computed, views, everywhere, schemas)
        representations = await connection.fetch(queries.REPRESENTATIONS)
        functions = await _load_functions(connection, schemas, options)
        handlers = await connection.fetch(queries.HANDLERS, schemas)
        timezones = await connection.fetch("SELECT name FROM pg_timezone_names")
        role_settings = await read_role_settings(connection) if options.db_config else {}
    return Schema(
        relations=_freeze(relations),
        relationships=_freeze(relationships),
        functions=_freeze(functions),
        representations=_freeze({(row["source"], row["target"]): row["function"] for row in representations}),
        handlers=_freeze({_handler_key(row): _make_handler(row) for row in handlers}),
        role_settings=role_settings,
        timezones=frozenset(row["name"] for row in timezones),
    )


def _freeze(mapping: dict[K, V]) -> Mapping[K, V]:
    return MappingProxyType(mapping)


async def _load_relations(
    connection: asyncpg.Connection,
    schemas: list[str],
    views: Mapping[QualifiedName, ViewColumns],
    keys: Mapping[QualifiedName, list[str]],
    quiet: Set[int],
) -> dict[QualifiedName, Relation]:
    columns: dict[int, dict[str, Column]] = {}
    for row in await connection.fetch(queries.COLUMNS, schemas):
        columns.setdefault(row["relation"], {})[row["name"]] = _make_column(row)
    unique: dict[QualifiedName, tuple[tuple[str, ...], ...]] = {}
    for row in await connection.fetch(queries.UNIQUE_KEYS, schemas):
        name = (row["schema"], row["name"])
        unique[name] = (*unique.get(name, ()), tuple(row["columns"]))
    relations = {}
    for row in await connection.fetch(queries.RELATIONS, schemas):
        relation = _make_relation(row, columns.get(row["oid"], {}))
        name = (relation.schema, relation.name)
        key = find_view_key(views.get(name, {}), keys) if relation.view else relation.key
        oid = row["oid"] if row["oid"] in quiet else None
        relations[name] = replace(relation, key=key, unique=unique.get(name, ()), quiet=oid)
    return relations


async def _load_views(
    connection: asyncpg.Connection, schemas: list[str]
) -> dict[QualifiedName, dict[tuple[QualifiedName, str], list[str]]]:
    """For every view, which columns of which tables its columns show."""
    rows = await connection.fetch(queries.VIEWS, schemas)
    targets = {row["oid"]: parse_targets(row["action"]) for row in rows}
    traced = {row["oid"]: list(trace_origins(row["oid"], targets)) for row in rows}
    oids = {*traced, *(relation for found in traced.values() for _, (relation, _) in found)}
    names: dict[tuple[int, int], tuple[QualifiedName, str]] = {
        (row["relation"], row["number"]): ((row["schema"], row["relation_name"]), row["name"])
        for row in await connection.fetch(queries.ATTRIBUTES, list(oids))
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
    for row in await connection.fetch(queries.FUNCTIONS, schemas):
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
        told_apart=row["told_apart"],
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
    return MediaHandler((row["schema"], row["name"]), row["media_type"], row["sender"])

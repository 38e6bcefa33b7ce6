"""The root document of a live database: what PostgREST itself answered, and what a role may see of it."""

import functools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from proxy import __version__
from proxy.config import EngineConfig
from proxy.config.engine import read_options
from proxy.database.catalog import load_schema
from proxy.database.inspect import inspect
from proxy.engine.auth.claims import identify
from proxy.engine.openapi.response import make_root_response, refuse_media_types
from proxy.engine.parse.request import parse_request
from proxy.engine.schema import Schema
from proxy.engine.sql.session import Session, make_session
from proxy.errors import ApiError, render_error
from proxy.messages import Answer, Request
from proxy.tape.compare import deviations
from proxy.tape.format import RecordedExchange
from proxy.tape.request import build_request
from tests.support.conformance import login_role, recorded, settings, variant_options
from tests.support.database import ConformanceDatabase, run_apart

VERSIONS = {"14": "14.17", "13": "13.0.8", "12": "12.2.12"}
VARIANTS = ("default", "openapi", "single", "noanon")
DIALECTS = [(variant, "14") for variant in VARIANTS] + [
    (variant, compat) for compat in ("13", "12") for variant in ("default", "openapi")
]


def of_the_root(variant: str, compat: str) -> list[RecordedExchange]:
    """Reads of the root; of older versions, whose errors look different, only those that succeeded.

    The version that the document names is the engine's own, so it is not compared.
    """
    return [
        replace(exchange, ignore=(*exchange.ignore, "$.info.version"))
        for exchange in recorded(variant, version=VERSIONS[compat])
        if exchange.request.method in ("GET", "HEAD")
        and exchange.request.target.partition(b"?")[0] in (b"/", b"")
        and (compat == "14" or exchange.answer.status == 200)
    ]


def options_of(database: ConformanceDatabase, variant: str, compat: str = "14") -> EngineConfig:
    given = {"db-uri": database.login_url(login_role(variant)), "compat": compat}
    return read_options(given, variant_options(variant))


@functools.cache
def schema_of(database: ConformanceDatabase, variant: str) -> Schema:
    options = options_of(database, variant)

    async def load() -> Schema:
        connection = await asyncpg.connect(options.db_uri)
        try:
            return await load_schema(connection, options)
        finally:
            await connection.close()

    return run_apart(load())


@asynccontextmanager
async def transaction(options: EngineConfig, session: Session) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(options.db_uri)
    try:
        async with connection.transaction(readonly=True):
            for name, value in session.settings:
                await connection.execute("SELECT set_config($1, $2, true)", name, value)
            yield connection
    finally:
        await connection.close()


async def answer_root(request: Request, schema: Schema, options: EngineConfig) -> Answer:
    try:
        identity = identify(request, options, time.time())
        wanted = parse_request(request, options)
        refuse_media_types(wanted)
        session = make_session(request, identity, options, schema, namespace=wanted.schema, read_only=True)
        async with transaction(options, session) as connection:
            inspection = await inspect(connection, wanted.schema, options)
        return make_root_response(wanted, schema, options, inspection)
    except ApiError as error:
        return render_error(error)


@pytest.mark.parametrize(("variant", "compat"), DIALECTS)
async def test_the_root_answers_as_postgrest_was_recorded(
    conformance_database: ConformanceDatabase, variant: str, compat: str
) -> None:
    options = options_of(conformance_database, variant, compat)
    schema = schema_of(conformance_database, variant)
    exchanges = of_the_root(variant, compat)
    assert exchanges
    faults = []
    for exchange in exchanges:
        answer = await answer_root(build_request(exchange.request, settings()), schema, options)
        found = deviations(exchange, answer)
        faults += [f"{exchange.id}: {deviation.text}" for deviation in found]
    assert not faults, "\n".join(faults)


async def test_only_the_order_of_relations_and_functions_differs_from_the_recorded_bytes(
    conformance_database: ConformanceDatabase,
) -> None:
    """So they are of the same length, once the version is the same."""
    options = options_of(conformance_database, "openapi")
    schema = schema_of(conformance_database, "openapi")
    [exchange] = recorded("openapi", ids=["openapi-019"])
    answer = await answer_root(build_request(exchange.request, settings()), schema, options)
    own = f'"version":"{__version__}"'.encode()
    assert own in answer.body
    assert len(answer.body.replace(own, b'"version":"14.17"')) == len(exchange.answer.body)


def session_of(role: str, path: str = "zoo, public") -> Session:
    made = (("search_path", path), ("role", role))
    return Session(settings=made, search_path=path, authenticated=True, read_only=True)


async def test_a_role_sees_what_it_has_a_privilege_on(conformance_database: ConformanceDatabase) -> None:
    options = options_of(conformance_database, "default")
    async with transaction(options, session_of("dlm_anon")) as connection:
        everyone = await inspect(connection, "other", options)
    assert everyone.relations is not None
    assert everyone.functions is not None
    assert "location" in everyone.relations
    assert "hidden_table" not in everyone.relations
    assert {function.name for function in everyone.functions} >= {"answer", "gather"}
    assert "hidden_function" not in {function.name for function in everyone.functions}


async def test_types_of_functions_are_named_as_the_search_path_has_it(
    conformance_database: ConformanceDatabase,
) -> None:
    options = options_of(conformance_database, "default")
    types = []
    for path in ("zoo, public", "public"):
        async with transaction(options, session_of("dlm_admin", path)) as connection:
            functions = (await inspect(connection, "zoo", options)).functions or ()
        types += [
            function.parameters[0].type
            for function in functions
            if function.name == "mix" and len(function.parameters) == 1
        ]
    assert types == ["colour", "zoo.colour"]


async def test_where_privileges_are_ignored_the_cache_decides(
    conformance_database: ConformanceDatabase,
) -> None:
    options = replace(options_of(conformance_database, "default"), openapi_mode="ignore-privileges")
    async with transaction(options, session_of("dlm_serial")) as connection:
        inspection = await inspect(connection, "other", options)
    assert inspection.relations is None
    assert inspection.functions is None
    assert (inspection.description or "").startswith("Field station catalogue\n")


MADE = """
  CREATE SCHEMA "Mixed ""Case";
  COMMENT ON SCHEMA "Mixed ""Case" IS 'Odd name';
  SET LOCAL search_path = "Mixed ""Case";
  GRANT USAGE ON SCHEMA "Mixed ""Case" TO dlm_reader;
  CREATE TABLE nothing (id int);
  CREATE TABLE owned (id int);
  ALTER TABLE owned OWNER TO dlm_reader;
  CREATE TABLE trigger_only (id int);
  GRANT TRIGGER ON trigger_only TO dlm_reader;
  CREATE TABLE one_column (id int, secret text);
  GRANT REFERENCES (id) ON one_column TO dlm_reader;
  CREATE TABLE parted (id int) PARTITION BY LIST (id);
  CREATE TABLE part PARTITION OF parted FOR VALUES IN (1);
  GRANT SELECT ON parted, part TO dlm_reader;
  CREATE MATERIALIZED VIEW stored AS SELECT 1 AS n;
  GRANT SELECT ON stored TO dlm_reader;
  CREATE FUNCTION open(a int, VARIADIC b text[]) RETURNS int STABLE LANGUAGE sql AS 'SELECT 1';
  CREATE FUNCTION closed() RETURNS int LANGUAGE sql AS 'SELECT 1';
  REVOKE EXECUTE ON FUNCTION closed FROM PUBLIC;
  CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
"""


async def test_privileges_of_any_kind_count_in_a_schema_of_any_name(
    conformance_database: ConformanceDatabase,
) -> None:
    connection = await asyncpg.connect(conformance_database.url)
    undone = connection.transaction()
    await undone.start()
    try:
        await connection.execute(MADE)
        await connection.execute("SET LOCAL ROLE dlm_reader")
        inspection = await inspect(connection, 'Mixed "Case', EngineConfig())
    finally:
        await undone.rollback()
        await connection.close()
    assert inspection.description == "Odd name"
    assert inspection.relations == frozenset({"owned", "trigger_only", "one_column", "parted", "stored"})
    [function] = inspection.functions or ()
    assert (function.name, function.volatility) == ("open", "stable")
    assert [
        (parameter.name, parameter.type, parameter.required, parameter.variadic)
        for parameter in function.parameters
    ] == [("a", "integer", True, False), ("b", "text[]", True, True)]

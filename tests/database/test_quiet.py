"""Reads that run nothing but what is built in: without a transaction, and without a word of their request."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from random import Random

import asyncpg
import pytest

from proxy.config import EngineConfig
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.database.statements import collect_statements
from proxy.engine.parse.request import parse_request
from proxy.engine.plan.make import make_plan
from proxy.engine.plan.quiet import CALLED
from proxy.engine.schema import Schema
from proxy.engine.sql.build import build_statement
from proxy.errors import ApiError, Unsupported
from proxy.messages import Answer, Request
from proxy.tape.request import build_request, sign
from tests.support.conformance import recorded, settings
from tests.support.database import ConformanceDatabase
from tests.support.engine import engine_options

SCHEMA = """
CREATE SCHEMA hush;
CREATE TYPE hush.mood AS ENUM ('calm', 'cross');
CREATE TYPE hush.pair AS (a integer, b integer);
CREATE DOMAIN hush.short AS text CHECK (length(value) < 9);
CREATE TABLE hush.note (id integer PRIMARY KEY, text text, mood hush.mood, short hush.short, tags text[]);
CREATE TABLE hush.child (id integer PRIMARY KEY, note integer REFERENCES hush.note);
CREATE TABLE hush.other (id integer PRIMARY KEY, text text);
CREATE TABLE hush.paired (id integer PRIMARY KEY, pair hush.pair);
CREATE TABLE hush.secured (id integer PRIMARY KEY);
CREATE VIEW hush.shown AS SELECT * FROM hush.note;
CREATE MATERIALIZED VIEW hush.kept AS SELECT * FROM hush.note;
CREATE FUNCTION hush.loud(hush.note) RETURNS text STABLE LANGUAGE sql
  AS $$ SELECT current_setting('request.method') $$;
CREATE FUNCTION hush.become(who text) RETURNS text LANGUAGE sql
  AS $$ SELECT set_config('role', who, false) $$;
CREATE FUNCTION hush.whoami() RETURNS text STABLE LANGUAGE sql
  AS $$ SELECT current_user || ' ' || current_setting('statement_timeout') $$;
CREATE FUNCTION hush.timeout() RETURNS text STABLE LANGUAGE sql
  AS $$ SELECT current_setting('statement_timeout') $$;
INSERT INTO hush.note VALUES (1, 'one', 'calm', 'x', '{a}'), (2, 'two', 'cross', 'y', '{}');
INSERT INTO hush.other VALUES (7, 'other');
ALTER TABLE hush.secured ENABLE ROW LEVEL SECURITY;
GRANT USAGE ON SCHEMA hush TO dlm_anon, dlm_operator;
GRANT SELECT ON ALL TABLES IN SCHEMA hush TO dlm_anon;
GRANT SELECT ON hush.other, hush.note TO dlm_operator;
REVOKE SELECT ON hush.other FROM dlm_anon;
"""


@dataclass
class Stage:
    """One connection of the engine's, and one from outside to change the schema by."""

    database: Database
    snapshot: EngineSnapshot
    direct: asyncpg.Connection

    async def ask(self, target: str, role: str | None = None) -> Answer:
        token = sign(json.dumps({"role": role}), settings())
        headers = () if role is None else ((b"Authorization", b"Bearer " + token),)
        return await answer(Request("GET", target.encode(), headers), self.snapshot, self.database)

    async def read(self, target: str, role: str | None = None) -> object:
        return json.loads((await self.ask(target, role)).body)

    async def is_quiet(self, target: str, role: str | None = None) -> bool:
        """Whether ``target`` is read by its statement alone."""
        with collect_statements() as statements:
            answered = await self.ask(target, role)
        assert answered.status == 200, answered
        return not any("set_config" in statement for statement in statements)


@pytest.fixture
async def stage(conformance_database: ConformanceDatabase) -> AsyncIterator[Stage]:
    direct = await asyncpg.connect(conformance_database.url)
    await direct.execute(SCHEMA)
    options = replace(await engine_options(conformance_database), db_schemas=("hush",))
    database = Database(options, connections=1, application_name="hush")
    try:
        yield Stage(database, EngineSnapshot(options, await database.load_schema(options)), direct)
    finally:
        await database.close()
        await direct.execute("DROP SCHEMA hush CASCADE")
        await direct.close()


def find_quiet(schema: Schema) -> set[str]:
    return {name for (_, name), relation in schema.relations.items() if relation.quiet is not None}


async def test_tables_of_built_in_types_enums_and_domains_are_quiet_without_policies(stage: Stage) -> None:
    assert find_quiet(stage.snapshot.schema) == {"note", "child", "other", "kept"}


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE FUNCTION hush.json_agg(hush.note) RETURNS json LANGUAGE sql AS 'SELECT null::json'",
        "CREATE FUNCTION public.count(hush.note) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'",
        "CREATE FUNCTION hush.same(text, integer) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
        "CREATE OPERATOR hush.= (LEFTARG = text, RIGHTARG = integer, FUNCTION = hush.same)",
        "CREATE FUNCTION hush.to_json(hush.mood) RETURNS json LANGUAGE sql AS $$ SELECT '1'::json $$;"
        "CREATE CAST (hush.mood AS json) WITH FUNCTION hush.to_json(hush.mood)",
    ],
)
async def test_nothing_is_where_somebody_elses_function_may_be_found(stage: Stage, sql: str) -> None:
    await stage.direct.execute(sql)
    try:
        schema = await stage.database.load_schema(stage.snapshot.options)
    finally:
        await stage.direct.execute("DROP FUNCTION IF EXISTS public.count(hush.note)")
    assert find_quiet(schema) == set()


@pytest.mark.parametrize(
    ("target", "quiet"),
    [
        ("/note", True),
        ("/note?select=id,mood&mood=eq.calm&order=id&limit=1", True),
        ("/note?select=id,child(id)&child.order=id", True),
        ("/child?select=id,note!inner(text)&note.text=eq.one", True),
        ("/note?select=id.sum()", True),
        ("/note?or=(id.eq.1,text.like.*o*)", True),
        ("/kept", True),
        ("/note?select=id,loud", False),
        ("/note?loud=eq.GET", False),
        ("/note?select=id&order=loud", False),
        ("/note?select=id::text", False),
        ("/shown", False),
        ("/secured", False),
        ("/paired", False),
        ("/note?select=id,child(id)&order=loud", False),
        ("/rpc/timeout", False),
    ],
)
async def test_a_read_is_quiet_where_all_of_it_is(stage: Stage, target: str, quiet: bool) -> None:
    for _ in range(3):
        assert await stage.is_quiet(target) == quiet


async def test_another_roles_rights_are_never_ones_own(stage: Stage) -> None:
    for _ in range(3):
        assert await stage.read("/other", "dlm_operator") == [{"id": 7, "text": "other"}]
        assert (await stage.ask("/other")).status == 401
        assert await stage.is_quiet("/note")
        assert (await stage.ask("/other")).status == 401


async def test_a_function_that_becomes_somebody_else_is_alone_in_that(stage: Stage) -> None:
    for _ in range(2):
        assert (await stage.ask("/other")).status == 401
        assert await stage.is_quiet("/note")
        await stage.read("/rpc/become?who=dlm_operator")
        assert (await stage.ask("/other")).status == 401


async def test_the_engine_itself_is_none_of_its_clients(stage: Stage) -> None:
    async def read_user(connection: asyncpg.Connection) -> object:
        return await connection.fetchval("SELECT current_user || ' ' || current_setting('search_path')")

    before = await stage.database.run(read_user)
    assert await stage.is_quiet("/note")
    assert await stage.database.run(read_user) == before
    assert str(before).startswith("dlm_authenticator")


async def test_a_roles_own_settings_stand_with_it_and_no_longer(stage: Stage) -> None:
    schema = replace(
        stage.snapshot.schema, role_settings={"dlm_operator": (("statement_timeout", "7s"), ("app.x", "1"))}
    )
    stage.snapshot = EngineSnapshot(stage.snapshot.options, schema)
    for _ in range(2):
        assert await stage.is_quiet("/note", "dlm_operator")
        assert await stage.read("/rpc/timeout") == "0"
        assert await stage.read("/rpc/timeout", "dlm_operator") == "7s"
        assert await stage.is_quiet("/note", "dlm_operator")
        assert await stage.is_quiet("/note")
        assert await stage.read("/rpc/timeout") == "0"


async def test_a_role_has_settings_that_it_may_not_make_itself(stage: Stage) -> None:
    if stage.direct.get_server_version() < (15,):
        pytest.skip("no role may be granted a parameter before PostgreSQL 15")
    await stage.direct.execute("GRANT SET ON PARAMETER deadlock_timeout TO dlm_authenticator")
    schema = replace(stage.snapshot.schema, role_settings={"dlm_operator": (("deadlock_timeout", "900ms"),)})
    stage.snapshot = EngineSnapshot(stage.snapshot.options, schema)
    try:
        for _ in range(2):
            assert await stage.is_quiet("/note")
            assert await stage.is_quiet("/note", "dlm_operator")
            assert await stage.read("/rpc/timeout") == "0"
            assert await stage.is_quiet("/note")
            assert await stage.read("/rpc/timeout", "dlm_operator") == "0"
            assert await stage.is_quiet("/note", "dlm_operator")
            assert await stage.database.run(lambda connection: connection.fetchval("SELECT 1")) == 1
    finally:
        await stage.direct.execute("REVOKE SET ON PARAMETER deadlock_timeout FROM dlm_authenticator")


async def test_of_many_at_once_nobody_is_ever_somebody_else(stage: Stage) -> None:
    schema = replace(stage.snapshot.schema, role_settings={"dlm_operator": (("statement_timeout", "7s"),)})
    stage.snapshot = EngineSnapshot(stage.snapshot.options, schema)
    stage.database = Database(stage.snapshot.options, connections=3, application_name="hush")
    dice = Random(8)
    requests: dict[tuple[str, str | None], object] = {
        ("/other", "dlm_operator"): [{"id": 7, "text": "other"}],
        ("/other", None): "42501",
        ("/note?select=id&id=eq.1", None): [{"id": 1}],
        ("/note?select=id&id=eq.1", "dlm_operator"): [{"id": 1}],
        ("/note?select=id&id=eq.x", "dlm_operator"): "22P02",
        ("/rpc/whoami", None): "dlm_anon 0",
        ("/rpc/whoami", "dlm_operator"): "dlm_operator 7s",
        ("/rpc/become?who=dlm_operator", None): "dlm_operator",
    }

    async def ask(target: str, role: str | None, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                said = await stage.read(target, role)
        except TimeoutError:
            return
        told = said["code"] if isinstance(said, dict) else said
        assert told == requests[target, role], (target, role)

    async def look() -> None:
        user = await stage.database.run(lambda one: one.fetchval("SELECT current_user"))
        assert user == "dlm_authenticator"

    try:
        for _ in range(40):
            chosen = dice.choices(tuple(requests), k=20)
            asked = [ask(*one, dice.choice((0.004, 30))) for one in chosen]
            await asyncio.gather(look(), *asked, look())
    finally:
        await stage.database.close()


async def test_what_takes_too_long_is_not_tried_again(stage: Stage) -> None:
    schema = replace(stage.snapshot.schema, role_settings={"dlm_anon": (("statement_timeout", "50ms"),)})
    stage.snapshot = EngineSnapshot(stage.snapshot.options, schema)
    async with stage.direct.transaction():
        await stage.direct.execute("LOCK TABLE hush.note")
        with collect_statements() as statements:
            answered = await stage.ask("/note")
    assert json.loads(answered.body)["code"] == "57014"
    assert len(statements) == 1


async def test_a_policy_is_told_who_asks_before_the_schema_cache_is_read_again(stage: Stage) -> None:
    assert await stage.is_quiet("/note")
    await stage.direct.execute(
        "ALTER TABLE hush.note ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY own ON hush.note"
        " USING ((current_setting('request.jwt.claims')::json ->> 'role') = 'dlm_operator' OR id = 2)"
    )
    for _ in range(2):
        assert [row["id"] for row in json.loads((await stage.ask("/note?select=id&order=id")).body)] == [2]
        assert await stage.read("/note?select=id&order=id", "dlm_operator") == [{"id": 1}, {"id": 2}]


async def test_the_engine_is_itself_after_such_a_change_as_well(stage: Stage) -> None:
    assert await stage.is_quiet("/note")
    await stage.direct.execute("ALTER TABLE hush.note ENABLE ROW LEVEL SECURITY")
    assert await stage.read("/note") == []
    for _ in range(2):
        assert not await stage.is_quiet("/note")
        assert (
            await stage.database.run(lambda one: one.fetchval("SELECT current_user")) == "dlm_authenticator"
        )


async def test_a_view_in_a_tables_place_is_too(stage: Stage) -> None:
    assert await stage.is_quiet("/note?select=text")
    await stage.direct.execute(
        "ALTER TABLE hush.note RENAME TO base;"
        "CREATE VIEW hush.note AS SELECT id, current_setting('request.path', true) AS text FROM hush.base;"
        "GRANT SELECT ON hush.note TO dlm_anon"
    )
    for _ in range(2):
        assert await stage.read("/note?select=text&limit=1") == [{"text": "/note"}]
    stage.snapshot = EngineSnapshot(
        stage.snapshot.options, await stage.database.load_schema(stage.snapshot.options)
    )
    assert await stage.read("/note?select=text&limit=1") == [{"text": "/note"}]
    assert await stage.is_quiet("/other", "dlm_operator")


async def test_a_mirrored_read_is_told_everything_and_undone_whatever_a_table_has_become(
    stage: Stage,
) -> None:
    options = stage.snapshot.options
    stage.database = Database(options, connections=1, application_name="hush", read_only=True)
    await stage.direct.execute(
        "CREATE FUNCTION hush.tell() RETURNS boolean LANGUAGE sql"
        " AS $$ SELECT pg_notify('hush', 'read') IS NOT NULL $$;"
        "ALTER TABLE hush.note ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY told ON hush.note USING (hush.tell())"
    )
    heard: list[object] = []
    await stage.direct.add_listener("hush", lambda *told: heard.append(told[-1]))
    try:
        assert not await stage.is_quiet("/note")
        await stage.direct.execute("SELECT pg_notify('hush', 'end')")
        await stage.direct.fetch("SELECT")
        assert heard == ["end"]
    finally:
        await stage.database.close()


async def test_the_database_itself_keeps_it_from_writing(stage: Stage) -> None:
    async def look(connection: asyncpg.Connection) -> list[object]:
        names = ("transaction_read_only", "transaction_isolation")
        return [await connection.fetchval(f"SHOW {name}") for name in names]

    assert await stage.database.run(look) == ["on", "read committed"]


async def test_statements_call_nothing_that_the_catalog_was_not_asked_about(
    conformance_database: ConformanceDatabase,
) -> None:
    options = await engine_options(conformance_database)
    database = Database(options, connections=1, application_name="names")
    schema = await database.load_schema(options)
    await database.close()
    called: set[str] = set()
    quiet = 0
    for exchange in recorded("default"):
        if exchange.request.method != "GET":
            continue
        shape = find_shape(build_request(exchange.request, settings()), schema, options)
        if shape is not None:
            quiet += 1
            called |= set(re.findall(r"(?<![\w.\"])([a-z_][a-z0-9_]*)\(", shape.lower()))
    assert quiet > 1000
    assert (
        called - {"cast", "coalesce", "nullif", "any", "all", "exists", "as", "and", "or", "not", "in"}
        <= CALLED
    )


def find_shape(request: Request, schema: Schema, options: EngineConfig) -> str | None:
    """The statement of a read that is quiet."""
    try:
        plan = make_plan(parse_request(request, options), schema, options)
    except (ApiError, Unsupported):
        return None
    return build_statement(plan.shape).sql if plan.shape.quiet else None

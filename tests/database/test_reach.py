"""How far writes reach, read from a real catalog; and that PostgreSQL undoes what is taken to be undone."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from proxy.database.reach import load_reach
from proxy.engine.reach import Reach, find_hazards
from tests.support.database import run_apart, throwaway_database

SCHEMA = """
CREATE SCHEMA s;
CREATE SEQUENCE s.q;
CREATE FUNCTION s.calm() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN NEW.at := now(); PERFORM pg_notify('a', 'b'); RETURN NEW; END $$;
CREATE FUNCTION s.loud() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM setval('s.q', 5); RETURN NEW; END $$;
CREATE FUNCTION s.parsed(n int) RETURNS bigint LANGUAGE sql
  BEGIN ATOMIC SELECT setval('s.q'::regclass, n); END;
CREATE FUNCTION s.native() RETURNS trigger LANGUAGE internal AS 'suppress_redundant_updates_trigger';
CREATE FUNCTION s.checked(text) RETURNS boolean LANGUAGE sql AS $$ SELECT pg_try_advisory_lock(1) $$;
CREATE AGGREGATE s.loudest(int) (SFUNC = int4larger, STYPE = int);

CREATE TABLE s.plain (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label text,
  twice int GENERATED ALWAYS AS (length(label) * 2) STORED);
CREATE TABLE s.calm_one (id serial PRIMARY KEY, at timestamptz);
CREATE TRIGGER t BEFORE INSERT ON s.calm_one FOR EACH ROW EXECUTE FUNCTION s.calm();
CREATE TABLE s.loud_one (id int PRIMARY KEY);
CREATE TRIGGER t AFTER INSERT ON s.loud_one FOR EACH STATEMENT EXECUTE FUNCTION s.loud();
CREATE TABLE s.quiet_one (id int PRIMARY KEY);
CREATE TRIGGER t AFTER INSERT ON s.quiet_one FOR EACH ROW EXECUTE FUNCTION s.loud();
ALTER TABLE s.quiet_one DISABLE TRIGGER t;
CREATE TABLE s.built_in (id int PRIMARY KEY);
CREATE TRIGGER t BEFORE UPDATE ON s.built_in FOR EACH ROW
  EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE TABLE s.native_one (id int PRIMARY KEY);
CREATE TRIGGER t BEFORE UPDATE ON s.native_one FOR EACH ROW EXECUTE FUNCTION s.native();

CREATE VIEW s.loud_view AS SELECT * FROM s.loud_one;
CREATE VIEW s.ruled AS SELECT 1 AS id;
CREATE RULE r AS ON INSERT TO s.ruled DO INSTEAD INSERT INTO s.loud_one VALUES (NEW.id);
CREATE TABLE s.parent (id int, kind text) PARTITION BY LIST (kind);
CREATE TABLE s.part PARTITION OF s.parent FOR VALUES IN ('a');
CREATE TRIGGER t AFTER INSERT ON s.part FOR EACH ROW EXECUTE FUNCTION s.loud();
CREATE TABLE s.owner (id int PRIMARY KEY);
CREATE TABLE s.owned (id int PRIMARY KEY, owner int REFERENCES s.owner ON DELETE SET NULL);
CREATE TRIGGER t AFTER UPDATE ON s.owned FOR EACH ROW EXECUTE FUNCTION s.loud();
CREATE TABLE s.lender (id int PRIMARY KEY);
CREATE TABLE s.lent (id int PRIMARY KEY, lender int REFERENCES s.lender);
CREATE TRIGGER t AFTER UPDATE ON s.lent FOR EACH ROW EXECUTE FUNCTION s.loud();
CREATE TABLE s.by_default (id int, n bigint DEFAULT s.parsed(3));
CREATE DOMAIN s.word AS text CHECK (s.checked(VALUE));
CREATE TABLE s.by_domain (word s.word);
CREATE TABLE s.by_index (label text);
CREATE FUNCTION s.steady(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT dblink($1) $$;
"""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with throwaway_database() as url:
        run_apart(make_schema(url))
        yield url


async def make_schema(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET check_function_bodies = off")
        await connection.execute(SCHEMA)
    finally:
        await connection.close()


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def reach(connection: asyncpg.Connection) -> Reach:
    return await load_reach(connection)


def test_hazards_are_found_by_every_way_that_leads_to_them(reach: Reach) -> None:
    relations, functions = find_hazards(reach)
    hazardous = {name for (_, name), reasons in relations.items() if reasons}
    loud = {"loud_one", "loud_view", "ruled", "parent", "part", "owner", "owned", "lent"}
    assert hazardous == loud | {"native_one", "by_default", "by_domain"}
    assert relations["s", "loud_view"] == ("s.loud calls setval, which a rollback does not undo",)
    assert relations["s", "native_one"] == ("s.native is written in the untrusted language internal",)
    assert {name for (_, name), reasons in functions.items() if reasons} == {
        *("loud", "parsed", "native", "checked", "steady")
    }
    assert functions["s", "loudest"] == ()


def test_what_a_row_gets_by_itself_is_known(reach: Reach) -> None:
    assert reach.relations["s", "plain"].made == {"id", "twice"}
    (trigger,) = reach.relations["s", "calm_one"].triggers
    assert trigger.before
    assert trigger.events == frozenset({"insert"})
    (statement,) = reach.relations["s", "loud_one"].triggers
    assert not statement.before


async def test_postgresql_undoes_settings_and_not_what_is_called_a_hazard(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("CREATE SEQUENCE IF NOT EXISTS q")
        await connection.execute("BEGIN")
        await connection.execute(
            "SELECT set_config('understudy.kept', 'yes', false), setval('q', 500), pg_advisory_lock(7),"
            " pg_advisory_xact_lock(8)"
        )
        await connection.execute("ROLLBACK")
        assert (
            await connection.fetchval("SELECT coalesce(current_setting('understudy.kept', true), '')") == ""
        )
        assert await connection.fetchval("SELECT last_value FROM q") == 500
        locks = await connection.fetch("SELECT objid FROM pg_locks WHERE locktype = 'advisory'")
        assert [row["objid"] for row in locks] == [7]
    finally:
        await connection.close()

"""Which keys the catalog vouches for: no two rows share them, and none of their columns is null."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from proxy.config import EngineConfig
from proxy.database.catalog import load_schema
from proxy.engine.schema import Schema
from tests.support.database import throwaway_database

SQL = """
create schema k;
create table k.plain (b integer, a integer not null, c text not null, primary key (b, a), unique (c));
create table k.nullable (a integer unique, b integer not null);
create table k.partial (a integer not null); create unique index on k.partial (a) where a > 0;
create table k.expressed (a text not null); create unique index on k.expressed (lower(a));
create table k.included (a integer not null, b integer not null);
create unique index on k.included (a) include (b);
create table k.parent (a integer primary key); create table k.child () inherits (k.parent);
create table k.parted (a integer not null, b integer, primary key (a)) partition by range (a);
create table k.parted_1 partition of k.parted for values from (0) to (10);
create view k.seen as select * from k.plain;
create materialized view k.kept as select * from k.plain; create unique index on k.kept (c);
create collation k.blind (locale = 'C');
-- What only servers with ICU can create.
update pg_collation set collisdeterministic = false where collname = 'blind';
create table k.word (a text collate k.blind, b text);
"""


@pytest.fixture(scope="module")
def schema() -> Iterator[Schema]:
    async def load(url: str) -> Schema:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(SQL)
            return await load_schema(connection, EngineConfig(db_schemas=("k",)))
        finally:
            await connection.close()

    with throwaway_database() as url:
        yield asyncio.run(load(url))


@pytest.mark.parametrize(
    ("name", "unique"),
    [
        ("plain", (("b", "a"), ("c",))),
        ("nullable", ()),
        ("partial", ()),
        ("expressed", ()),
        ("included", (("a",),)),
        ("parent", ()),
        ("child", ()),
        ("parted", (("a",),)),
        ("seen", ()),
        # Columns of a materialized view may be null, whatever those of its tables may be.
        ("kept", ()),
    ],
)
def test_only_whole_valid_indexes_without_nulls_count(
    schema: Schema, name: str, unique: tuple[tuple[str, ...], ...]
) -> None:
    assert schema.relations["k", name].unique == unique


def test_a_collation_that_takes_different_texts_for_equal_is_noted(schema: Schema) -> None:
    columns = schema.relations["k", "word"].columns
    assert (columns["a"].told_apart, columns["b"].told_apart) == (False, True)

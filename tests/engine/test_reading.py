"""What a request promises about the order of its rows, also inside of them."""

from types import MappingProxyType

import pytest

from proxy.config import EngineConfig
from proxy.engine.reading import describe_reading
from proxy.engine.schema import (
    Column,
    ComputedRelationship,
    Function,
    Junction,
    Relation,
    Relationship,
    Schema,
)
from proxy.messages import Request
from proxy.reading import BOUND, Reading


def column(name: str, kind: str = "integer", *, told_apart: bool = True) -> Column:
    return Column(name, kind, kind, told_apart=told_apart)


def relation(name: str, *columns: Column, unique: tuple[tuple[str, ...], ...] = ()) -> Relation:
    return Relation(
        "api", name, {one.name: one for one in columns}, key=unique[0] if unique else (), unique=unique
    )


ITEM = relation(
    "item",
    *(column("id"), column("year"), column("number"), column("name", "text"), column("price", "numeric")),
    *(column("word", "text", told_apart=False), column("span", "interval"), column("meta", "jsonb")),
    unique=(("id",), ("year", "number")),
)
PART = relation("part", column("id"), column("item_id"), column("seq"), unique=(("id",), ("item_id", "seq")))
TAG = relation("tag", column("id"), column("name", "text"), unique=(("id",),))
ITEM_TAG = relation("item_tag", column("item_id"), column("tag_id"), unique=(("item_id", "tag_id"),))
VIEW = Relation(
    "api", "listing", {"id": column("id"), "name": column("name", "text")}, key=("id",), view=True
)

Name = tuple[str, str]


def name(text: str) -> Name:
    return ("api", text)


SCHEMA = Schema(
    relations=MappingProxyType({name(one.name): one for one in (ITEM, PART, TAG, ITEM_TAG, VIEW)}),
    relationships=MappingProxyType(
        {
            (name("item"), "api"): (
                Relationship(name("item"), name("part"), "one-to-many", "part_item", (("id", "item_id"),)),
                Relationship(
                    name("item"),
                    name("tag"),
                    "many-to-many",
                    junction=Junction(name("item_tag"), "a", "b", (("id", "item_id"),), (("id", "tag_id"),)),
                ),
                ComputedRelationship(name("item"), name("tag"), name("best_tags"), to_one=False),
            ),
            (name("part"), "api"): (
                Relationship(name("part"), name("item"), "many-to-one", "part_item", (("item_id", "id"),)),
            ),
        }
    ),
    functions=MappingProxyType(
        {
            name("newest"): (
                Function(
                    "api",
                    "newest",
                    returns=name("item"),
                    returns_set=True,
                    composite=True,
                    volatility="stable",
                ),
            ),
            name("roll"): (Function("api", "roll", returns=("pg_catalog", "int4")),),
        }
    ),
)
OPTIONS = EngineConfig(db_schemas=("api",), db_aggregates_enabled=True)


def read(target: str, method: str = "GET", options: EngineConfig = OPTIONS) -> Reading:
    return describe_reading(Request(method, target.encode()), options, SCHEMA)


@pytest.mark.parametrize(
    ("query", "order", "ties"),
    [
        ("", "open", None),
        ("order=id", "bound", None),
        ("order=name,id.desc.nullsfirst", "bound", None),
        ("order=year,number", "bound", None),
        ("order=number&year=eq.5", "bound", None),
        ("number=eq.1&year=eq.5", "bound", None),
        ("and=(number.eq.1,year.eq.5)", "bound", None),
        ("id=eq.5", "bound", None),
        ("order=year", "partial", ("year",)),
        ("order=number&year=gt.5", "partial", ("number",)),
        ("order=number&year=not.eq.5", "partial", ("number",)),
        ("order=number&or=(year.eq.5,year.eq.6)", "partial", ("number",)),
        ("id=in.(5)", "open", None),
        ("order=name,price", "partial", ("name", "price")),
        ("order=name&select=id,title:name", "partial", ("title",)),
        ("order=name&select=id", "partial", None),
        ("order=name&select=id,name::text", "partial", None),
        ("order=name&select=id,name:year,name", "partial", None),
        ("order=word", "partial", None),
        ("order=span", "partial", None),
        ("order=meta->a", "partial", None),
        ("order=meta->id", "partial", None),
        ("order=id&select=name", "bound", None),
        ("order=year&select=year,id.count()", "partial", ("year",)),
        ("order=id&select=id,price.sum()", "partial", ("id",)),
        ("select=year,id.count()", "open", None),
    ],
)
def test_the_order_of_a_table(query: str, order: str, ties: tuple[str, ...] | None) -> None:
    reading = read(f"/item?{query}")
    assert (reading.order, reading.ties) == (order, ties)


def test_what_a_view_takes_for_its_key_binds_nothing_and_matches_rows_all_the_same() -> None:
    reading = read("/listing?order=id")
    assert (reading.order, reading.ties, reading.key) == ("partial", ("id",), ("id",))


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("", ("id",)),
        ("select=id", ("id",)),
        ("select=key:id", ("key",)),
        ("select=year,number", ("year", "number")),
        ("select=year,name", ()),
        ("select=id::text", ()),
    ],
)
def test_the_key_is_the_first_that_is_shown_whole(query: str, key: tuple[str, ...]) -> None:
    assert read(f"/item?{query}").key == key


@pytest.mark.parametrize(
    ("query", "offset", "limit"),
    [("", 0, None), ("limit=5", 0, 5), ("offset=3", 3, None), ("limit=5&offset=2", 2, 5), ("limit=0", 0, 0)],
)
def test_the_page(query: str, offset: int, limit: int | None) -> None:
    reading = read(f"/item?{query}")
    assert (reading.offset, reading.limit) == (offset, limit)


def test_everyone_has_the_limit_of_the_server_also_inside() -> None:
    limited = EngineConfig(db_schemas=("api",), db_max_rows=10)
    reading = read("/item?limit=50&select=id,part(id)", options=limited)
    assert (reading.limit, dict(reading.inside)["part"].limit) == (10, 10)


def inside(target: str, key: str) -> Reading:
    return dict(read(target).inside)[key]


def test_an_embedded_list_has_an_order_of_its_own() -> None:
    assert inside("/item?select=id,part(*)", "part").order == "open"
    assert inside("/item?select=id,parts:part(*)&parts.order=id", "parts").order == "bound"
    # Its rows are those of one item.
    assert inside("/item?select=id,part(*)&part.order=seq", "part").order == "bound"
    assert inside("/item?select=id,part(*)&part.order=item_id", "part").order == "partial"
    assert inside("/item?select=id,part(*)&part.limit=2", "part").limit == 2


def test_lists_inside_of_objects_inside_of_rows() -> None:
    item = inside("/part?select=id,item(id,part(id))&item.part.order=id", "item")
    assert dict(item.inside)["part"].order == "bound"


def test_rows_through_a_junction_are_bound_by_the_targets_key() -> None:
    assert inside("/item?select=id,tag!item_tag(*)&tag.order=id", "tag").order == "bound"
    assert inside("/item?select=id,tag!item_tag(*)&tag.order=name", "tag").ties == ("name",)


def test_rows_that_a_function_relates_may_be_there_twice() -> None:
    reading = inside("/item?select=id,best_tags(id,name)&best_tags.order=id", "best_tags")
    assert (reading.order, reading.ties) == ("partial", ("id",))


def test_a_spread_of_many_gives_parallel_arrays() -> None:
    ((names, reading),) = read("/item?select=id,...part(seqs:seq,number:id)&part.order=seq").spreads
    assert (names, reading.order) == (("seqs", "number"), "bound")
    ((_, unordered),) = read("/item?select=id,...part(seq)").spreads
    assert unordered.order == "open"


def test_a_spread_of_one_gives_its_lists_to_the_row() -> None:
    reading = read("/part?select=id,...item(name,part(id))")
    assert dict(reading.inside)["part"].order == "open"


def test_a_related_order_cannot_be_told() -> None:
    reading = read("/part?select=id,item(id)&order=item(name)")
    assert (reading.order, reading.ties) == ("partial", None)
    assert read("/part?select=id,item(id)&order=item(name),id").order == "bound"


def test_a_function_keeps_its_own_order_unless_another_is_asked_for() -> None:
    assert read("/rpc/newest").order == "bound"
    assert read("/rpc/newest").repeatable
    ordered = read("/rpc/newest?order=id")
    assert (ordered.order, ordered.ties) == ("partial", ("id",))
    assert read("/rpc/newest?order=word").ties is None


def test_a_volatile_function_is_not_to_be_called_again() -> None:
    assert not read("/rpc/roll").repeatable
    assert read("/item").repeatable


@pytest.mark.parametrize(
    "target", ["/", "/nowhere", "/item?select=(", "/item?limit=x&order=1.2.3", "/rpc/none"]
)
def test_what_gives_no_rows_is_bound(target: str) -> None:
    assert read(target).order in ("bound", "open")
    assert read("/item?order=a.b.c") == BOUND

"""Changes of relations: what is planned, what SQL comes of it, and what a client is told."""

from dataclasses import replace

import pytest

from proxy.config import Compat, EngineConfig
from proxy.engine.dialect import find_dialect
from proxy.engine.parse.request import parse_request
from proxy.engine.plan.make import make_plan
from proxy.engine.plan.whole import Conflict, Delete, GivenColumn, Insert, Plan, Portion, Update
from proxy.engine.response import Rows, check_rows, make_response
from proxy.engine.schema import Column, Relation, Schema
from proxy.engine.sql.build import build_statement, collect_values
from proxy.errors import ApiError
from proxy.messages import Answer, Request

ITEM = Relation(
    "api",
    "item",
    {
        "id": Column("id", "integer", "integer", default="nextval('api.item_id_seq'::regclass)"),
        "name": Column("name", "character varying", "character varying(5)"),
        "note": Column("note", "text", "text", default="'it''s \\ new'::text"),
        "shade": Column("shade", "integer", "api.colour"),
    },
    ("id",),
)
BARE = Relation("api", "bare", {"a": Column("a", "integer", "integer")})
SCHEMA = Schema(
    relations={("api", "item"): ITEM, ("api", "bare"): BARE},
    representations={("json", "api.colour"): "api.colour_from_json"},
)


def options(compat: Compat = "14") -> EngineConfig:
    return EngineConfig(db_schemas=("api",), db_anon_role="anon", compat=compat)


def plan(method: str, target: str, body: str = "", prefer: str = "", compat: Compat = "14") -> Plan:
    headers = ((b"Prefer", prefer.encode()),) if prefer else ()
    request = Request(method, target.encode(), headers, body.encode())
    return make_plan(parse_request(request, options(compat)), SCHEMA, options(compat))


def insert(target: str, body: str, prefer: str = "") -> Insert:
    source = plan("POST", target, body, prefer).shape.source
    assert isinstance(source, Insert)
    return source


def sql(planned: Plan) -> str:
    return " ".join(build_statement(planned.shape).sql.split())


def refused(method: str, target: str, body: str = "", prefer: str = "", compat: Compat = "14") -> ApiError:
    with pytest.raises(ApiError) as caught:
        plan(method, target, body, prefer, compat)
    return caught.value


# Which columns, and what they are read as


def test_columns_are_given_in_the_order_of_their_names_as_they_were_declared() -> None:
    given = insert("/item", '{"shade": "red", "name": "x"}').rows.columns
    assert given == (
        GivenColumn("name", "character varying(5)"),
        GivenColumn("shade", "json", "api.colour_from_json"),
    )


def test_defaults_are_known_only_where_they_are_asked_for() -> None:
    assert [one.default for one in insert("/item", '{"id": 1}').rows.columns] == [None]
    filled = insert("/item?columns=id,note", "[{}]", "missing=default").rows
    assert filled.defaults
    assert [one.default for one in filled.columns] == [ITEM.columns[name].default for name in ("id", "note")]


def test_two_payloads_of_the_same_keys_are_the_same_statement() -> None:
    one = plan("POST", "/item", '[{"id": 1, "name": "a"}]')
    other = plan("POST", "/item", '[{"name": "b", "id": 2}, {"name": "c", "id": 3}]')
    assert one.shape == other.shape
    assert collect_values(one.shape) == ['[{"id": 1, "name": "a"}]']


def test_an_unknown_column_is_refused_the_first_by_name() -> None:
    error = refused("PATCH", "/item", '{"zz": 1, "aa": 1}')
    assert (error.status, error.code) == (400, "PGRST204")
    assert error.message == "Could not find the 'aa' column of 'item' in the schema cache"


def test_an_unknown_relation_is_refused_by_the_dialect_s_rule() -> None:
    assert refused("POST", "/items", '{"id": 1}').code == "PGRST205"
    assert refused("POST", "/items", '{"id": 1}', compat="12").code == ""
    assert isinstance(plan("DELETE", "/items", compat="12").shape.source, Delete)


# Conflicts


@pytest.mark.parametrize(
    ("target", "prefer", "conflict"),
    [
        ("/item", "", None),
        ("/item?on_conflict=name", "", None),
        ("/item", "resolution=merge-duplicates", Conflict(("id",), merge=True)),
        ("/item?on_conflict=name", "resolution=ignore-duplicates", Conflict(("name",), merge=False)),
        ("/bare", "resolution=merge-duplicates", Conflict((), merge=True)),
    ],
)
def test_a_conflict_is_resolved_by_preference(target: str, prefer: str, conflict: Conflict | None) -> None:
    assert insert(target, "[]", prefer).conflict == conflict


def test_the_resolution_is_applied_only_where_conflicts_have_a_target() -> None:
    prefer = "resolution=merge-duplicates"
    assert plan("POST", "/item", "[]", prefer).applied == (prefer,)
    assert plan("POST", "/bare", "[]", prefer).applied == ()


def test_an_upsert_needs_exactly_its_key() -> None:
    planned = plan("PUT", "/item?id=eq.1", '{"id": 1}').shape.source
    assert isinstance(planned, Insert)
    assert (planned.conflict, planned.counted, len(planned.matching)) == (
        Conflict(("id",), merge=True),
        True,
        1,
    )
    for target in ("/item", "/item?id=gt.1", "/item?id=not.eq.1", "/item?id=eq.1&name=eq.x", "/bare?a=eq.1"):
        assert refused("PUT", target, '{"id": 1}').code == "PGRST105"
    assert refused("PUT", "/item?id=eq.1&limit=1", '{"id": 1}').code == "PGRST114"


# SQL


def test_an_insert_reads_its_rows_from_one_parameter() -> None:
    assert sql(plan("POST", "/item", '[{"id": 1, "name": "x"}]')).startswith(
        'WITH pgrst_source AS (INSERT INTO "api"."item" ("id", "name") '
        'SELECT pgrst_body."id" AS "id", pgrst_body."name" AS "name" '
        'FROM (SELECT "id" AS "id", "name" AS "name" FROM json_to_recordset(CAST($1 AS json)) '
        'AS _("id" integer, "name" character varying(5))) AS pgrst_body RETURNING 1)'
    )


def test_rows_without_columns_are_rows_of_defaults() -> None:
    assert sql(plan("POST", "/item", "{}")).startswith(
        'WITH pgrst_source AS (INSERT INTO "api"."item" SELECT FROM (SELECT FROM (SELECT 1) AS _) '
    )
    several = plan("POST", "/item", "[{}, {}]", "resolution=merge-duplicates")
    assert "json_array_elements(CAST($1 AS json))" in sql(several)
    assert 'ON CONFLICT ("id") DO NOTHING' in sql(several)


def test_defaults_stand_in_front_of_what_is_given() -> None:
    text = sql(plan("POST", "/item?columns=note", "{}", "missing=default"))
    assert "jsonb_build_object('note', 'it''s \\ new'::text) || CAST($1 AS jsonb)" in text


def test_an_update_takes_its_values_from_the_body_and_its_rows_from_the_filters() -> None:
    planned = plan("PATCH", "/item?id=eq.7&or=(name.eq.a,name.eq.b)", '{"note": "x"}')
    assert 'UPDATE "api"."item" SET "note"=pgrst_body."note" FROM' in sql(planned)
    named = '"api"."item"."name"'
    found = f'WHERE ("api"."item"."id" = $2) AND (({named} = $3) OR ({named} = $4)) RETURNING 1'
    assert found in sql(planned)
    assert collect_values(planned.shape) == ['{"note": "x"}', "7", "a", "b"]


def test_an_update_of_nothing_touches_nothing() -> None:
    planned = plan("PATCH", "/item?id=eq.7", "{}", "return=representation")
    assert planned.shape.source == Update(("api", "item"), returning=("*",))
    assert "UPDATE" not in sql(planned)
    assert collect_values(planned.shape) == []


def test_what_is_not_shown_is_not_selected() -> None:
    planned = plan("DELETE", "/item?id=eq.1&select=name,no_such&order=name", prefer="return=minimal")
    assert "no_such" not in sql(planned)
    assert collect_values(planned.shape) == ["1"]


def test_what_is_shown_comes_back_with_the_key() -> None:
    planned = plan("POST", "/item?select=name", "{}", "return=representation")
    assert isinstance(planned.shape.source, Insert)
    assert planned.shape.source.returning == ("id", "name")


# A page of rows, in PostgREST 12


def test_twelve_limits_a_change_to_a_page_that_has_an_order() -> None:
    planned = plan("DELETE", "/item?limit=2&order=id", compat="12")
    assert isinstance(planned.shape.source, Delete)
    assert isinstance(planned.shape.source.portion, Portion)
    assert planned.shape.source.portion.by == ("id",)
    assert 'DELETE FROM "api"."item" USING (SELECT "api"."item"."id" FROM' in sql(planned)
    assert refused("DELETE", "/item?limit=2", compat="12").code == "PGRST109"
    with pytest.raises(ApiError, match="PGRST110"):
        check_rows(planned, Rows(None, 3, b"", None, None), find_dialect("12"))


@pytest.mark.parametrize(("method", "body"), [("DELETE", ""), ("PATCH", '{"note": "x"}')])
def test_a_column_that_orders_a_page_twice_is_ambiguous_to_postgresql(method: str, body: str) -> None:
    made = sql(plan(method, "/item?limit=2&order=id,id.desc", body, compat="12"))
    assert '(SELECT "api"."item"."id", "api"."item"."id" FROM "api"."item"' in made
    assert made.count('"api"."item"."id" = pgrst_affected_rows."id"') == 2


def test_thirteen_and_fourteen_change_all_rows() -> None:
    for compat in ("13", "14"):
        planned = plan("DELETE", "/item?limit=2&order=id", compat=compat)
        assert planned.shape.source == Delete(("api", "item"))


# What a client is told


def told(planned: Plan, rows: Rows) -> Answer:
    return make_response(planned, rows, Request("POST", b"/item"), find_dialect("14"))


@pytest.mark.parametrize(
    ("method", "prefer", "page", "inserted", "status", "content_range"),
    [
        ("POST", "", 2, None, 201, b"*/*"),
        ("POST", "count=exact", 0, None, 201, b"*/0"),
        ("POST", "resolution=merge-duplicates", 2, 0, 200, b"*/*"),
        ("POST", "resolution=merge-duplicates", 2, 1, 201, b"*/*"),
        ("POST", "resolution=ignore-duplicates", 0, None, 201, b"*/*"),
        ("PATCH", "", 3, None, 204, b"0-2/*"),
        ("PATCH", "count=exact,return=representation", 0, None, 200, b"*/0"),
        ("DELETE", "count=exact", 3, None, 204, b"*/3"),
        ("PUT", "", 1, 1, 204, None),
        ("PUT", "return=representation", 1, 1, 201, None),
        ("PUT", "return=representation", 1, 0, 200, None),
    ],
)
def test_status_and_range_tell_what_was_done(
    method: str, prefer: str, page: int, inserted: int | None, status: int, content_range: bytes | None
) -> None:
    planned = plan(method, "/item?id=eq.1", '{"id": 1}', prefer)
    answer = told(planned, Rows(None, page, b"[]", None, None, inserted=inserted))
    assert (answer.status, answer.header(b"content-range")) == (status, content_range)
    assert answer.body == (b"[]" if planned.shown else b"")


def test_the_location_is_encoded_but_for_the_name_of_the_relation() -> None:
    planned = plan("POST", "/item", '{"id": 1}', "return=headers-only")
    answer = told(planned, Rows(None, 1, b"", None, None, location=["id=eq.a b/é", "k=is.null"]))
    assert answer.header(b"location") == b"/item?id=eq.a%20b%2F%C3%A9&k=is.null"
    assert told(planned, Rows(None, 2, b"", None, None)).header(b"location") is None


def test_rows_the_client_did_not_allow_for_are_refused() -> None:
    two = Rows(None, 2, b"[]", None, None)
    limited = plan("PATCH", "/item", '{"id": 1}', "handling=strict, max-affected=1")
    upsert = plan("PUT", "/item?id=eq.1", '{"id": 1}')
    single = replace(plan("DELETE", "/item"), media=replace(limited.media, kind="object"))
    for planned, code in ((limited, "PGRST124"), (upsert, "PGRST115"), (single, "PGRST116")):
        with pytest.raises(ApiError, match=code):
            check_rows(planned, two, find_dialect("14"))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("202", 202),
        ("1000", 0),
        ("2200", 200),
        ("99999999999999999999", 919),
        ("9223372036854775999", 383),
        ("9" * 5000, 999),
    ],
)
def test_a_status_of_the_database_is_told_as_postgrest_was_seen_to_tell_it(text: str, status: int) -> None:
    planned = plan("POST", "/item", '{"id": 1}')
    assert told(planned, Rows(None, 1, b"", None, text)).status == status


def test_a_503_of_the_database_says_when_to_ask_again() -> None:
    planned = plan("POST", "/item", '{"id": 1}')
    assert told(planned, Rows(None, 1, b"", None, "503")).header(b"retry-after") == b"0"
    assert told(planned, Rows(None, 1, b"", None, "502")).header(b"retry-after") is None

"""The engine as PostgREST 12.2.12 and 13.0.8: every request that these answered otherwise than 14.17.

Expected failures are listed with the reason, and strictly: one that starts to pass must leave the list.
"""

from dataclasses import fields, replace

import pytest

from proxy.config import Compat, EngineConfig
from proxy.engine.dialect import PRESENT, find_dialect
from proxy.engine.parse.request import ApiRequest, parse_request
from proxy.engine.plan.call import find_function, make_call
from proxy.engine.plan.make import make_plan
from proxy.engine.plan.relations import find_relation
from proxy.engine.plan.types import Predicate, Value
from proxy.engine.plan.whole import CallNode, JsonArguments, NamedArguments, RawArgument
from proxy.engine.response import Rows, make_response
from proxy.engine.schema import Column, Function, Parameter, Relation, Relationship, Schema
from proxy.engine.sql.build import build_statement
from proxy.errors import ApiError, render_error
from proxy.messages import Request
from proxy.tape.collection import load
from proxy.tape.format import RecordedExchange
from proxy.tape.replay import replay, sequence_reset
from tests.support.conformance import TAPES, settings, variants
from tests.support.database import ConformanceDatabase
from tests.support.engine import engine, engine_options

RECORDED: dict[Compat, str] = {"12": "12.2.12", "13": "13.0.8"}

OPEN_ORDER = "the request leaves the order of groups open; PostgreSQL chose another one"
NUL_IN_HEADER = "PostgREST put a NUL into Content-Location, where none may be (RFC 9110, 5.5)"
LOST_KEY = "PostgREST 12 loses the names of keys beyond ASCII, and with them the Location"
OWN_VERSION = "the root document names the version of the engine, which is its own"
EXPECTED: dict[Compat, dict[str, str]] = {
    "12": {
        "aggregates-119": OPEN_ORDER,
        "awkward-names-113": LOST_KEY,
        "profiles-016": OWN_VERSION,
        "url-encoding-044": NUL_IN_HEADER,
    },
    "13": {"profiles-016": OWN_VERSION},
}


def differing(compat: Compat, variant: str) -> list[RecordedExchange]:
    """What this version answered otherwise than 14.17; accidents are not worth imitating."""
    return [
        exchange
        for exchange in load(TAPES / f"postgrest-{RECORDED[compat]}")
        if exchange.variant == variant and not exchange.accident
    ]


@pytest.mark.parametrize("variant", variants().variants)
@pytest.mark.parametrize("compat", RECORDED)
async def test_what_an_older_version_answers_otherwise_is_answered_as_recorded(
    compat: Compat, variant: str, conformance_database: ConformanceDatabase
) -> None:
    exchanges = differing(compat, variant)
    options = await engine_options(conformance_database, variant, compat)
    async with engine(options) as ask, sequence_reset(conformance_database.url) as reset:
        report = await replay(exchanges, ask, settings(), before_write=reset, concurrency=4)
    failures = {outcome.exchange.id: outcome.failure for outcome in report.failures}
    expected = {exchange.id for exchange in exchanges} & EXPECTED[compat].keys()
    assert {name: why for name, why in failures.items() if name not in expected} == {}
    assert failures.keys() == expected


COMPATS: tuple[Compat, ...] = ("12", "13", "14")
PLACE = Relation("api", "place", {"id": Column("id", "integer", "integer")}, ("id",))
ITEM = Relation("api", "item", {"id": Column("id", "integer", "integer")}, ("id",))
TO_PLACE = Relationship(
    ("api", "item"), ("api", "place"), "many-to-one", "item_place_fkey", (("place_id", "id"),)
)
TO_ITEMS = replace(
    TO_PLACE,
    source=TO_PLACE.target,
    target=TO_PLACE.source,
    cardinality="one-to-many",
    columns=(("id", "place_id"),),
)
GREET = Function("api", "greet", (Parameter("name", "text", "text", True),), ("pg_catalog", "text"))
ADD = Function(
    "api",
    "add",
    (
        Parameter("doc", "json", "json", True),
        Parameter("more", "text[]", "text[]", False, variadic=True),
    ),
    ("pg_catalog", "text"),
)
FIND = Function(
    "api", "find", (Parameter("id", "integer", "integer", True),), ("api", "item"), composite=True
)
TAKE = Function("api", "take", (Parameter("body", "jsonb", "jsonb", True),), ("pg_catalog", "jsonb"))
SCHEMA = Schema(
    relations={("api", "place"): PLACE, ("api", "item"): ITEM},
    relationships={
        (("api", "item"), "api"): (TO_PLACE,),
        (("api", "place"), "api"): (TO_ITEMS,),
    },
    functions={("api", one.name): (one,) for one in (GREET, ADD, FIND, TAKE)},
)


def options_for(compat: Compat, **changes: object) -> EngineConfig:
    return replace(EngineConfig(db_schemas=("api",), compat=compat), **changes)  # type: ignore[arg-type]


def ask_for(
    compat: Compat, target: str, *, prefer: str = "", body: bytes | None = None, content: str = ""
) -> ApiRequest:
    headers = ((b"Prefer", prefer.encode()),) if prefer else ()
    headers = (*headers, (b"Content-Type", content.encode())) if content else headers
    method = "GET" if body is None else "POST"
    return parse_request(Request(method, target.encode(), headers, body or b""), options_for(compat))


def refusal(compat: Compat, target: str, *, prefer: str = "", **changes: object) -> ApiError:
    options = options_for(compat, **changes)
    headers = ((b"Prefer", prefer.encode()),) if prefer else ()
    with pytest.raises(ApiError) as caught:
        make_plan(parse_request(Request("GET", target.encode(), headers), options), SCHEMA, options)
    return caught.value


def call(compat: Compat, wanted: ApiRequest) -> CallNode:
    options = options_for(compat)
    function = find_function(wanted, SCHEMA, find_dialect(compat))
    plan = make_plan(wanted, SCHEMA, options)
    return make_call(function, wanted, plan.shape.root, find_dialect(compat))


def test_the_defaults_are_the_present_version_and_every_field_differs_somewhere() -> None:
    older = [find_dialect(compat) for compat in RECORDED]
    assert find_dialect("14") is PRESENT
    for field in fields(PRESENT):
        assert any(getattr(dialect, field.name) != getattr(PRESENT, field.name) for dialect in older)


@pytest.mark.parametrize(("compat", "hinted"), [("12", True), ("13", True), ("14", False)])
def test_schemas_of_500_relations_give_no_hints_since_14(compat: Compat, hinted: bool) -> None:
    many = {("api", f"place_{n}"): replace(PLACE, name=f"place_{n}") for n in range(500)}
    with pytest.raises(ApiError) as caught:
        find_relation(Schema(relations=many), "api", "place_", find_dialect(compat))
    assert (caught.value.hint is not None) is hinted


def test_up_to_12_an_error_without_a_code_has_an_empty_body() -> None:
    answer = render_error(refusal("12", "/a/b"), proxy_status=find_dialect("12").proxy_status)
    assert (answer.status, answer.body) == (404, b"{}")
    assert answer.header(b"proxy-status") is None


def test_up_to_12_a_root_function_answers_where_the_root_is_disabled() -> None:
    options = options_for("12", db_root_spec="api.greet", openapi_mode="disabled")
    assert parse_request(Request("GET", b"/"), options).resource == "function"
    for compat in ("13", "14"):
        error = refusal(compat, "/", db_root_spec="api.greet", openapi_mode="disabled")
        assert error.code == "PGRST126"


@pytest.mark.parametrize("target", ["/item?id=is.not_null", "/item?or=(id.is.not_null)"])
def test_is_not_null_came_with_13(target: str) -> None:
    assert refusal("12", target).code == "PGRST100"
    assert "null or trilean value (unknown, true, false)" in str(refusal("12", "/item?id=is.x").details)
    assert ask_for("13", target).parameters == ask_for("14", target).parameters


def test_a_to_many_spread_came_with_13() -> None:
    error = refusal("12", "/place?select=...item(id)")
    assert (error.code, error.details) == (
        "PGRST119",
        "'place' and 'item' do not form a many-to-one or one-to-one relationship",
    )


@pytest.mark.parametrize(
    ("select", "found"),
    [("id,...place()", '"FROM"'), ("...place(),item(id)", '","'), ("id,...place(),...place(id)", '","')],
)
def test_up_to_12_an_empty_spread_leaves_a_gap_in_the_select_list(select: str, found: str) -> None:
    own = replace(TO_ITEMS, source=("api", "item"), target=("api", "item"), reflexive=True)
    schema = replace(SCHEMA, relationships={(("api", "item"), "api"): (TO_PLACE, own)})
    wanted = ask_for("12", f"/item?select={select}")
    with pytest.raises(ApiError, match=f"42601: syntax error at or near {found}"):
        make_plan(wanted, schema, options_for("12"))
    make_plan(wanted, schema, options_for("14"))


def test_up_to_12_an_empty_spread_alone_selects_nothing() -> None:
    assert make_plan(ask_for("12", "/item?select=...place()"), SCHEMA, options_for("12"))


def test_up_to_12_aggregates_that_a_spread_hoists_are_never_refused() -> None:
    target = "/item?select=...place(id.max())"
    make_plan(ask_for("12", target), SCHEMA, options_for("12"))
    assert refusal("12", "/item?select=id.max()").code == "PGRST123"
    assert refusal("13", target).code == refusal("14", target).code == "PGRST123"


def test_up_to_12_a_query_string_reaches_a_function_as_json_strings() -> None:
    wanted = ask_for("12", "/rpc/add?doc=1&more=x&doc=%7B%7D&more=%22")
    arguments = call("12", wanted).arguments
    assert isinstance(arguments, JsonArguments)
    assert arguments.body.text == '{"doc":"{}","more":["x","\\""]}'
    assert arguments.single
    assert isinstance(call("13", wanted).arguments, NamedArguments)


def call_sql(compat: Compat, wanted: ApiRequest) -> str:
    plan = make_plan(wanted, SCHEMA, options_for(compat))
    return " ".join(build_statement(plan.shape).sql.split())


@pytest.mark.parametrize("compat", COMPATS)
@pytest.mark.parametrize("body", [None, b"id=1", b'{"id": 1}'])
def test_who_selects_nothing_of_a_function_gets_json_arguments_as_well(
    compat: Compat, body: bytes | None
) -> None:
    unpacked = compat == "12" or body == b'{"id": 1}'
    content = "application/json" if body == b'{"id": 1}' else "application/x-www-form-urlencoded"
    target = "/rpc/find?select=" + ("&id=1" if body is None else "")
    made = call_sql(compat, ask_for(compat, target, body=body, content=content))
    assert ("SELECT * FROM (SELECT CAST($1 AS json) AS json_data) AS pgrst_payload" in made) is unpacked
    everything = call_sql(compat, ask_for(compat, target.replace("select=", ""), body=body, content=content))
    assert 'SELECT "pgrst_call".* FROM' in everything


def test_up_to_12_a_name_with_a_nul_is_cut_for_postgresql_only() -> None:
    wanted = ask_for("12", "/item%00x?select=id")
    assert 'FROM "api"."item"' in call_sql("12", wanted)
    assert "between 'item\0x' and 'place'" in refusal("12", "/item%00x?select=place(id)").message
    assert refusal("13", "/item%00x").code == "PGRST205"


@pytest.mark.parametrize(
    ("body", "content", "text"),
    [
        (None, "", '{"a":"1","b":"2"}'),
        (b"a=1&b=2", "application/x-www-form-urlencoded", '{"a":"1","b":"2"}'),
        (b'[{"a": 1}]', "application/json", '[{"a": 1}]'),
    ],
)
def test_up_to_12_a_function_may_get_all_arguments_as_one_object(
    body: bytes | None, content: str, text: str
) -> None:
    target = "/rpc/take?a=1&b=2" if body is None else "/rpc/take"
    wanted = ask_for("12", target, prefer="params=single-object", body=body, content=content)
    arguments = call("12", wanted).arguments
    assert isinstance(arguments, RawArgument)
    assert (arguments.type, arguments.value.text) == ("jsonb", text)
    assert make_plan(wanted, SCHEMA, options_for("12")).applied == ("params=single-object",)
    assert ask_for("13", target, prefer="params=single-object").preferences.doubtful == (
        "params=single-object",
    )


def test_a_function_with_no_single_json_parameter_cannot_get_one_object() -> None:
    error = refusal("12", "/rpc/greet?name=x", prefer="params=single-object")
    assert error.message == "Could not find the function api.greet in the schema cache"
    assert str(error.details).startswith(
        "Searched for the function api.greet with a single json/jsonb parameter,"
    )
    assert error.hint is None


@pytest.mark.parametrize("compat", COMPATS)
def test_before_14_a_named_parameter_takes_a_payload_and_then_gets_nothing(compat: Compat) -> None:
    wanted = ask_for(compat, "/rpc/greet", body=b"hello", content="text/plain")
    if compat == "14":
        with pytest.raises(ApiError, match="PGRST202"):
            call(compat, wanted)
    else:
        assert call(compat, wanted).arguments == NamedArguments(())


@pytest.mark.parametrize(("compat", "cut"), [("12", False), ("13", True), ("14", False)])
def test_in_13_the_body_of_a_range_error_is_as_long_as_the_empty_result(compat: Compat, cut: bool) -> None:
    request = Request("GET", b"/item?offset=9", ((b"Prefer", b"count=exact"),))
    options = options_for(compat)
    plan = make_plan(parse_request(request, options), SCHEMA, options)
    answer = make_response(plan, Rows(3, 0, b"[]", None, None), request, find_dialect(compat))
    assert answer.status == 416
    assert (answer.body == b'{"') is cut
    assert answer.header(b"content-length") == str(len(answer.body)).encode()


@pytest.mark.parametrize("compat", COMPATS)
def test_only_13_and_14_search_vectors_of_what_is_none(compat: Compat) -> None:
    options = options_for(compat)
    plan = make_plan(ask_for(compat, "/item?id=fts(english).x"), SCHEMA, options)
    (predicate,) = plan.shape.root.where
    assert isinstance(predicate, Predicate)
    assert predicate.operand.vector is (compat != "12")
    assert predicate.operand.language == (None if compat == "12" else Value("english"))

"""Plans that are kept: what comes of them is what parsing and planning each request would give."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.config import Compat, EngineConfig
from proxy.database.plans import Plans
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.parse.request import parse_request
from proxy.engine.plan.make import make_plan
from proxy.engine.prepare import Prepared, make_prepared
from proxy.engine.schema import Column, Function, Parameter, Relation, Relationship, Schema
from proxy.engine.sql.session import Session
from proxy.errors import ApiError, Unsupported
from proxy.messages import Request

ITEM, PART = (
    Relation(
        "api",
        name,
        {
            key: Column(key, kind, kind)
            for key, kind in (("id", "integer"), ("name", "text"), ("up", "integer"))
        },
        ("id",),
    )
    for name in ("item", "part")
)
JSON_ARGUMENT = Parameter("", "json", "json", required=True)
BYTES_ARGUMENT = Parameter("", "bytea", "bytea", required=True)
NUMBERS = tuple(Parameter(name, "integer", "integer", required=True) for name in ("a", "b"))
SCHEMA = Schema(
    relations={("api", "item"): ITEM, ("api", "part"): PART},
    relationships={
        (("api", "item"), "api"): (
            Relationship(("api", "item"), ("api", "part"), "one-to-many", "part_up", (("id", "up"),)),
        )
    },
    functions={
        ("api", "add"): (Function("api", "add", NUMBERS, ("pg_catalog", "int4")),),
        ("api", "take"): (Function("api", "take", (JSON_ARGUMENT,), ("pg_catalog", "json")),),
        ("api", "store"): (Function("api", "store", (BYTES_ARGUMENT,), ("pg_catalog", "int4")),),
        ("api", "items"): (Function("api", "items", (), ("api", "item"), returns_set=True, composite=True),),
    },
)
Outcome = tuple[object, object]


def snapshot(compat: Compat = "14") -> EngineSnapshot:
    options = EngineConfig(db_schemas=("api",), db_anon_role="anon", compat=compat, db_max_rows=100)
    return EngineSnapshot(options, SCHEMA)


def plan_alone(request: Request, known: EngineSnapshot) -> Outcome:
    try:
        plan = make_plan(parse_request(request, known.options), known.schema, known.options)
    except ApiError as error:
        return error.code, error.message
    except Unsupported as error:
        return "", error.feature
    return describe(make_prepared(plan))


def describe(prepared: Prepared) -> Outcome:
    queries = [prepared.statement, *filter(None, [prepared.estimate])]
    return prepared.plan, [(query.sql, query.values) for query in queries]


def find(plans: Plans, request: Request, known: EngineSnapshot) -> Outcome:
    try:
        ready = plans.find(request, known)
    except ApiError as error:
        return error.code, error.message
    return plan_alone(request, known) if ready is None else describe(ready)


literals = st.one_of(
    st.sampled_from(
        ["", "7", "eq.7", "null", "not.eq.1", "(1,2)", "{1}", "~literal0~", "~literal-1~", "a.b:c~d"]
    ),
    st.text(max_size=8),
)
operators = st.sampled_from(
    ["eq", "neq", "gt", "lte", "not.eq", "not.lt", "like", "in", "is", "eq(any)", "fts"]
)
columns = st.sampled_from(["id", "name", "up", "part.id", "nothing", "select", "order", "limit", "a", "b"])


@st.composite
def targets(draw: st.DrawFn) -> str:
    path = draw(
        st.sampled_from(["/item", "/item", "/part", "/nobody", "/rpc/add", "/rpc/items", "/rpc/take"])
    )
    pairs = []
    for _ in range(draw(st.integers(0, 3))):
        operator = draw(operators)
        bare = draw(st.integers(0, 9)) == 0
        text = quote(draw(literals), safe="~:(){},")
        pairs.append(f"{draw(columns)}={text if bare else f'{operator}.{text}'}")
    pairs += draw(
        st.lists(st.sampled_from(["select=*,part(id)", "limit=5", "order=id.desc", "offset=5"]), max_size=2)
    )
    return path + ("?" + draw(st.sampled_from("&&&;")).join(pairs) if pairs else "")


@st.composite
def requests(draw: st.DrawFn) -> Request:
    method = draw(st.sampled_from(["GET", "GET", "HEAD", "DELETE", "POST", "PATCH", "PUT", "OPTIONS"]))
    texts = ["return=representation", "missing=default", "handling=strict, foo=bar", "count=planned"]
    preferences = draw(st.lists(st.sampled_from(texts), max_size=1))
    kind = draw(
        st.sampled_from(["application/json", "text/csv", "application/x-www-form-urlencoded", "text/plain"])
    )
    bodies = [
        b"",
        b"{}",
        b"[]",
        b'{"id": 1}',
        b' [{"id": 1}]',
        b'{"id": 2, "name": "~literal0~"}',
        b"id,name\n1,x",
        b"a=1&b=2",
    ]
    body = (
        b""
        if method in ("GET", "HEAD")
        else draw(st.sampled_from([*bodies, b"\xff", b'{"name": "\\u0000"}', b'"\0"']))
    )
    headers = [(b"Prefer", text.encode()) for text in preferences]
    if draw(st.booleans()):
        headers.append((b"Content-Type", kind.encode()))
    return Request(method, draw(targets()).encode(), tuple(headers), body)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(requests(), min_size=1, max_size=12), st.sampled_from(["12", "13", "14"]))
def test_a_kept_plan_is_what_planning_gives(asked: list[Request], compat: Compat) -> None:
    known = snapshot(compat)
    plans = Plans()
    for request in [*asked, *asked]:
        assert find(plans, request, known) == plan_alone(request, known)


@settings(deadline=None, max_examples=40)
@given(st.lists(literals, min_size=2, max_size=4))
def test_one_plan_serves_all_literals(texts: list[str]) -> None:
    known = snapshot()
    plans = Plans()
    for text in texts:
        request = Request("GET", f"/item?id=eq.{quote(text)}&name=not.neq.7".encode())
        assert find(plans, request, known) == plan_alone(request, known)


@pytest.mark.parametrize("path", ["/rpc/take", "/rpc/store"])
def test_a_payload_that_is_the_whole_argument_is_passed_on_as_it_is(path: str) -> None:
    known = snapshot()
    plans = Plans()
    for body in (b'{"": 1}', b'{"": 2}', b"[1]"):
        request = Request("POST", path.encode(), (), body)
        assert find(plans, request, known) == plan_alone(request, known)


def test_another_snapshot_has_plans_of_its_own() -> None:
    plans = Plans()
    request = Request("GET", b"/item?id=eq.7")
    assert plans.find(request, snapshot()) is not None
    bare = EngineSnapshot(snapshot().options, Schema())
    assert plans.find(request, bare) is None
    assert plans.find(request, snapshot()) is not None


def test_no_more_plans_are_kept_than_fit() -> None:
    plans = Plans()
    known = snapshot()
    first = Request("GET", b"/item?limit=0")
    again = plans.find(first, known)
    assert again is not None
    for number in range(1, 600):
        plans.find(Request("GET", f"/item?limit={number}".encode()), known)
    after = plans.find(first, known)
    assert after is not None
    assert after.plan is not again.plan
    assert after.plan == again.plan


def test_a_session_is_kept_for_a_plan_and_headers() -> None:
    plans = Plans()
    made: list[Session] = []

    def make() -> Session:
        made.append(Session((), str(len(made)), authenticated=True, read_only=True))
        return made[-1]

    def session(target: str, *headers: tuple[bytes, bytes]) -> str:
        found = plans.find(Request("GET", target.encode(), headers), known)
        assert found is not None
        return plans.recall_session(found.plan, headers, make).search_path

    known = snapshot()
    mine, yours = (b"Authorization", b"Bearer mine"), (b"Authorization", b"Bearer yours")
    assert session("/item?id=eq.1", mine) == session("/item?id=eq.2", mine) == "0"
    assert session("/item?id=eq.1", yours) == "1"
    assert session("/part?id=eq.1", mine) == "2"
    assert session("/item?id=eq.1", mine, (b"Cookie", b"a=b")) == "3"
    known = EngineSnapshot(known.options, Schema(relations=SCHEMA.relations))
    assert session("/item?id=eq.1", mine) == "4"

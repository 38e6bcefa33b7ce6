"""What of a request its plan depends on, and what is put into the plan's values instead."""

import pytest

from proxy.config import EngineConfig
from proxy.engine.prepare import parse_outline, take_literals
from proxy.messages import Request

OPTIONS = EngineConfig(db_schemas=("api",), db_anon_role="anon")


def outline(target: str) -> tuple[str, tuple[str, ...]]:
    (_, without, _), literals = take_literals(Request("GET", target.encode()))
    return without.decode().replace("\0", "_"), literals


@pytest.mark.parametrize(
    ("target", "without", "literals"),
    [
        ("/item?id=eq.7", "/item?id=eq._", ("7",)),
        ("/item?id=not.gte.7&limit=5&name=neq.a-b", "/item?id=not.gte._&limit=5&name=neq._", ("7", "a-b")),
        ("/item?part.seq=lt.3", "/item?part.seq=lt._", ("3",)),
        ("/item?id=eq.", "/item?id=eq._", ("",)),
        ("/item?name=eq.eq.7", "/item?name=eq._", ("eq.7",)),
    ],
)
def test_literals_of_plain_filters_are_taken_out(
    target: str, without: str, literals: tuple[str, ...]
) -> None:
    assert outline(target) == (without, literals)


@pytest.mark.parametrize(
    "target",
    [
        "/item",
        "/item?order=eq.7",
        "/item?part.limit=eq.7",
        "/item?select=eq.7&columns=eq.7&on_conflict=eq.7&offset=eq.7&and=eq.7&part.or=eq.7",
        "/item?id=eq.a%20b",
        "/item?id=eq.a+b",
        "/item?id=eq.1;id=eq.2",
        "/item?id=eq(any).1",
        "/item?id=in.(1,2)",
        "/item?name=like.a*",
        "/item?id=is.null",
        "/item?meta->a=eq.1",
        "/item?%69d=eq.1",
        "/rpc/add?a=1&b=2",
    ],
)
def test_what_may_be_read_in_another_way_stays(target: str) -> None:
    assert outline(target) == (target, ())


def test_headers_that_no_plan_depends_on_are_left_out() -> None:
    headers = ((b"Authorization", b"x"), (b"PREFER", b"count=exact"), (b"X-Request-Id", b"1"))
    assert take_literals(Request("GET", b"/item", headers))[0][2] == ((b"PREFER", b"count=exact"),)


@pytest.mark.parametrize("literal", ["~literal0~", "%7Eliteral0%7E", "%7eliteral-1~"])
def test_a_request_with_marks_of_its_own_is_not_taken_for_a_template(literal: str) -> None:
    outlined, _ = take_literals(Request("POST", f"/item?id=eq.7&name=like.{literal}".encode()))
    assert parse_outline(outlined, OPTIONS) is None

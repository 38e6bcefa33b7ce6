"""Which values of a write's answer the database makes anew each time."""

from types import MappingProxyType
from typing import Any

import pytest

from proxy.config import EngineConfig
from proxy.engine.made import Made, find_made
from proxy.engine.reach import Reach, ReachedRelation, Trigger
from proxy.engine.schema import Column, Relation, Schema
from proxy.messages import Request

OPTIONS = EngineConfig(db_schemas=("s",))
DEFAULTS = {
    "id": "nextval('s.t_id_seq'::regclass)",
    "at": "now()",
    "day": "CURRENT_DATE",
    "token": "gen_random_uuid()",
    "kind": "'raw (of now())'::character varying(20)",
    "size": "0",
    "ratio": "('-1.5'::numeric)::numeric(10,2)",
    "tags": "ARRAY['a'::text, 'b'::text]",
    "ready": "false",
    "label": None,
}
COLUMNS = {name: Column(name, "text", "text", default=default) for name, default in DEFAULTS.items()}
SCHEMA = Schema(
    {
        ("s", "t"): Relation("s", "t", COLUMNS),
        ("s", "v"): Relation("s", "v", {"a": Column("a", "text", "text")}, view=True),
    }
)
MADE = {"id", "at", "day", "token"}


def find(
    target: str,
    body: bytes = b'{"label":1}',
    method: str = "POST",
    reach: Reach | None = None,
    **headers: str,
) -> Made:
    pairs = tuple((name.replace("_", "-").encode(), text.encode()) for name, text in headers.items())
    return find_made(Request(method, target.encode(), pairs, body), OPTIONS, SCHEMA, reach or Reach())


def reaching(**relations: ReachedRelation) -> Reach:
    return Reach(MappingProxyType({("s", name): relation for name, relation in relations.items()}))


def triggered(before: bool, event: Any, **more: Any) -> ReachedRelation:
    return ReachedRelation(triggers=(Trigger(1, before, frozenset({event})),), **more)


def test_what_is_called_is_made_and_what_is_written_is_not() -> None:
    assert find("/t") == Made(frozenset(MADE), frozenset(MADE))


def test_what_the_client_gives_is_not_made() -> None:
    assert find("/t", b'[{"id":1,"at":"x"}]').columns == {"day", "token"}
    assert find("/t", b"id,label\n1,a\n", content_type="text/csv").columns == MADE - {"id"}
    assert find("/t", b"id=1", content_type="application/x-www-form-urlencoded").columns == MADE - {"id"}
    assert find("/t?columns=id", b'{"id":1,"at":"x"}').columns == MADE - {"id"}
    assert find("/t?columns=id", b"{}", prefer="missing=default").columns == MADE


def test_identities_and_generated_columns_are_made() -> None:
    reach = reaching(t=ReachedRelation(made=frozenset({"size"})))
    assert find("/t", reach=reach).columns == MADE | {"size"}


@pytest.mark.parametrize(
    ("select", "members"),
    [
        ("*", MADE),
        ("id,label", {"id"}),
        ("number:id,label:at", {"number", "label"}),
        ("id::text", {"id"}),
        ("token->a->>b", {"b"}),
        ("token->list->0", {"list"}),
        ("id.max()", {"max"}),
        ("label,size", set()),
        ("other(id)", set()),
    ],
)
def test_the_representation_calls_what_was_made_as_select_says(select: str, members: set[str]) -> None:
    assert find(f"/t?select={select}").members == members


def test_a_change_makes_nothing_and_a_removal_neither() -> None:
    assert find("/t?id=eq.1", method="PATCH") == Made()
    assert find("/t?id=eq.1", b"", method="DELETE") == Made()
    assert find("/t?columns=at", b"{}", method="PATCH", prefer="missing=default").columns == MADE
    assert find("/t?id=eq.1", method="PUT").columns == MADE


def test_a_trigger_before_the_row_may_make_whatever_was_not_given() -> None:
    every = set(DEFAULTS) - {"label"}
    assert find("/t", reach=reaching(t=triggered(True, "insert"))).columns == every
    assert find("/t", reach=reaching(t=triggered(False, "insert"))).columns == MADE
    assert find("/t", method="PATCH", reach=reaching(t=triggered(True, "insert"))).columns == set()
    assert find("/t", method="PATCH", reach=reaching(t=triggered(True, "update"))).columns == every
    parts = reaching(t=ReachedRelation(shares=frozenset({("s", "part")})), part=triggered(True, "insert"))
    assert find("/t", reach=parts).columns == every


def test_a_trigger_of_what_changes_along_makes_nothing_here() -> None:
    reach = reaching(t=ReachedRelation(cascades=frozenset({("s", "child")})), child=triggered(True, "insert"))
    assert find("/t", reach=reach).columns == MADE


def test_a_view_hides_which_defaults_there_are() -> None:
    assert find("/v", b"{}").columns == {"a"}


@pytest.mark.parametrize(("method", "target"), [("POST", "/rpc/f"), ("POST", "/nothing"), ("GET", "/t")])
def test_of_anything_else_nothing_is_said(method: str, target: str) -> None:
    assert find(target, method=method) == Made()
    assert find("/t", b"no json") == Made()

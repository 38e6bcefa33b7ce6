"""A statement is built and compiled once per plan shape."""

import pytest

from proxy.config import EngineConfig
from proxy.config.engine import read_options
from proxy.engine.parse.request import parse_request
from proxy.engine.plan.make import make_plan
from proxy.engine.schema import Relation, Schema
from proxy.engine.sql.build import build_statement
from proxy.messages import Request
from proxy.tape.request import build_request
from tests.engine.random.world import World, open_world
from tests.support.conformance import recorded, settings, variant_options
from tests.support.database import ConformanceDatabase

MOST = 1000


def recorded_reads() -> list[Request]:
    """Reads that PostgREST answered with rows."""
    exchanges = recorded("default")
    reads = [one for one in exchanges if one.request.method == "GET" and one.answer.status in (200, 206)]
    return [build_request(one.request, settings()) for one in reads[:MOST]]


def answer_all(world: World, reads: list[Request]) -> None:
    for read in reads:
        world.send(read)


def test_the_second_run_of_the_recorded_reads_compiles_nothing(
    conformance_database: ConformanceDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    options = read_options({"db-uri": conformance_database.login_url()}, variant_options())
    reads = recorded_reads()
    with open_world("observatory", options) as world:
        world.forget()
        answer_all(world, reads)
        first = build_statement.cache_info()
        answer_all(world, reads)
        second = build_statement.cache_info()
    hits, misses = second.hits - first.hits, second.misses - first.misses
    with capsys.disabled():
        print(
            f"\n{len(reads)} recorded reads: first run {first.misses} statements compiled,"
            f" second run {misses}; hit rate {hits / (hits + misses):.1%} ({second.hits} of"
            f" {second.hits + second.misses} over both)"
        )
    assert misses == 0
    assert second.currsize < (second.maxsize or 0)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/item?limit=25", " LIMIT 25)"),
        ("/item?limit=25&offset=0", " LIMIT 25)"),
        ("/item?limit=25&offset=50", " LIMIT 25 OFFSET $1)"),
        ("/item?limit=26", " LIMIT $1)"),
        ("/item?limit=26&offset=50", " LIMIT $1 OFFSET $2)"),
        ("/item?offset=50", " LIMIT ALL OFFSET $1)"),
    ],
)
def test_usual_pages_are_part_of_the_shape_and_others_are_values(target: str, shown: str) -> None:
    options = EngineConfig(db_schemas=("api",), db_anon_role="anon")
    schema = Schema(relations={("api", "item"): Relation("api", "item", {})})
    plan = make_plan(parse_request(Request("GET", target.encode()), options), schema, options)
    sql = " ".join(build_statement(plan.shape).sql.split()).replace(" )", ")")
    assert shown in sql

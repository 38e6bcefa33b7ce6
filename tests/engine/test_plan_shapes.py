"""A statement is built and compiled once per plan shape, and PostgreSQL is asked for types as often."""

from dataclasses import dataclass

import pytest

from proxy.config.engine import read_options
from proxy.engine.sql.build import SPACE, STATEMENTS
from proxy.messages import Request
from proxy.tape.request import build_request
from tests.engine.random.world import World, open_world
from tests.support.conformance import recorded, settings, variant_options
from tests.support.database import ConformanceDatabase


def recorded_reads() -> list[Request]:
    """Reads that PostgREST answered, well or not."""
    reads = [one for one in recorded("default") if one.request.method == "GET"]
    return [build_request(one.request, settings()) for one in reads]


@dataclass(frozen=True, slots=True)
class Work:
    """How often a statement was wanted, and how often it was there."""

    lookups: int
    hits: int


def count_work(world: World, reads: list[Request]) -> Work:
    lookups, hits = STATEMENTS.lookups, STATEMENTS.hits
    for read in reads:
        world.send(read)
    return Work(STATEMENTS.lookups - lookups, STATEMENTS.hits - hits)


def test_the_second_run_of_the_recorded_reads_compiles_nothing(
    conformance_database: ConformanceDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    options = read_options({"db-uri": conformance_database.login_url()}, variant_options())
    reads = recorded_reads()
    with open_world("observatory", options) as world:
        world.forget()
        first = count_work(world, reads)
        second = count_work(world, reads)
        asked = len(world.first.pins)
        kept = len(STATEMENTS)
    with capsys.disabled():
        print(
            f"\n{len(reads)} recorded reads, {kept} statements: hit rate of the first run"
            f" {first.hits / first.lookups:.1%}, of the second {second.hits / second.lookups:.1%}"
        )
    assert second.hits == second.lookups
    assert asked <= kept
    assert STATEMENTS.used < SPACE / 4

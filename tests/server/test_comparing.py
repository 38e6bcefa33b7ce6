"""What is compared where, and by which rules."""

import asyncio
import contextlib
import gc
import threading
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from proxy.config import CompareConfig, Config, EngineConfig, IgnoreRule
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Column, Relation, Schema
from proxy.messages import Answer, Request
from proxy.server.comparing import LONG, SMALL, Comparer, Pair
from proxy.server.state import Snapshot
from proxy.shadow.compare import Comparison, compare
from proxy.shadow.policy import Names

ROWS = Answer(200, ((b"Content-Type", b"application/json"),), b'[{"id":1,"v":1},{"id":2,"v":1}]')
TURNED = ROWS._replace(body=b'[{"id":2,"v":1},{"id":1,"v":1}]')
STORAGE = Relation(
    "dlm",
    "storage",
    {"id": Column("id", "integer", "integer"), "v": Column("v", "integer", "integer")},
    key=("id",),
    unique=(("id",),),
)
OPTIONS = EngineConfig(db_schemas=("dlm",))
NAMES = Names(("dlm",), frozenset({("dlm", "storage")}))
SCHEMA = Schema(relations={("dlm", "storage"): STORAGE})


def snapshot(*rules: IgnoreRule, options: EngineConfig = OPTIONS) -> Snapshot:
    config = Config(engine=options, compare=CompareConfig(ignore=rules))
    return Snapshot(config, NAMES, EngineSnapshot(options, SCHEMA))


def verdict(target: str, given: Snapshot, engine: Answer = TURNED, today: date = date(2026, 1, 1)) -> str:
    comparer = Comparer(lambda: today)
    request = Request("GET", target.encode())
    return asyncio.run(comparer.compare(request, Pair(ROWS, engine), given)).verdict


def test_what_a_request_promises_comes_from_the_schema_cache() -> None:
    assert verdict("/storage", snapshot()) == "equivalent"
    assert verdict("/storage?order=id", snapshot()) == "mismatch"
    assert verdict("/storage?order=v", snapshot()) == "equivalent"
    assert verdict("/storage?limit=2", snapshot()) == "indeterminate"
    assert verdict("/storage", snapshot(options=replace(OPTIONS, db_max_rows=2))) == "indeterminate"


def rule(**changes: Any) -> IgnoreRule:
    return replace(IgnoreRule("they count", date(2026, 6, 30), table="storage", path="v"), **changes)


OTHER_VALUES = ROWS._replace(body=b'[{"id":1,"v":7},{"id":2,"v":8}]')


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (rule(), "match"),
        (rule(table="dlm.storage"), "match"),
        (rule(shape="GET storage?order=id"), "match"),
        (rule(shape="GET storage"), "mismatch"),
        (rule(table="location"), "mismatch"),
        (rule(table=None, function="storage"), "mismatch"),
        (rule(path="id"), "mismatch"),
    ],
)
def test_a_rule_applies_to_what_it_names(given: IgnoreRule, expected: str) -> None:
    assert verdict("/storage?order=id", snapshot(given), OTHER_VALUES) == expected


def test_a_rule_applies_up_to_its_last_day() -> None:
    target, given = "/storage?order=id", snapshot(rule())
    assert verdict(target, given, OTHER_VALUES, today=date(2026, 6, 30)) == "match"
    assert verdict(target, given, OTHER_VALUES, today=date(2026, 7, 1)) == "mismatch"


def test_what_is_heavy_is_done_in_another_thread_and_without_looking_for_cycles() -> None:
    seen: list[tuple[bool, bool]] = []

    def watching(*arguments: Any) -> Comparison:
        seen.append((threading.current_thread() is threading.main_thread(), gc.isenabled()))
        return compare(*arguments)

    async def main() -> None:
        comparer = Comparer(comparing=watching)
        large = ROWS._replace(body=b"[" + b" " * SMALL + b"1]")
        for pair in (Pair(ROWS, TURNED), Pair(large, large), Pair(large, ROWS)):
            await comparer.compare(Request("GET", b"/storage"), pair, snapshot())
        long = Request("GET", b"/storage?id=not.eq." + b"1" * LONG)
        assert (await comparer.read(long, snapshot())).order == "open"

    asyncio.run(main())
    assert seen == [(True, True), (True, True), (False, False)]
    assert gc.isenabled()


def test_of_what_is_heavy_one_is_done_at_a_time() -> None:
    """Else all helpers of the loop would compare, and nobody look up an address."""
    busy: list[int] = []
    most: list[int] = []
    meeting = threading.Barrier(2)

    def watching(*arguments: Any) -> Comparison:
        busy.append(1)
        most.append(len(busy))
        with contextlib.suppress(threading.BrokenBarrierError):
            meeting.wait(0.05)
        busy.pop()
        return compare(*arguments)

    async def main() -> None:
        comparer = Comparer(comparing=watching)
        pair = Pair(ROWS._replace(body=b"[" + b" " * SMALL + b"1]"), ROWS)
        await asyncio.gather(
            *(comparer.compare(Request("GET", b"/storage"), pair, snapshot()) for _ in range(3))
        )

    asyncio.run(main())
    assert most == [1, 1, 1]


def test_without_a_schema_cache_nothing_is_open() -> None:
    assert verdict("/storage", replace(snapshot(), engine=None)) == "mismatch"

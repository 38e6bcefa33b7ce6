"""The proxy's own writes: which readings they came in between."""

import asyncio
from types import MappingProxyType

import pytest

from proxy.config import Config, EngineConfig, UpstreamConfig
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.reach import Reach, ReachedRelation
from proxy.engine.schema import Schema
from proxy.messages import Request
from proxy.server.state import Snapshot
from proxy.server.writes import LONGEST_CALM, Writes, find_names
from proxy.shadow.policy import Names
from tests.server.virtual_time import now, run

A, B, C = frozenset({("s", "a")}), frozenset({("s", "b")}), frozenset({("s", "c")})


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_write_in_flight_overlaps_whatever_touches_its_relations() -> None:
    writes = Writes(Clock())
    write = writes.begin(A | B)
    assert writes.overlapped(A, 99.0)
    assert writes.overlapped(B | C, 99.0)
    assert not writes.overlapped(C, 99.0)
    assert not writes.overlapped(frozenset(), 99.0)
    assert not writes.overlapped(A, 99.0, besides=write)


def test_a_write_that_has_ended_overlaps_what_began_before_its_end() -> None:
    clock = Clock()
    writes = Writes(clock)
    write = writes.begin(A)
    clock.now = 5.0
    writes.end(write)
    clock.now = 9.0
    assert [writes.overlapped(A, since) for since in (4.0, 5.0, 5.1)] == [True, True, False]
    assert not writes.overlapped(B, 4.0)


def test_nobody_knows_what_a_function_writes_or_reads() -> None:
    clock = Clock()
    writes = Writes(clock)
    assert not writes.overlapped(None, 0.0)
    call = writes.begin(None)
    assert writes.overlapped(A, 9.0)
    assert writes.overlapped(None, 9.0)
    clock.now = 5.0
    writes.end(call)
    assert writes.overlapped(A, 5.0)
    assert not writes.overlapped(A, 5.1)
    clock.now = 6.0
    writes.end(writes.begin(A))
    assert [writes.overlapped(None, since) for since in (6.0, 6.1)] == [True, False]
    assert not writes.overlapped(B, 5.1)


def test_the_names_of_a_request_are_its_relation_and_all_that_hold_its_rows_or_change_with_them() -> None:
    reach = Reach(
        MappingProxyType(
            {
                ("s", "view"): ReachedRelation(shares=frozenset({("s", "base")})),
                ("s", "base"): ReachedRelation(cascades=frozenset({("s", "child")})),
                ("s", "child"): ReachedRelation(shares=frozenset({("s", "part")})),
            }
        )
    )
    options = EngineConfig(db_schemas=("s",))
    names = Names(
        ("s",),
        frozenset({("s", "view"), ("s", "base"), ("s", "lone")}),
        MappingProxyType({("s", "f"): False}),
    )
    config = Config(upstream=UpstreamConfig("http://a"), engine=options)
    snapshot = Snapshot(config, names, EngineSnapshot(options, Schema(), reach))

    def find(method: str, target: bytes) -> set[str] | None:
        found = find_names(Request(method, target), snapshot)
        return None if found is None else {name for _, name in found}

    assert find("GET", b"/view") == {"view", "base", "child", "part"}
    assert find("PATCH", b"/base") == {"base", "child", "part"}
    assert find("POST", b"/lone") == {"lone"}
    assert find("POST", b"/nothing") == set()
    assert find("POST", b"/rpc/f") is None
    assert find("POST", b"/lone?select=" + b"a," * 2000) is None


def test_a_reading_waits_for_writes_in_flight_and_not_for_long() -> None:
    request = Request("GET", b"/a")
    names = Names(("s",), frozenset({("s", "a"), ("s", "b")}))
    snapshot = Snapshot(Config(engine=EngineConfig(db_schemas=("s",))), names, None)

    async def main() -> None:
        writes = Writes(now)
        await writes.await_calm(request, snapshot)
        writes.begin(B)
        await writes.await_calm(request, snapshot)
        assert now() == 0.0
        write, other = writes.begin(A), writes.begin(A | C)
        asyncio.get_running_loop().call_later(0.01, writes.end, write)
        asyncio.get_running_loop().call_later(0.02, writes.end, other)
        await writes.await_calm(request, snapshot)
        assert now() == pytest.approx(0.02)
        writes.begin(A)
        await writes.await_calm(request, snapshot)
        assert now() == pytest.approx(0.02 + LONGEST_CALM)

    run(main())

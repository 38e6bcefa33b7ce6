"""The line between two processes: calls, errors and events arrive, in order, and its end is noticed."""

import asyncio
import pickle
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import ApiError
from proxy.events import Judged
from proxy.line import Handler, Line, LineEnded, Listener, open_line, pack
from proxy.messages import Answer, Exchange, Request


@asynccontextmanager
async def joined(
    handlers: Mapping[str, Handler], listeners: Mapping[str, Listener]
) -> AsyncIterator[tuple[Line, Line]]:
    """Who calls, and who has these functions."""
    end, other = socket.socketpair()
    calling, serving = await open_line(end, {}, {}), await open_line(other, handlers, listeners)
    try:
        yield calling, serving
    finally:
        calling.hang_up()
        serving.hang_up()
        await asyncio.wait([calling.ended, serving.ended])


async def double(value: Any) -> Any:
    return value * 2


async def hang() -> None:
    await asyncio.get_running_loop().create_future()


async def test_a_call_gives_what_the_other_end_returns_whatever_its_size() -> None:
    async with joined({"double": double}, {}) as (line, _):
        assert await line.call("double", 21) == 42
        assert await line.call("double", b"x" * 3_000_000) == b"x" * 6_000_000
        assert await asyncio.gather(*(line.call("double", n) for n in range(50))) == [
            2 * n for n in range(50)
        ]


async def test_a_call_raises_what_the_other_end_raises() -> None:
    async def refuse() -> None:
        raise ApiError(406, "PGRST116", "no", "details", "hint", headers=((b"A", b"b"),))

    async with joined({"refuse": refuse}, {}) as (line, _):
        with pytest.raises(ApiError) as caught:
            await line.call("refuse")
    error = caught.value
    assert (error.status, error.code, error.message) == (406, "PGRST116", "no")
    assert (error.details, error.hint, error.headers) == ("details", "hint", ((b"A", b"b"),))


async def test_of_an_error_that_cannot_travel_only_the_kind_arrives() -> None:
    class Private(Exception):
        pass

    async def fail() -> None:
        raise Private("secret")

    async with joined({"fail": fail}, {}) as (line, _):
        with pytest.raises(RuntimeError, match=r"^Private$"):
            await line.call("fail")


async def test_what_is_told_arrives_in_its_order_and_before_what_is_returned_later() -> None:
    heard: list[int] = []

    async def count() -> int:
        return len(heard)

    async with joined({"count": count}, {"hear": heard.append}) as (line, _):
        for number in range(100):
            line.tell("hear", number)
        assert await line.call("count") == 100
    assert heard == list(range(100))


async def test_read_only_mappings_arrive_as_such() -> None:
    async with joined({"double": double}, {"hear": lambda value: heard.append(value)}) as (line, _):
        heard: list[Any] = []
        line.tell("hear", MappingProxyType({"a": MappingProxyType({})}))
        await line.call("double", 1)
    assert heard == [MappingProxyType({"a": MappingProxyType({})})]
    assert isinstance(heard[0], MappingProxyType)


@dataclass(frozen=True, slots=True)
class Plain:
    one: Any
    two: Any = None


@dataclass(frozen=True, slots=True)
class Single:
    one: Any


@dataclass(slots=True)
class Counting:
    one: int
    two: int
    count: int = field(default=0, init=False)


@dataclass(frozen=True, slots=True)
class Named:
    one: int
    two: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Doubling:
    one: int
    two: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "two", 2 * self.two)


def arrive(value: object) -> Any:
    return pickle.loads(pack(value))


@pytest.mark.parametrize(
    "value",
    [
        Plain(Single(1), {Plain(2): (Named(1, two=2),)}),
        Plain(Plain, MappingProxyType({"a": Plain(1)})),
        Doubling(1, 2),
        Exchange(Request("GET", b"/a", ((b"B", b"c"),)), Answer(200, (), b"d"), 0.5),
        Judged("a", "match", "GET /a", (), 0.1, 0.2, ""),
    ],
)
def test_a_dataclass_arrives_as_it_was(value: object) -> None:
    assert arrive(value) == value
    assert type(arrive(value)) is type(value)


def test_what_no_argument_tells_arrives_too() -> None:
    counting = Counting(1, 2)
    counting.count = 3
    assert arrive(counting) == counting
    one = Plain(1)
    first, second = arrive([one, one])
    assert first is second


async def test_a_call_that_is_given_up_is_given_up_at_the_other_end() -> None:
    dropped = asyncio.Event()

    async def work() -> None:
        try:
            await hang()
        finally:
            dropped.set()

    async with joined({"work": work, "double": double}, {}) as (line, _):
        call = asyncio.create_task(line.call("work"))
        await line.call("double", 1)
        call.cancel()
        await asyncio.wait_for(dropped.wait(), 10)
        assert await line.call("double", 2) == 4


async def test_a_call_that_is_given_up_after_hanging_up_is_given_up_all_the_same() -> None:
    async with joined({"hang": hang}, {}) as (line, _):
        call = asyncio.create_task(line.call("hang"))
        await asyncio.sleep(0)
        line.hang_up()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_who_was_called_at_the_end_of_the_line_does_not_begin() -> None:
    begun: list[int] = []

    async def work() -> None:
        begun.append(1)

    def begin() -> asyncio.Task[None]:
        begun.append(0)
        return asyncio.create_task(work())

    line = Line({"begin": begin}, {})
    frame = pack(("call", 1, "begin", ()))
    line.data_received(len(frame).to_bytes(8, "big") + frame)
    line.connection_lost(None)
    await asyncio.sleep(0)
    assert begun == []


async def test_who_tells_nobody_knows_it() -> None:
    heard: list[int] = []
    async with joined({"double": double}, {"hear": heard.append}) as (line, _):
        assert line.tell("hear", 1)
        await line.call("double", 1)
        line.hang_up()
        assert not line.tell("hear", 2)
        await line.ended
        assert not line.tell("hear", 3)
    assert heard == [1]


async def test_the_end_of_the_line_fails_the_calls_that_wait_and_those_that_come() -> None:
    async with joined({"hang": hang}, {}) as (line, other):
        call = asyncio.create_task(line.call("hang"))
        await asyncio.sleep(0)
        other.hang_up()
        with pytest.raises(LineEnded):
            await call
        await line.ended
        with pytest.raises(LineEnded):
            await line.call("hang")
        line.tell("nobody", 1)


@given(st.lists(st.binary(max_size=40), max_size=8), st.data())
def test_frames_arrive_whole_however_the_stream_is_cut(values: list[bytes], data: st.DataObject) -> None:
    async def main() -> list[bytes]:
        heard: list[bytes] = []
        line = Line({}, {"hear": heard.append})
        frames = (pack(("tell", "hear", (value,))) for value in values)
        stream = b"".join(len(frame).to_bytes(8, "big") + frame for frame in frames)
        while stream:
            cut = data.draw(st.integers(1, len(stream)))
            line.data_received(stream[:cut])
            stream = stream[cut:]
        return heard

    assert asyncio.run(main()) == values

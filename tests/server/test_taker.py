"""Several processes on one socket: each gets its share of the clients, and none is left waiting."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from proxy.events import Crashed, Event
from proxy.server.seats import SLACK, Seat, Seats
from proxy.server.taker import EXHAUSTED, HESITATION, Taker
from tests.server.virtual_time import now, run


@pytest.fixture
def seats() -> Iterator[Seats]:
    made = Seats(3)
    yield made
    made.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@dataclass
class Process:
    """One that takes clients from its copy of ``listening``; ``clients`` are when it got them."""

    listening: socket.socket
    seat: Seat | None = None
    clients: list[float] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def begin(self) -> Taker:
        if self.seat is not None:
            self.seat.note(0)
        return Taker(self.listening, lambda: _Client(self), self.events.append, self.seat)


class _Client(asyncio.Protocol):
    def __init__(self, process: Process) -> None:
        self._process = process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process.clients.append(now())
        if self._process.seat is not None:
            self._process.seat.note(len(self._process.clients))

    def eof_received(self) -> None:
        """Close."""


@contextlib.contextmanager
def connected(listening: socket.socket, number: int) -> Iterator[None]:
    """So many clients, who come at once."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(socket.create_connection(listening.getsockname()))
        yield


def take(listening: socket.socket, number: int, *processes: Process) -> None:
    """Let ``processes`` take so many clients, all there are."""

    async def main() -> None:
        takers = [process.begin() for process in processes]
        with connected(listening, number):
            await asyncio.sleep(2 * EXHAUSTED)
        await asyncio.sleep(HESITATION)
        assert sum(len(process.clients) for process in processes) == number
        for taker in takers:
            await taker.close()

    run(main())


def test_clients_that_come_at_once_are_shared_out(seats: Seats, listening: socket.socket) -> None:
    processes = [Process(listening.dup(), Seat(seats.file, number)) for number in range(3)]
    take(listening, 12, *processes)
    clients = [len(process.clients) for process in processes]
    assert max(clients) - min(clients) <= 2 * SLACK


def test_who_has_more_takes_a_client_whom_the_others_are_too_busy_to_take(
    seats: Seats, listening: socket.socket
) -> None:
    Seat(seats.file, 1).note(0)
    process = Process(listening.dup(), Seat(seats.file, 0))
    take(listening, SLACK + 3, process)
    assert process.clients[-1] - process.clients[0] == pytest.approx(2 * HESITATION, rel=0.5)


@pytest.mark.parametrize("gone", ["left", "died"])
def test_nobody_waits_for_one_that_is_gone(seats: Seats, listening: socket.socket, gone: str) -> None:
    other = Seat(seats.file, 1)
    other.note(0)
    if gone == "left":
        other.leave()
    else:
        seats.vacate(1)
    process = Process(listening.dup(), Seat(seats.file, 0))
    take(listening, SLACK + 3, process)
    assert process.clients[-1] - process.clients[0] < HESITATION


def test_alone_it_takes_all(listening: socket.socket) -> None:
    process = Process(listening.dup())
    take(listening, 5, process)
    assert len(process.clients) == 5


@pytest.mark.parametrize("fewest", [True, False])
def test_when_it_is_closed_it_takes_nobody(seats: Seats, listening: socket.socket, fewest: bool) -> None:
    async def main() -> None:
        Seat(seats.file, 1).note(1 if fewest else 0)
        process = Process(listening.dup(), Seat(seats.file, 0))
        taker = process.begin()
        with connected(listening, 1):
            if not fewest:
                Seat(seats.file, 0).note(SLACK + 1)
                # It has seen the client, and leaves it to the other one.
                await asyncio.sleep(HESITATION / 10)
            await taker.close()
            await asyncio.sleep(10 * HESITATION)
        assert process.clients == []

    run(main())


class Full(socket.socket):
    """A socket of a process that has no room for one more, the first time."""

    refused = False

    def accept(self) -> tuple[socket.socket, Any]:
        if not self.refused:
            self.refused = True
            raise OSError(errno.EMFILE, "Too many open files")
        return super().accept()


def test_where_the_system_has_no_room_it_says_so_and_tries_again(listening: socket.socket) -> None:
    process = Process(Full(fileno=listening.dup().detach()))
    take(listening, 1, process)
    assert process.events == [Crashed("front door", "OSError")]
    assert process.clients[0] == pytest.approx(EXHAUSTED, rel=0.1)


def test_a_seat_counts_who_is_expected(seats: Seats) -> None:
    one, other = Seat(seats.file, 0), Seat(seats.file, 1)
    one.note(3 + SLACK)
    other.note(3)
    assert one.has_room
    assert other.has_room
    one.expect()
    assert not one.has_room
    assert other.has_room

"""The stand-in upstream, over real sockets: raw ones, and those of ordinary clients."""

import argparse
import asyncio
import contextlib
import itertools
import json
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from proxy.messages import Request
from proxy.tape import stand_in
from proxy.tape.format import RecordedExchange, TapeError
from proxy.tape.replay import replay
from proxy.tape.request import build_request
from proxy.tape.stand_in import RunningStandIn, StandIn, StandInProtocol, load_recording, serve_stand_in
from proxy.tape.wire import HEAD_LIMIT, WireClient, format_request
from tests.support.conformance import TAPES, recorded, settings, variants

LONE = b'[{"id":1,"label":"only row"}]'
GET_LONE = b"GET /lone HTTP/1.1\r\nHost: x\r\n\r\n"
GET_NOWHERE = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"


@contextlib.asynccontextmanager
async def standing_in(
    exchanges: Sequence[RecordedExchange] | None = None, delay: float = 0.0
) -> AsyncIterator[RunningStandIn]:
    running = await serve_stand_in(recorded() if exchanges is None else exchanges, settings(), delay=delay)
    try:
        yield running
    finally:
        await running.close()


def statuses(written: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", written)]


class Wire(asyncio.Transport):
    """What a connection writes, without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    @property
    def statuses(self) -> list[int]:
        return statuses(self.written)


def connect(shared: StandIn | None = None) -> tuple[StandInProtocol, Wire]:
    wire = Wire()
    protocol = StandInProtocol(shared or StandIn(recorded(), settings()))
    protocol.connection_made(wire)
    return protocol, wire


@pytest.mark.parametrize("variant", sorted(variants().variants))
async def test_every_recorded_exchange_replays_completely(variant: str) -> None:
    exchanges = recorded(variant)
    async with standing_in(exchanges) as running, WireClient(running.url) as client:
        report = await replay(exchanges, client.ask, settings(), concurrency=4)
        assert [(failure.exchange.id, failure.failure) for failure in report.failures] == []
        assert report.total == len(exchanges)
        assert (running.stand_in.answered, running.stand_in.unknown) == (len(exchanges), 0)


async def test_an_older_version_answers_as_it_did() -> None:
    exchanges = recorded(version="12.2.12")
    async with standing_in(exchanges) as running, WireClient(running.url) as client:
        report = await replay(exchanges, client.ask, settings(), concurrency=4)
    assert not report.failures


async def test_a_request_that_is_not_on_the_tape_gets_501_and_is_counted() -> None:
    async with standing_in() as running, WireClient(running.url) as client:
        answer = await client.ask(Request("GET", b"/nowhere", ((b"Host", b"x"),)))
        assert answer.status == 501
        assert json.loads(answer.body)["details"] == "GET /nowhere"
        assert (running.stand_in.answered, running.stand_in.unknown) == (0, 1)


async def test_ordinary_clients_get_the_recorded_answer() -> None:
    async with standing_in() as running:
        with requests.Session() as session:
            answer = await asyncio.to_thread(session.get, f"{running.url}/lone", timeout=10)
        assert (answer.status_code, answer.content) == (200, LONE)
        async with aiohttp.ClientSession() as client, client.get(f"{running.url}/lone") as received:
            assert (received.status, await received.read()) == (200, LONE)
            assert received.headers["Server"] == "postgrest/14.17"
        assert running.stand_in.unknown == 0


async def test_the_date_of_the_answer_is_now() -> None:
    async with standing_in() as running, WireClient(running.url) as client:
        answer = await client.ask(Request("GET", b"/lone"))
    date = parsedate_to_datetime((answer.header(b"date") or b"").decode())
    assert abs(date.timestamp() - time.time()) < 60


async def test_answers_may_be_held_back_and_still_come_in_order() -> None:
    async with standing_in(delay=0.02) as running:
        host, _, port = running.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        before = time.monotonic()
        writer.write(GET_LONE + GET_NOWHERE + GET_LONE.replace(b"Host", b"Connection: close\r\nHost"))
        received = await reader.read()
        assert time.monotonic() - before >= 0.02
        writer.close()
        await writer.wait_closed()
    assert statuses(received) == [200, 501, 200]


async def test_closing_drops_connections_that_are_still_open() -> None:
    async with standing_in() as running:
        client = WireClient(running.url)
        await client.ask(Request("GET", b"/lone"))
        assert len(running.stand_in.transports) == 1
    await client.close()


def test_pipelined_requests_are_answered_in_order() -> None:
    protocol, wire = connect()
    protocol.data_received(GET_LONE + GET_NOWHERE + GET_LONE)
    protocol.data_received(GET_LONE)
    assert wire.statuses == [200, 501, 200, 200]


PIPELINE = b"".join(
    format_request(build_request(exchange.request, settings()))
    for exchange in recorded(areas=["writes-insert", "url-encoding"])[:120:6]
)
SHARED = StandIn(recorded(), settings())


@given(st.lists(st.integers(0, len(PIPELINE))))
def test_however_requests_are_cut_into_pieces_the_answers_are_the_same(cuts: list[int]) -> None:
    at = [0, *sorted(cuts), len(PIPELINE)]
    protocol, wire = connect(SHARED)
    for start, end in itertools.pairwise(at):
        protocol.data_received(PIPELINE[start:end])
    assert wire.statuses == [
        exchange.answer.status for exchange in recorded(areas=["writes-insert", "url-encoding"])[:120:6]
    ]


def test_a_chunked_body_is_the_same_body() -> None:
    exchange = next(found for found in recorded(areas=["writes-insert"]) if found.request.body)
    request = build_request(exchange.request, settings())
    headers = tuple(header for header in request.headers if header[0] != b"Content-Length")
    chunked = Request("POST", request.target, (*headers, (b"Transfer-Encoding", b"chunked")))
    protocol, wire = connect()
    protocol.data_received(format_request(chunked) + b"3\r\n" + request.body[:3] + b"\r\n")
    assert wire.statuses == []
    rest = request.body[3:]
    protocol.data_received(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))
    assert wire.statuses == [exchange.answer.status]


def test_a_client_that_waits_is_told_once_to_continue() -> None:
    protocol, wire = connect()
    protocol.data_received(b"POST /t HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    protocol.data_received(b"[")
    assert wire.written == b"HTTP/1.1 100 Continue\r\n\r\n"
    protocol.data_received(b"]")
    assert wire.statuses == [100, 501]


@pytest.mark.parametrize(
    ("head", "closes"),
    [
        (b"GET /lone HTTP/1.1\r\n\r\n", False),
        (b"GET /lone HTTP/1.1\r\nConnection: close\r\n\r\n", True),
        (b"GET /lone HTTP/1.0\r\n\r\n", True),
        (b"GET /lone HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", False),
    ],
)
def test_the_connection_is_kept_as_http_says(head: bytes, closes: bool) -> None:
    shared = StandIn(recorded(), settings())
    before, _ = connect(shared)
    before.data_received(GET_LONE)
    protocol, wire = connect(shared)
    protocol.data_received(head)
    protocol.data_received(GET_LONE)
    assert wire.closing is closes
    assert wire.statuses == ([200] if closes else [200, 200])
    assert (b"Connection: close" in wire.written) is closes


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET /lone\r\n\r\n",
        b"GET /lone SMTP/1.1\r\n\r\n",
        b"GET /lone HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /t HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /t HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"x" * (HEAD_LIMIT + 1),
    ],
)
def test_what_is_no_request_gets_400_and_ends_the_connection(garbage: bytes) -> None:
    protocol, wire = connect()
    protocol.data_received(garbage)
    assert (wire.statuses, wire.closing) == ([400], True)
    protocol.data_received(GET_LONE)
    assert wire.statuses == [400]


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    protocol, wire = connect()
    protocol.pause_writing()
    assert not wire.reading
    protocol.resume_writing()
    assert wire.reading


def test_the_large_document_that_was_not_recorded_is_stood_for_by_an_empty_one() -> None:
    protocol, wire = connect()
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = wire.written.partition(b"\r\n\r\n")
    assert (wire.statuses, body) == ([200], b"{}")
    assert b"Content-Length: 2" in head.split(b"\r\n")


def test_a_recording_is_loaded_with_the_description_beside_it() -> None:
    exchanges, found = load_recording(TAPES, "limited", "13.0.8")
    assert len(exchanges) == 43
    assert found == settings()


def test_a_variant_that_was_not_recorded_is_refused() -> None:
    with pytest.raises(TapeError, match="no exchange of variant sideways"):
        load_recording(TAPES / "postgrest-14.17", "sideways")


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    stand_in.add_arguments(parser)
    return parser.parse_args(arguments)


async def test_the_command_serves_until_it_is_told_to_stop() -> None:
    program = "import argparse, sys; from proxy.tape import stand_in; parser = argparse.ArgumentParser(); "
    program += "stand_in.add_arguments(parser); sys.exit(stand_in.run(parser.parse_args()))"
    arguments = ["--tape", str(TAPES), "--version", "14.17", "--variant", "single", "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *arguments),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    announced = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    assert announced.startswith("stand-in: 11 recorded requests at http://127.0.0.1:")
    async with WireClient(announced.split()[-1]) as client:
        assert (await client.ask(Request("GET", b"/nowhere"))).status == 501
    process.send_signal(signal.SIGTERM)
    rest, _ = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, rest) == (0, b"stand-in: 0 answered, 1 not on the tape\n")


def test_the_command_refuses_a_place_without_tapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stand_in.run(parse("--tape", str(tmp_path))) == 2
    assert "no tapes" in capsys.readouterr().err

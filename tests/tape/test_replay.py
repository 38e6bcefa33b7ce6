"""Replaying a tape, against a function in this process and from the command line."""

import argparse
import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import Unsupported
from proxy.messages import Answer, Request
from proxy.tape import replay as command
from proxy.tape.format import RecordedExchange, RecordedRequest, Tape, TapeHeader, write_tape
from proxy.tape.replay import replay, replay_tape, sequence_reset
from proxy.tape.request import RequestSettings
from proxy.tape.stand_in import serve_stand_in
from tests.support.conformance import CONFORMANCE, TAPES, recorded, settings
from tests.support.database import ConformanceDatabase

SETTINGS = RequestSettings(b"recorded.example")


def exchange(name: str, method: str = "GET") -> RecordedExchange:
    request = RecordedRequest(method, b"/" + name.encode())
    return RecordedExchange(name, "a", "default", request, Answer(200, (), name.encode()))


async def echo(request: Request) -> Answer:
    return Answer(200, (), request.target[1:])


async def test_outcomes_come_in_the_order_of_the_tape_whatever_the_concurrency() -> None:
    tape = [exchange(str(number)) for number in range(20)]
    release = asyncio.Event()

    async def ask(request: Request) -> Answer:
        if request.target == b"/0":
            await release.wait()
        elif request.target == b"/19":
            release.set()
        return await echo(request)

    report = await replay(tape, ask, SETTINGS, concurrency=2)
    assert [outcome.exchange.id for outcome in report.outcomes] == [str(number) for number in range(20)]
    assert report.passed == report.identical == 20


async def test_a_different_answer_fails_with_the_first_difference() -> None:
    async def ask(request: Request) -> Answer:
        return Answer(404, (), b"gone")

    report = await replay([exchange("x")], ask, SETTINGS)
    assert report.outcomes[0].failure == "status 200 expected, 404 received gone"
    assert report.outcomes[0].answer == Answer(404, (), b"gone")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (Unsupported("embedding"), "unsupported: embedding"),
        (ConnectionRefusedError("nobody"), "no answer: ConnectionRefusedError: nobody"),
        (ZeroDivisionError("oops"), "no answer: ZeroDivisionError: oops"),
    ],
)
async def test_no_answer_is_a_failure_of_that_exchange_alone(error: Exception, failure: str) -> None:
    async def ask(request: Request) -> Answer:
        if request.target == b"/bad":
            raise error
        return await echo(request)

    report = await replay([exchange("bad"), exchange("good")], ask, SETTINGS)
    assert [outcome.failure for outcome in report.outcomes] == [failure, None]
    assert not report.outcomes[0].identical


async def test_something_happens_before_every_write_and_writes_never_overlap() -> None:
    events: list[str] = []
    writing = 0

    async def before_write() -> None:
        assert writing == 0
        events.append("before")

    async def ask(request: Request) -> Answer:
        nonlocal writing
        if request.method == "POST":
            assert writing == 0
            writing += 1
            await asyncio.sleep(0)
            writing -= 1
        events.append(request.method)
        return await echo(request)

    tape = [exchange(str(number), "POST" if number % 2 else "GET") for number in range(10)]
    report = await replay(tape, ask, SETTINGS, before_write=before_write, concurrency=4)
    assert report.passed == 10
    assert events.count("before") == events.count("POST") == 5
    writes = [event for event in events if event != "GET"]
    assert writes == ["before", "POST"] * 5


async def test_the_conformance_sequences_are_reset_before_writes(
    conformance_database: ConformanceDatabase,
) -> None:
    async with sequence_reset(conformance_database.url) as before_write:
        assert before_write is not None
        await before_write()
    async with sequence_reset(None) as nothing:
        assert nothing is None


def parse(*arguments: str | Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(argument) for argument in arguments])


@contextlib.asynccontextmanager
async def server(tape: list[RecordedExchange]) -> AsyncIterator[str]:
    running = await serve_stand_in(tape, settings())
    try:
        yield running.url
    finally:
        await running.close()


async def test_the_command_passes_when_every_answer_is_the_recorded_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with server(recorded()) as url:
        args = parse(TAPES / "postgrest-14.17", "--url", url, "--area", "select", "--concurrency", "2")
        assert await replay_tape(args) == 0
    printed = capsys.readouterr().out
    assert "select                              110    110  100.0 %" in printed
    assert "bodies byte-identical: 110 of 110" in printed


async def test_the_command_reports_differences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = [
        replace(found, answer=found.answer._replace(status=418)) if found.id == "select-002" else found
        for found in recorded(areas=["select"])
    ]
    report = tmp_path / "report.json"
    async with server(tape) as url:
        args = parse(TAPES, "--version", "14.17", "--url", url, "--id", "select-00*", "--report", report)
        assert await replay_tape(args) == 1
    printed = capsys.readouterr().out
    assert "FAIL select-002" in printed
    assert "status 200 expected, 418 received" in printed
    document = json.loads(report.read_text(encoding="utf-8"))
    assert (document["passed"], document["total"], document["variant"]) == (8, 9, "default")
    assert [failure["id"] for failure in document["failures"]] == ["select-002"]


async def test_a_function_can_stand_in_for_the_url() -> None:
    async def ask(request: Request) -> Answer:
        raise Unsupported("everything")

    args = parse(TAPES / "postgrest-14.17" / "select.jsonl", "--id", "select-001", "--show", "0")
    assert await replay_tape(args, ask) == 1


async def test_a_tape_without_a_description_needs_none_when_no_claims_are_to_be_signed(
    tmp_path: Path,
) -> None:
    write_tape(tmp_path / "a.jsonl", Tape(TapeHeader("a", "14.17", "16.14"), (exchange("x"),)))
    asked: list[Request] = []

    async def ask(request: Request) -> Answer:
        asked.append(request)
        return await echo(request)

    assert await replay_tape(parse(tmp_path, "--url", "http://example.org:3000/"), ask) == 0
    assert asked[0].header(b"host") == b"example.org:3000"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([CONFORMANCE / "nowhere", "--url", "http://x"], "no such file"),
        ([TAPES / "postgrest-14.17"], "--url or --config is needed"),
        ([TAPES / "postgrest-14.17", "--url", "x:3000"], "not an http url"),
        ([TAPES / "postgrest-14.17", "--url", "http://x", "--variant", "y"], "no exchange matches"),
        ([TAPES / "postgrest-14.17", "--url", "http://x", "--variants", "y.json"], "y.json: No such file"),
        (
            [TAPES / "postgrest-14.17", "--url", "http://x", "--reset-dsn", "postgresql://x@127.0.0.1:1/x"],
            "understudy tape replay: ",
        ),
    ],
)
def test_wrong_usage_ends_with_exit_code_2(
    arguments: list[str | Path], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asyncio.run(replay_tape(parse(*arguments))) == 2
    assert complaint in capsys.readouterr().err


def test_a_concurrency_of_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("tape", "--concurrency", "0")
    assert caught.value.code == 2
    assert "at least 1" in capsys.readouterr().err

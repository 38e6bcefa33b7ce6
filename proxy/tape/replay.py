"""Replay recorded exchanges: ask a server, or the engine in this process, and compare the answers."""

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import asyncpg
from rich.console import Console

from proxy.errors import Unsupported
from proxy.messages import Answer, Request
from proxy.tape.collection import find_variants, load, read_variants, select
from proxy.tape.compare import deviations
from proxy.tape.format import RecordedExchange, TapeError
from proxy.tape.progress import show_progress
from proxy.tape.report import Outcome, Report, print_report, to_document
from proxy.tape.request import RequestSettings, build_request
from proxy.tape.wire import WireClient

Ask: TypeAlias = Callable[[Request], Awaitable[Answer]]
BeforeWrite: TypeAlias = Callable[[], Awaitable[object]]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_RESET_SEQUENCES = "select test_support.reset_sequences()"


async def replay(
    exchanges: Iterable[RecordedExchange],
    ask: Ask,
    settings: RequestSettings,
    *,
    before_write: BeforeWrite | None = None,
    concurrency: int = 1,
    step: Callable[[], None] = lambda: None,
) -> Report:
    """Send every request through ``ask`` and compare what comes back, ``concurrency`` at a time.

    ``before_write`` is awaited before every request that is not GET, HEAD or OPTIONS; such requests then
    never overlap one another. ``step`` is called after each. Whatever ``ask`` raises is a failure of that
    exchange. Raises TapeError when a request cannot be rebuilt with ``settings``.
    """
    numbered = [
        (number, exchange, build_request(exchange.request, settings))
        for number, exchange in enumerate(exchanges)
    ]
    waiting = iter(numbered)
    outcomes: dict[int, Outcome] = {}
    writing = asyncio.Lock()

    async def work() -> None:
        for number, exchange, request in waiting:
            if before_write is None or request.method in _SAFE_METHODS:
                outcomes[number] = await _play(exchange, request, ask)
            else:
                async with writing:
                    await before_write()
                    outcomes[number] = await _play(exchange, request, ask)
            step()

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())
    return Report(tuple(outcomes[number] for number in sorted(outcomes)))


async def _play(exchange: RecordedExchange, request: Request, ask: Ask) -> Outcome:
    try:
        answer = await ask(request)
    except Unsupported as error:
        return Outcome(exchange, None, f"unsupported: {error.feature}")
    except Exception as error:
        return Outcome(exchange, None, f"no answer: {type(error).__name__}: {error}")
    found = deviations(exchange, answer)
    return Outcome(exchange, answer, found[0].text if found else None)


@contextlib.asynccontextmanager
async def sequence_reset(dsn: str | None) -> AsyncIterator[BeforeWrite | None]:
    """A ``before_write`` that resets the conformance sequences of the database ``dsn``; None without one."""
    if dsn is None:
        yield None
        return
    connection = await asyncpg.connect(dsn)
    try:
        yield lambda: connection.execute(_RESET_SEQUENCES)
    finally:
        await connection.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy tape replay``."""
    parser.add_argument("tape", type=Path, metavar="TAPE_OR_DIR", help="a tape, or a directory of tapes")
    parser.add_argument("--url", help="base URL of the server to ask")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="understudy.yaml: its secret, and without --url its engine",
    )
    parser.add_argument("--variant", default="default", help="the configuration the server runs with")
    parser.add_argument("--version", metavar="X.Y", help="where the directory holds several: whose answers")
    parser.add_argument("--variants", type=Path, metavar="FILE", help="variants.json, if not near the tape")
    parser.add_argument("--area", action="append", default=[], help="only this area (repeatable)")
    parser.add_argument("--id", action="append", default=[], help="only this id or prefix* (repeatable)")
    parser.add_argument("--skip-accidents", action="store_true", help="leave out internal accidents")
    parser.add_argument("--show", type=int, default=10, metavar="N", help="differences to print")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write all failures here, as JSON")
    parser.add_argument("--reset-dsn", metavar="DSN", help="reset this database's sequences before writes")
    parser.add_argument("--concurrency", type=_positive, default=1, metavar="N", help="requests at a time")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="per request")


async def replay_tape(
    args: argparse.Namespace, ask: Ask | None = None, *, settings: RequestSettings | None = None
) -> int:
    """Replay against ``ask``, or ``--url`` without it, and print the report. Exit codes as for ``run``.

    ``settings`` are for tapes that no ``variants.json`` goes with.
    """
    try:
        report = await _replay(args, ask, settings)
    except (TapeError, ValueError, OSError, asyncpg.PostgresError) as error:
        print(f"understudy tape replay: {error}", file=sys.stderr)
        return 2
    print_report(report, Console(), args.show)
    return 0 if report.passed == report.total else 1


async def _replay(args: argparse.Namespace, ask: Ask | None, settings: RequestSettings | None) -> Report:
    if ask is None and args.url is None:
        raise ValueError("--url or --config is needed")
    exchanges = list(
        select(
            load(args.tape, args.version),
            variant=args.variant,
            areas=args.area,
            ids=args.id,
            skip_accidents=args.skip_accidents,
        )
    )
    if not exchanges:
        raise TapeError(f"{args.tape}: no exchange matches")
    description = args.variants or find_variants(args.tape)
    if description is not None:
        settings = read_variants(description).settings
    else:
        host = urlsplit(args.url or "").netloc.encode() or b"localhost"
        settings = RequestSettings(host) if settings is None else replace(settings, host=host)
    async with contextlib.AsyncExitStack() as stack:
        if ask is None:
            ask = (await stack.enter_async_context(WireClient(args.url, args.timeout))).ask
        before_write = await stack.enter_async_context(sequence_reset(args.reset_dsn))
        step = stack.enter_context(show_progress("exchanges replayed", len(exchanges)))
        report = await replay(
            exchanges, ask, settings, before_write=before_write, concurrency=args.concurrency, step=step
        )
    if args.report is not None:
        document = {"url": args.url, "variant": args.variant, **to_document(report)}
        args.report.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return report


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number

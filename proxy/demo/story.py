"""Send recorded reads through the proxy, show the verdicts, switch a table and take it back."""

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from yarl import URL

from proxy.demo.stage import PATIENCE, DemoError, Stage, read_status, set_stage
from proxy.errors import UnderstudyError
from proxy.tape.collection import Variants, load, read_variants, select
from proxy.tape.format import RecordedExchange, RecordedRequest
from proxy.tape.request import build_request

_CLIENTS = 8
_TABLE = "storage"
_VERDICTS = ("match", "equivalent", "indeterminate", "mismatch", "unsupported", "failed")
_ROWS = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy demo``."""
    default = Path(__file__).resolve().parents[2] / "tests" / "conformance"
    parser.add_argument("--tapes", type=Path, default=default, metavar="DIR", help="the conformance files")
    parser.add_argument(
        "--reads", type=int, default=1500, metavar="N", help="how many recorded reads to send"
    )
    parser.add_argument("--keep", action="store_true", help="go on running at the end, and print the URLs")


def run(options: argparse.Namespace) -> int:
    """Run the demonstration. Exit code 0: all reads accounted for and none disagreed, 1: not so."""
    console = Console(highlight=False)
    try:
        return asyncio.run(_play(options, console))
    except (UnderstudyError, OSError) as error:
        console.print(f"[red]understudy demo: {error}[/red]")
        return 2


async def _play(options: argparse.Namespace, console: Console) -> int:
    variants = read_variants(options.tapes / "variants.json")
    recorded = list_reads(options.tapes / "tapes" / "postgrest-14.17")
    reads = recorded[:: max(1, len(recorded) // options.reads)][: options.reads]
    async with contextlib.AsyncExitStack() as stack:
        stage = await stack.enter_async_context(set_stage(options.tapes, variants, console))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await _send_all(stage, reads, variants, session, console)
        fine = _show_verdicts(await _wait_settled(stage, session), console)
        target = choose_switched(recorded)
        fine = await _switch(stage, target, session, console) and fine
        if options.keep:
            await _keep(stage, console)
    console.print("[green]done: everything above was shut down again[/green]")
    return 0 if fine else 1


def list_reads(tape: Path) -> list[RecordedExchange]:
    """The recorded reads that an ordinary client can send."""
    exchanges = select(load(tape), variant="default", skip_accidents=True)
    # What the recording exempts from comparison, execution plans for one, is each server's own.
    return [exchange for exchange in exchanges if _is_sendable(exchange.request) and not exchange.ignore]


def choose_switched(reads: Sequence[RecordedExchange]) -> str:
    """The target of a recorded read of the table that is switched, one that any client may send."""
    for exchange in reads:
        request = exchange.request
        plain = request.method == "GET" and not request.headers and request.claims is None
        if (
            plain
            and request.target.startswith(f"/{_TABLE}?select=".encode())
            # A read that embeds other tables is no more the engine's than they are.
            and b"(" not in unquote_to_bytes(request.target)
            and exchange.answer.status == 200
        ):
            return request.target.decode()
    raise DemoError(f"no plain read of {_TABLE} is on the tape")


def _is_sendable(request: RecordedRequest) -> bool:
    target = request.target
    plain = target.startswith(b"/") and target.isascii() and b"#" not in target
    return request.method in ("GET", "HEAD") and request.body is None and plain


async def _send_all(
    stage: Stage,
    reads: Sequence[RecordedExchange],
    variants: Variants,
    session: aiohttp.ClientSession,
    console: Console,
) -> None:
    """Send every read once, from several clients at a time."""
    queue = list(reversed(reads))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("recorded reads through the proxy", total=len(reads))

        async def client() -> None:
            while queue:
                await _send(stage, queue.pop(), variants, session)
                progress.advance(task)

        await asyncio.gather(*(client() for _ in range(_CLIENTS)))


async def _send(
    stage: Stage, exchange: RecordedExchange, variants: Variants, session: aiohttp.ClientSession
) -> None:
    request = build_request(exchange.request, variants.settings)
    headers = [(name.decode("latin-1"), value.decode("utf-8")) for name, value in request.headers]
    url = URL(stage.proxy_url + request.target.decode(), encoded=True)
    async with session.request(request.method, url, headers=headers, allow_redirects=False) as answer:
        await answer.read()


async def _wait_settled(stage: Stage, session: aiohttp.ClientSession) -> dict[str, Any]:
    """The status, once nothing is queued or in work any more."""
    for _ in range(PATIENCE):
        status = await read_status(stage.admin_url, session)
        if not any(table["pending"] for table in status["tally"]):
            return status
        await asyncio.sleep(0.1)
    raise DemoError("reads are still in work after two minutes")


def _show_verdicts(status: Mapping[str, Any], console: Console) -> bool:
    """Print the verdict table; whether every read is accounted for and none disagreed."""
    seen = sorted((row for row in status["tally"] if row["reads"]), key=lambda row: -row["reads"])
    verdicts = [name for name in _VERDICTS if any(row["verdicts"].get(name) for row in seen)]
    table = Table(title="what became of the mirrored reads")
    table.add_column("table", no_wrap=True)
    for name in ("reads", *verdicts, "skipped", "shed"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in seen[:_ROWS]:
        table.add_row(row["table"], *_cells([row], verdicts))
    if len(seen) > _ROWS:
        table.add_row(f"{len(seen) - _ROWS} more", *_cells(seen[_ROWS:], verdicts))
    table.add_section()
    table.add_row("all", *_cells(seen, verdicts))
    console.print(table)
    _show_disagreements(status["disagreements"], console)
    reads, settled = sum(row["reads"] for row in seen), sum(row["settled"] for row in seen)
    console.print(f"{reads} reads of {len(seen)} tables and functions, {settled} accounted for")
    return reads == settled and not sum(row["verdicts"].get("mismatch", 0) for row in seen)


def _cells(rows: Sequence[Mapping[str, Any]], verdicts: Sequence[str]) -> list[str]:
    counts = [sum(row["reads"] for row in rows)]
    counts += [sum(row["verdicts"].get(name, 0) for row in rows) for name in verdicts]
    counts += [sum(sum(row[kind].values()) for row in rows) for kind in ("skipped", "shed")]
    return [str(count) if count else "·" for count in counts]


def _show_disagreements(disagreements: Sequence[Mapping[str, Any]], console: Console) -> None:
    for one in disagreements[:5]:
        console.print(f"[red]{one['verdict']}[/red] {one['shape']}", markup=True)
        for where in one["paths"] or [one["detail"]]:
            console.print(f"    {where}")


async def _switch(stage: Stage, target: str, session: aiohttp.ClientSession, console: Console) -> bool:
    """Let the engine serve one table, and take it back, by editing the file.

    Tells whether the answers stay equal.
    """
    console.print(f"\n[bold]now {_TABLE} is switched, by editing {stage.config.name}[/bold]")
    original = stage.config.read_text(encoding="utf-8")
    shadow = await _show_answer(stage, "shadow", target, session, console)
    stage.config.write_text(f"{original}tables:\n  {_TABLE}: {{reads: engine}}\n", encoding="utf-8")
    await _wait_mode(stage, session, "engine")
    engine = await _show_answer(stage, "engine", target, session, console)
    stage.config.write_text(original, encoding="utf-8")
    await _wait_mode(stage, session, "shadow")
    back = await _show_answer(stage, "back", target, session, console)
    equal = shadow[1] == engine[1] == back[1]
    console.print("  the three answers are equal, byte for byte" if equal else "  [red]they differ[/red]")
    answered_by = (shadow[0], engine[0], back[0])
    return equal and answered_by == ("the upstream", "the engine", "the upstream")


async def _show_answer(
    stage: Stage, when: str, target: str, session: aiohttp.ClientSession, console: Console
) -> tuple[str, bytes]:
    """Ask once more, and say who answered; gives that, and the body."""
    body = await _ask(stage, target, session)
    who = await _who_answered(stage, target, session)
    console.print(f"  {when + ':':7} {who} answered {len(body)} bytes")
    return who, body


async def _ask(stage: Stage, target: str, session: aiohttp.ClientSession) -> bytes:
    async with session.get(URL(stage.proxy_url + target, encoded=True)) as answer:
        return await answer.read()


async def _who_answered(stage: Stage, target: str, session: aiohttp.ClientSession) -> str:
    """Which side answered one more read of the table, by the proxy's own count."""
    before = await _engine_served(stage, session)
    await _ask(stage, target, session)
    return "the engine" if await _engine_served(stage, session) > before else "the upstream"


async def _engine_served(stage: Stage, session: aiohttp.ClientSession) -> int:
    tally = (await read_status(stage.admin_url, session))["tally"]
    return sum(row["engine_served"] for row in tally if row["table"] == _TABLE)


async def _wait_mode(stage: Stage, session: aiohttp.ClientSession, mode: str) -> None:
    for _ in range(PATIENCE):
        modes = (await read_status(stage.admin_url, session))["modes"]
        if any(row["table"] == _TABLE and row["reads"] == mode for row in modes):
            return
        await asyncio.sleep(0.05)
    raise DemoError(f"{_TABLE} did not become {mode} in a minute")


async def _keep(stage: Stage, console: Console) -> None:
    console.print("\n[bold]still running, until Ctrl-C.[/bold] In another terminal:\n")
    for name, value in (("PROXY", stage.proxy_url), ("ADMIN", stage.admin_url), ("FILE", stage.config)):
        console.print(f"export {name}={value}", soft_wrap=True)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()

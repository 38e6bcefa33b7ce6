"""The command line. Exit codes: 0 done, 1 the check found something, 2 wrong usage or configuration."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import proxy
from proxy import certify, check, engine_command, replaying
from proxy.app import Proxy, parse_config
from proxy.config import Config, LogConfig
from proxy.console import certificate, mismatches, must_see, readiness, rearm, status, switching
from proxy.demo import story
from proxy.errors import ConfigError, UnderstudyError
from proxy.loop import FAST_LOOP, prepare_interpreter
from proxy.operate.log_output import begin_log
from proxy.operate.tracing import MISSING, TracingMissing, can_trace
from proxy.serving import serve_until_told, watch_until_told
from proxy.tape import live, replay, stand_in
from proxy.workers import bind_inherited

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    prepare_interpreter()
    options = make_parser().parse_args(arguments)
    begin_log(sys.stderr, LogConfig)
    command: Command = options.command
    return command(options)


def make_parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    parser = argparse.ArgumentParser(
        prog="understudy", description="A shadow-traffic proxy for replacing PostgREST without fear."
    )
    parser.add_argument("--version", action="version", version=f"understudy {proxy.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, text: str, run: Command) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=run, name=name)
        return made

    serving = add("serve", "Run the proxy.", serve)
    _add_config(serving)
    serving.add_argument(
        "--workers", type=int, metavar="N", help="processes, instead of the file's `workers`"
    )
    serving.add_argument("--inherited", type=int, nargs=5, help=argparse.SUPPRESS)
    engine_command.add_arguments(add("engine", engine_command.DESCRIPTION, engine_command.run))
    _add_config(add("check", "Validate a configuration and connect to both sides.", run_check))
    status.add_arguments(
        add("status", "Show modes, traffic, verdicts and evidence.", partial(_with_config, status.run))
    )
    mismatches.add_arguments(
        add("mismatches", "List kept mismatches, or show one.", partial(_with_config, mismatches.run))
    )
    text = "Say of each table whether it may be promoted, and what is still missing."
    readiness.add_arguments(add("readiness", text, partial(_with_config, readiness.run)))
    text = "Pin shapes that must have been compared, from an access log or a tape; list them."
    must_see.add_arguments(add("must-see", text, partial(_with_config, must_see.run)))
    text = "Let the engine answer tables, or a share of their reads, by changing the file."
    switching.add_promote_arguments(add("promote", text, switching.run_promote))
    text = "Put tables back into shadow, by changing the file."
    switching.add_rollback_arguments(add("rollback", text, switching.run_rollback))
    text = "Take the guard's hold from tables: they do what the file says again."
    rearm.add_arguments(add("rearm", text, partial(_with_config, rearm.run)))
    text = "Say what was compared, what was not, and what speaks against switching the upstream off."
    certificate.add_arguments(add("certificate", text, partial(_with_config, certify.run)))
    story.add_arguments(add("demo", "Show mirrored reads end to end, on this machine.", story.run))
    stand_in.add_arguments(add("stand-in", "Answer recorded requests as PostgREST did.", stand_in.run))
    tape = add("tape", "Work with recorded exchanges.", lambda _: 2).add_subparsers(
        required=True, metavar="COMMAND"
    )
    text = "Record live traffic of a running proxy."
    recording = tape.add_parser("record", help=text, description=text)
    live.add_arguments(recording)
    recording.set_defaults(command=live.run)
    text = "Replay a tape against a server, and compare its answers with the recorded ones."
    playing = tape.add_parser("replay", help=text, description=text)
    replay.add_arguments(playing)
    playing.set_defaults(command=partial(_with_config, replaying.run), name="tape replay")
    return parser


def _with_config(
    command: Callable[[argparse.Namespace, Config | None], int], options: argparse.Namespace
) -> int:
    """Run a command for which a configuration is one of several sources."""
    try:
        config = None if options.config is None else _load(options.config)[1]
    except (ConfigError, OSError) as error:
        return _complain(options.name, error)
    return command(options, config)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="understudy.yaml")


def _load(path: Path) -> tuple[bytes, Config]:
    content = path.read_bytes()
    return content, parse_config(content, path).config


def serve(options: argparse.Namespace) -> int:
    """Run the proxy until it is told to end; see ``proxy.serving``."""
    path: Path = options.config
    try:
        content, config = _load(path)
    except (ConfigError, OSError) as error:
        return _complain("serve", error)
    if config.log.spans and not can_trace():
        return _complain("serve", TracingMissing(MISSING))
    workers = options.workers or config.workers
    if workers > 1 and config.ledger == "sqlite://":
        return _complain("serve", UnderstudyError("several workers cannot share a ledger that is in memory"))
    if workers > 1 and options.inherited is None:
        begin_log(sys.stderr, lambda: config.log)
        command = [sys.executable, "-m", "proxy", "serve", "--config", str(path), "--inherited"]
        return _run("serve", watch_until_told(replace(config, workers=workers), command))
    sockets, line = (None, None) if options.inherited is None else bind_inherited(options.inherited)
    apart = config.shadow.process == "own"
    try:
        running = Proxy(config, path=path, content=content, sockets=sockets, apart=apart)
    except TracingMissing as error:
        return _complain("serve", error)
    begin_log(sys.stderr, lambda: running.state.current.config.log)
    return _run("serve", serve_until_told(running, line))


def run_check(options: argparse.Namespace) -> int:
    """Print what each table would do. Exit code 1 if a side or the ledger cannot be reached."""
    try:
        file = parse_config(options.config.read_bytes(), options.config)
    except (ConfigError, OSError) as error:
        return _complain("check", error)
    return asyncio.run(check.report(file))


def _run(command: str, work: Coroutine[Any, Any, int]) -> int:
    try:
        with asyncio.Runner(loop_factory=FAST_LOOP) as runner:
            return runner.run(work)
    except OSError as error:
        return _complain(command, error)


def _complain(command: str, error: Exception) -> int:
    print(f"understudy {command}: {error}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

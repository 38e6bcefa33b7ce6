"""The command line. Exit codes: 0 done, 1 the check found something, 2 wrong usage or configuration."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import proxy
from proxy import check
from proxy.app import Proxy, parse_config, read_named
from proxy.config import Address, Config, EngineConfig
from proxy.config.engine import read_standalone
from proxy.config.postgrest import read_postgrest_conf
from proxy.demo import story
from proxy.errors import ConfigError
from proxy.loop import FAST_LOOP
from proxy.tape import replay, stand_in

DEEPEST = 6000
"""Frames that Python may stack: PostgREST answers requests that nest some hundred levels."""

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    sys.setrecursionlimit(DEEPEST)
    options = make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
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
        made.set_defaults(command=run)
        return made

    _add_config(add("serve", "Run the proxy.", serve))
    engine = add("engine", "Run the engine alone, by PGRST_* variables or a postgrest.conf.", engine_alone)
    engine.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a postgrest.conf")
    engine.add_argument("--compat", choices=("14",), default="14", help="the dialect to speak")
    _add_config(add("check", "Validate a configuration and connect to both sides.", run_check))
    story.add_arguments(add("demo", "Show mirrored reads end to end, on this machine.", story.run))
    stand_in.add_arguments(add("stand-in", "Answer recorded requests as PostgREST did.", stand_in.run))
    tape = add("tape", "Work with recorded exchanges.", lambda _: 2).add_subparsers(
        required=True, metavar="COMMAND"
    )
    text = "Replay a tape against a server, and compare its answers with the recorded ones."
    replaying = tape.add_parser("replay", help=text, description=text)
    replay.add_arguments(replaying)
    replaying.set_defaults(command=replay.run)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="understudy.yaml")


def _load(path: Path) -> tuple[bytes, Config]:
    content = path.read_bytes()
    return content, parse_config(content, path).config


def serve(options: argparse.Namespace) -> int:
    """Run the proxy until SIGINT or SIGTERM. SIGHUP reloads the file, SIGUSR1 the schema cache."""
    try:
        content, config = _load(options.config)
    except (ConfigError, OSError) as error:
        return _complain("serve", error)
    return _run("serve", _serve(Proxy(config, path=options.config, content=content)))


def engine_alone(options: argparse.Namespace) -> int:
    """Run the engine where ``postgrest`` would run, until SIGINT or SIGTERM."""
    try:
        text = options.file.read_text(encoding="utf-8") if options.file else ""
        settings = read_postgrest_conf(text, str(options.file))
        engine = read_standalone(settings, os.environ, read_named)
    except (ConfigError, OSError) as error:
        return _complain("engine", error)
    return _run("engine", _serve(Proxy(make_standalone(engine))))


def make_standalone(engine: EngineConfig) -> Config:
    """The configuration of an engine alone, at the addresses that PostgREST's own settings name."""
    host = _HOSTS.get(engine.server_host, engine.server_host)
    admin = engine.admin_server_host or engine.server_host
    return Config(
        listen=Address(host, engine.server_port),
        admin=Address(_HOSTS.get(admin, admin), engine.admin_server_port or 0),
        engine=engine,
    )


_HOSTS = {"*": "0.0.0.0", "*4": "0.0.0.0", "!4": "0.0.0.0", "*6": "::", "!6": "::"}


def run_check(options: argparse.Namespace) -> int:
    """Print what each table would do. Exit code 1 if a side cannot be reached."""
    try:
        file = parse_config(options.config.read_bytes(), options.config)
    except (ConfigError, OSError) as error:
        return _complain("check", error)
    return asyncio.run(check.report(file))


async def _serve(running: Proxy) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running:
        loop.add_signal_handler(signal.SIGUSR1, running.schema_cache.refresh)
        reloading: set[asyncio.Task[None]] = set()
        if running.reload is not None:
            reload = running.reload.reload

            def start_reload() -> None:
                task = loop.create_task(reload())
                reloading.add(task)
                task.add_done_callback(reloading.discard)

            loop.add_signal_handler(signal.SIGHUP, start_reload)
        print(
            f"understudy {proxy.__version__}: port {running.port}, admin port {running.admin_port}",
            flush=True,
        )
        await stopped.wait()
    return 0


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

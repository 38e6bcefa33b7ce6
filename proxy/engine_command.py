"""``understudy engine`` on the command line: the flags, exit codes and messages of ``postgrest``.

Exit codes: 0 done, 1 anything else, as PostgREST has it; 2 wrong usage. Source: reference 12.1.
"""

import argparse
import asyncio
import http.client
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import proxy
from proxy.config import EngineConfig, LogConfig
from proxy.config.complaints import explain
from proxy.config.dump import dump_config, example_config
from proxy.config.engine import read_standalone
from proxy.config.in_database import read_database
from proxy.config.postgrest import read_postgrest_conf
from proxy.crew import MOST, find_workers
from proxy.errors import ConfigError
from proxy.loop import FAST_LOOP, prepare_interpreter
from proxy.machine import count_processors, read_memory_limit
from proxy.operate.log_output import begin_log
from proxy.server.listening import SPECIAL_HOSTS
from proxy.standalone import ReadOptions, Standalone

SERVER_VARIABLE = "UNDERSTUDY_SERVER_HEADER"
WORKERS_VARIABLE = "UNDERSTUDY_WORKERS"

MOST_GIVEN = 64

_READY_SECONDS = 30.0


DESCRIPTION = "Run the engine alone, where postgrest would run, by PGRST_* variables or a postgrest.conf."


def main() -> int:
    """Run the engine alone by what stands behind ``understudy engine``; gives the exit code."""
    prepare_interpreter()
    parser = argparse.ArgumentParser(prog="understudy engine", description=DESCRIPTION)
    add_arguments(parser)
    options = parser.parse_args(sys.argv[2:])
    begin_log(sys.stderr, LogConfig)
    return run(options)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The grammar: that of ``postgrest``, and two options more."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILENAME", help="a postgrest.conf")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("-v", "--version", action="version", version=f"understudy {proxy.__version__}")
    what.add_argument(
        "-e",
        "--example",
        action="store_const",
        dest="action",
        const=_print_example,
        help="print a file to start from",
    )
    what.add_argument(
        "--dump-config",
        action="store_const",
        dest="action",
        const=_dump_config,
        help="print the options, with those in the database",
    )
    what.add_argument(
        "--dump-schema",
        action="store_const",
        dest="action",
        const=_dump_schema,
        help="print the schema cache as JSON (its structure is unstable)",
    )
    what.add_argument(
        "--ready",
        action="store_const",
        dest="action",
        const=_ask_ready,
        help="ask the admin server of a running engine whether it is ready",
    )
    parser.set_defaults(action=_serve)
    parser.add_argument("--compat", choices=("12", "13", "14"), help="the dialect to speak, 14 if not given")
    parser.add_argument(
        "--server-header",
        metavar="TEXT",
        help="what answers have for Server, such as postgrest/14.17; empty for none; without it "
        f"${SERVER_VARIABLE}, else understudy/{proxy.__version__}",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        help=f"processes that answer and share db-pool; without it ${WORKERS_VARIABLE}, else one for each "
        f"processor, if connections and memory are enough for them, and {MOST} at most",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line says; gives the exit code."""
    action: Callable[[argparse.Namespace, EngineConfig, ReadOptions], int] = arguments.action
    read = make_reader(arguments.file, os.environ, arguments.compat)
    try:
        return action(arguments, read({}, None), read)
    except ConfigError as error:
        return _complain(f"Error in config\n{explain(error)}")
    except (OSError, ValueError) as error:
        return _complain(str(error))


def make_reader(path: Path | None, environ: Mapping[str, str], compat: str | None) -> ReadOptions:
    """What reads the options from the file at ``path`` and from ``environ``, each time anew."""
    if compat is not None:
        environ = {**environ, "PGRST_COMPAT": compat}

    def read(database: Mapping[str, str], db_uri: str | None) -> EngineConfig:
        text = "" if path is None else path.read_text(encoding="utf-8")
        settings = read_postgrest_conf(text, str(path))
        kept = read_database(database)
        return read_standalone(settings, environ, _read_file, database=kept, db_uri=db_uri)

    return read


def _read_file(path: str) -> bytes:
    return Path(path).read_bytes()


def _make(arguments: argparse.Namespace, options: EngineConfig, read: ReadOptions) -> Standalone:
    server = arguments.server_header
    if server is None:
        server = os.environ.get(SERVER_VARIABLE, f"understudy/{proxy.__version__}")
    workers = _count_workers(arguments.workers or os.environ.get(WORKERS_VARIABLE), options)
    return Standalone(options, read, server=server, out=sys.stdout, err=sys.stderr, workers=workers)


def _count_workers(given: str | None, options: EngineConfig) -> int:
    """How many workers there are to be. Raises ValueError."""
    if not given:
        return find_workers(options.db_pool, count_processors(), read_memory_limit())
    if given.isdecimal() and 1 <= int(given) <= MOST_GIVEN:
        return int(given)
    raise ValueError(f"workers: {given!r} is no whole number from 1 to {MOST_GIVEN}")


def _serve(arguments: argparse.Namespace, options: EngineConfig, read: ReadOptions) -> int:
    """Run until SIGINT or SIGTERM. SIGUSR1 reloads the schema cache, SIGUSR2 the options."""

    async def serve() -> int:
        engine = _make(arguments, options, read)
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()

        def stop(name: str) -> None:
            engine.log.say(f"Received termination unix signal {name}")
            stopped.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number.name)
        loop.add_signal_handler(signal.SIGUSR1, engine.schema_cache.refresh)
        loop.add_signal_handler(signal.SIGUSR2, engine.reload_options)
        async with engine:
            if options.server_unix_socket is None and 0 in (options.server_port, options.admin_server_port):
                print(_announce(engine), flush=True)
            return await engine.run(stopped)

    return _run(serve())


def _announce(engine: Standalone) -> str:
    """Which ports the system has chosen: nobody else can know them."""
    port, admin = (place.rpartition(":")[2] for place in (engine.place, engine.admin_place))
    return f"understudy {proxy.__version__}: port {port}" + (f", admin port {admin}" if admin else "")


def _dump_config(arguments: argparse.Namespace, options: EngineConfig, read: ReadOptions) -> int:
    async def dump() -> int:
        engine = _make(arguments, options, read)
        try:
            if options.db_config:
                await engine.options.start()
        finally:
            await engine.close()
        sys.stdout.write(dump_config(engine.state.current.config.engine))
        return 0

    return _run(dump())


def _dump_schema(arguments: argparse.Namespace, options: EngineConfig, read: ReadOptions) -> int:
    async def dump() -> int:
        engine = _make(arguments, options, read)
        try:
            schema = await engine.load_once()
        finally:
            await engine.close()
        if schema is None:
            return 1
        sys.stdout.write(schema.decode() + "\n")
        return 0

    return _run(dump())


def _print_example(arguments: argparse.Namespace, options: EngineConfig, read: ReadOptions) -> int:
    print(example_config())
    return 0


def _ask_ready(arguments: argparse.Namespace, options: EngineConfig, read: ReadOptions) -> int:
    """Ask ``/ready`` of the engine that runs by the same options."""
    host, port = options.admin_server_host or options.server_host, options.admin_server_port
    if port is None:
        return _fail("Admin server is not running. Please check admin-server-port config.")
    if host in SPECIAL_HOSTS:
        return _fail(
            f'The `--ready` flag cannot be used when server-host is configured as "{host}". '
            'Please update your server-host config to "localhost".'
        )
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/ready"
    connection = http.client.HTTPConnection(host, port, timeout=_READY_SECONDS)
    try:
        connection.request("GET", "/ready")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return _fail(f"connection refused to {url}")
    finally:
        connection.close()
    if not 200 <= status < 300:
        return _fail(url)
    print(f"OK: {url}")
    return 0


def _run(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=FAST_LOOP) as runner:
        return runner.run(work)


def _fail(text: str) -> int:
    print(f"ERROR: {text}", file=sys.stderr)
    return 1


def _complain(text: str) -> int:
    print(f"understudy engine: {text}", file=sys.stderr)
    return 1

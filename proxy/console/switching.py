"""The arguments of ``understudy promote`` and ``understudy rollback``, and their exit codes.

0: done; 1: refused, or the file cannot be changed from here; 2: wrong usage or configuration.
"""

import argparse
import getpass
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from proxy.config.kinds import read_duration, read_percentage
from proxy.config.reader import ConfigFile, read_config
from proxy.console.knowledge import LedgerKnowledge
from proxy.errors import ConfigError, EditRefused
from proxy.modes.file import NotChangeable
from proxy.modes.patch import CONFIG_MAP, explain_patch, find_namespace
from proxy.modes.switch import Order, Refused, Switch
from proxy.shadow.ramp import plan_steps


def add_promote_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy promote``."""
    _add_common(parser)
    parser.add_argument("--to", choices=("canary", "engine"), default="canary", help="default: canary")
    parser.add_argument("--share", type=_shares, metavar="N", help="percentage that the engine answers")
    parser.add_argument("--ramp", type=_shares, metavar="N,N,...", help="percentages, one after the other")
    parser.add_argument("--every", type=_duration, default=600.0, metavar="TIME", help="default: 10m")
    parser.add_argument("--force", action="store_true", help="though it is not ready; needs --reason")


def add_rollback_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy rollback``."""
    _add_common(parser)


def run_promote(options: argparse.Namespace) -> int:
    """Promote; with a ramp, until its end."""
    if options.force and not options.reason.strip():
        return _complain("promote", "--force needs a --reason")
    if options.share and options.ramp:
        return _complain("promote", "--share or --ramp, not both")
    try:
        steps = plan_steps(options.to, options.ramp or options.share or _default(options.to), options.every)
    except ValueError as error:
        return _complain("promote", str(error))
    return _carry_out("promote", options, lambda switch, order: switch.promote(order, steps))


def run_rollback(options: argparse.Namespace) -> int:
    """Put tables back into shadow."""
    return _carry_out("rollback", options, lambda switch, order: switch.rollback(order))


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tables", nargs="+", metavar="TABLE", help="name, schema.name or rpc/NAME")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="understudy.yaml")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; it is written down")


def _carry_out(command: str, options: argparse.Namespace, work: Callable[[Switch, Order], None]) -> int:
    path: Path = options.config
    order = Order(tuple(options.tables), name_operator(), options.reason, getattr(options, "force", False))

    def parse(content: bytes) -> ConfigFile:
        return read_config(content, str(path), os.environ, lambda name: Path(name).read_bytes())

    try:
        knowledge = LedgerKnowledge(
            parse(path.read_bytes()).config, lambda problem: _warn(command, problem), time.time
        )
        work(Switch(path, parse, knowledge, lambda text: print(text, flush=True)), order)
    except Refused as refused:
        return _complain(command, str(refused), 1)
    except NotChangeable as refused:
        print(explain_patch(refused, path.name, os.environ.get(CONFIG_MAP), find_namespace()))
        return 1
    except (ConfigError, EditRefused, OSError) as error:
        return _complain(command, str(error))
    except KeyboardInterrupt:
        return _complain(command, "stopped; the tables stay where the last step left them", 1)
    return 0


def _default(to: str) -> tuple[float, ...]:
    return (10.0,) if to == "canary" else ()


def name_operator() -> str:
    """Whoever gives this command, and where."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _shares(text: str) -> tuple[float, ...]:
    return tuple(read_percentage(part.strip()) for part in text.split(","))


def _duration(text: str) -> float:
    return read_duration(text)


def _warn(command: str, problem: str) -> None:
    print(f"understudy {command}: {problem}", file=sys.stderr)


def _complain(command: str, problem: str, code: int = 2) -> int:
    _warn(command, problem)
    return code

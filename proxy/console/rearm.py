"""``understudy rearm``: take the guard's hold from tables, by the ledger, which all replicas follow."""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from proxy.config import Config
from proxy.console.sources import ask_ledger
from proxy.console.switching import name_operator
from proxy.errors import UnderstudyError
from proxy.ledger.holds import remove_hold
from proxy.shadow.promotion import find_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy rearm``."""
    parser.add_argument("tables", nargs="+", metavar="TABLE", help="name, schema.name or rpc/NAME")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="understudy.yaml")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why it may answer again")


def run(options: argparse.Namespace, config: Config | None) -> int:
    """Exit code 0: done, 1: a table is not held, 2: the ledger cannot be written, or no reason was given."""
    assert config is not None
    if not options.reason.strip():
        return _complain("a --reason is needed", 2)
    code = 0
    for name in options.tables:
        table = find_target(name, config).label
        take = partial(remove_hold, table=table, who=name_operator(), why=options.reason, now=time.time())
        try:
            held = ask_ledger(config, take, writes=True)
        except UnderstudyError as error:
            return _complain(str(error), 2)
        if held:
            print(f"{table}: re-armed")
        else:
            code = _complain(f"there is no hold on {table}", 1)
    return code


def _complain(problem: str, code: int) -> int:
    print(f"understudy rearm: {problem}", file=sys.stderr)
    return code

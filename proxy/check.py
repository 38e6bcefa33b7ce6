"""``understudy check``: does the configuration hold against both sides, and what would each table do?"""

import asyncio
import time

from rich.console import Console
from rich.table import Table

from proxy.config import Config
from proxy.config.names import check_names
from proxy.config.reader import ConfigFile
from proxy.database.connection import Database
from proxy.errors import ApiError, EngineDown, UnderstudyError
from proxy.ledger.database import LedgerDatabase, LedgerMissing
from proxy.ledger.read import list_evidence
from proxy.operate.health import can_connect
from proxy.server.schema_cache import make_names
from proxy.shadow.policy import Names, list_modes


async def report(file: ConfigFile, console: Console | None = None) -> int:
    """Print the findings. Exit code 0: all is well, 1: something cannot be reached, 2: names do not exist."""
    console = console or Console(highlight=False, soft_wrap=True)
    config = file.config
    reached = await _check_upstream(config, console)
    names = await _load_names(config, console)
    if names is None:
        return 1
    problems = check_names(file, names.relations, names.functions.keys(), names.columns)
    for problem in problems:
        console.print(f"[red]{problem}[/red]", markup=True)
    if problems:
        return 2
    kept = await asyncio.to_thread(_check_ledger, config, console)
    console.print(_tabulate(config, names))
    return 0 if reached and kept else 1


def _check_ledger(config: Config, console: Console) -> bool:
    """Whether evidence can be kept, as far as can be told without making a ledger."""
    database = LedgerDatabase(config.ledger, create=False)
    try:
        shapes = len(database.read(list_evidence))
        console.print(f"ledger: reached, with evidence of {shapes} shapes")
    except LedgerMissing as missing:
        console.print(f"ledger: {missing}; it is made at the start")
    except UnderstudyError as error:
        console.print(f"ledger: NOT reached: {error}")
        return False
    finally:
        database.close()
    return True


async def _check_upstream(config: Config, console: Console) -> bool:
    if config.upstream is None:
        console.print("upstream: none; the engine answers everything, and nothing verifies it")
        return True
    reached = await can_connect(config.upstream.url, config.upstream.connect_timeout)
    console.print(f"upstream: {'reached' if reached else 'NOT reached'}")
    return reached


async def _load_names(config: Config, console: Console) -> Names | None:
    database = Database(config.engine, connections=1, application_name="understudy check")
    started = time.monotonic()
    try:
        schema = await database.load_schema(config.engine)
    except (ApiError, EngineDown) as error:
        console.print(f"database: NOT read: {error}")
        return None
    finally:
        await database.close()
    seconds = time.monotonic() - started
    console.print(f"database: {len(schema.relations)} relations, read in {seconds:.2f} s")
    return make_names(schema, config.engine)


def _tabulate(config: Config, names: Names) -> Table:
    table = Table("table", "reads", "writes", title="what each table would do")
    for modes in list_modes(config, names):
        table.add_row(modes.table, modes.reads, modes.writes)
    return table

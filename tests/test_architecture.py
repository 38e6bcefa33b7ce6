"""The house keeps its shape: who imports whom, what the pure rooms may touch, and habits of every file."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

SERVES_EVERYONE = {"difference", "messages", "errors", "events", "config", "reading", "trace"}
ROOMS = {
    "trace": set(),
    "messages": {"trace"},
    "errors": {"messages"},
    "difference": set(),
    "events": {"difference", "messages", "trace"},
    "config": {"errors"},
    "reading": set(),
    "engine": SERVES_EVERYONE,
    "shadow": SERVES_EVERYONE,
    "database": SERVES_EVERYONE | {"engine"},
    "server": SERVES_EVERYONE | {"engine", "shadow", "database", "processor"},
    "operate": SERVES_EVERYONE | {"shadow"},
    "ledger": SERVES_EVERYONE | {"shadow", "database"},
    "modes": SERVES_EVERYONE | {"shadow"},
    "console": SERVES_EVERYONE | {"ledger", "modes", "shadow", "tape"},
    "web": SERVES_EVERYONE | {"console", "ledger", "operate", "shadow"},
    "embedded": SERVES_EVERYONE,
    "tape": SERVES_EVERYONE | {"loop", "shadow"},
    "access": SERVES_EVERYONE | {"engine", "database", "loop"},
    "loop": set(),
    "machine": set(),
    "processor": set(),
    "files": set(),
    "operators": SERVES_EVERYONE | {"judging", "ledger", "operate", "server", "shadow", "tape"},
    "judging": SERVES_EVERYONE | {"ledger", "server", "shadow"},
    "wishes": SERVES_EVERYONE | {"judging", "ledger", "modes", "server", "shadow"},
    "databases": SERVES_EVERYONE | {"engine", "database", "server"},
    "line": set(),
    "companion": SERVES_EVERYONE | {"line"},
    "second_opinion": SERVES_EVERYONE | {"database", "databases", "processor", "server"},
    "apart": SERVES_EVERYONE
    | {"companion", "database", "line", "loop", "operate", "processor"}
    | {"second_opinion", "server", "shadow"},
    "app": SERVES_EVERYONE
    | {"apart", "database", "databases", "files", "judging", "ledger", "operate", "operators"}
    | {"second_opinion", "server", "shadow", "showing", "tape", "web", "wishes"},
    "showing": SERVES_EVERYONE | {"operate", "server", "shadow"},
    "answering": SERVES_EVERYONE | {"database", "engine", "operate", "server"},
    "crew": SERVES_EVERYONE
    | {"answering", "companion", "database", "line", "loop", "operate", "server", "shadow"},
    "standalone": SERVES_EVERYONE
    | {"answering", "crew", "database", "engine", "operate", "server", "shadow"},
    "engine_command": SERVES_EVERYONE | {"crew", "loop", "machine", "operate", "server", "standalone"},
    "certify": SERVES_EVERYONE | {"console", "database", "ledger", "server", "shadow"},
    "check": SERVES_EVERYONE | {"console", "database", "ledger", "operate", "server", "shadow"},
    "replaying": SERVES_EVERYONE | {"database", "tape"},
    "demo": SERVES_EVERYONE | {"embedded", "tape"},
    "workers": SERVES_EVERYONE | {"companion", "server"},
    "serving": SERVES_EVERYONE | {"app", "operate", "workers"},
    "cli": SERVES_EVERYONE
    | {"app", "certify", "check", "console", "demo", "engine_command", "loop", "operate", "replaying"}
    | {"serving", "tape", "workers"},
    "__main__": {"cli", "engine_command"},
    "commands": {"cli"},
}
"""Each room or module of ``proxy``, and the ones it may import beside itself (design, section 4)."""

STAGES = ("parse", "plan", "sql", "response")
"""The engine's stages: a later one may import an earlier one, never the reverse."""

PURE = ("engine", "shadow")
IMPURE = {
    *("aiohttp", "asyncio", "asyncpg", "builtins", "concurrent", "contextvars", "ftplib", "glob", "http"),
    *(
        "httptools",
        "importlib",
        "io",
        "logging",
        "multiprocessing",
        "os",
        "pathlib",
        "pickle",
        "prometheus_client",
    ),
    *(
        "queue",
        "random",
        "requests",
        "rich",
        "sched",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "smtplib",
    ),
    *(
        "socket",
        "socketserver",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib",
    ),
    *(
        "uuid",
        "uvloop",
        "yaml",
        "sqlalchemy.engine",
        "sqlalchemy.event",
        "sqlalchemy.ext.asyncio",
        "sqlalchemy.orm",
    ),
    "sqlalchemy.pool",
}
"""Sockets, files, clocks, dice, tasks and logs, in which a pure room has no part; with their submodules."""
PURE_AFTER_ALL = {"urllib.parse"}
SQLALCHEMY = ("engine.sql",)
"""Where SQLAlchemy Core may be used: an expression is a value."""

IMPURE_NAMES = {"open", "print", "input", "breakpoint", "create_engine", "create_async_engine"}
CLOCKS = {"now", "utcnow", "today"}

LONGEST = 400
LONG_FILES: dict[str, str] = {}
"""Files of ``proxy`` that are longer, each with the reason why they are one idea nevertheless."""

MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:root|work|tmp|home|Users)/[\w.-]")


@dataclass(frozen=True)
class Module:
    """One file of ``proxy``: its dotted name without ``proxy.``, and its syntax tree."""

    path: Path
    name: str
    tree: ast.Module
    text: str

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]

    @property
    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full name of every module, and of every name in one, that is imported."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.lineno, node.module or ""
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)

    def at(self, line: int) -> str:
        return f"{self.path.relative_to(ROOT)}:{line}"


def make_module(path: Path, text: str) -> Module:
    parts = path.relative_to(ROOT / "proxy").with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(path, name, ast.parse(text), text)


@cache
def modules() -> tuple[Module, ...]:
    files = sorted(ROOT.joinpath("proxy").rglob("*.py"))
    return tuple(make_module(path, path.read_text(encoding="utf-8")) for path in files)


def is_inside(name: str, modules: set[str]) -> bool:
    """Whether ``name`` is one of ``modules`` or stands in one."""
    parts = name.split(".")
    return any(".".join(parts[:length]) in modules for length in range(1, len(parts) + 1))


def wrong_arrows(module: Module) -> Iterator[str]:
    rooms = {known.room for known in modules()} | ROOMS.keys()
    allowed = ROOMS.get(module.room, set()) | {module.room}
    for line, name in module.imports:
        parts = name.split(".")
        if module.name and parts[0] == "proxy" and len(parts) > 1 and parts[1] in rooms - allowed:
            yield f"{module.at(line)}: {module.name} may not import {name}"


def wrong_stages(module: Module) -> Iterator[str]:
    parts = module.name.split(".")
    if parts[0] != "engine" or len(parts) < 2:
        return
    later = set(STAGES[STAGES.index(parts[1]) + 1 :] if parts[1] in STAGES else ())
    if parts[1] in ("parse", "schema"):
        later |= {*STAGES, "schema", "relationships"} - {parts[1]}
    for line, name in module.imports:
        if is_inside(name, {f"proxy.engine.{stage}" for stage in later}):
            yield f"{module.at(line)}: {parts[1]} may not import {name}"


def impurities(module: Module) -> Iterator[str]:
    if module.room not in PURE:
        return
    for line, name in module.imports:
        if is_inside(name, IMPURE) and not is_inside(name, PURE_AFTER_ALL) and name != "urllib":
            yield f"{module.at(line)}: a pure room may not import {name}"
        if is_inside(name, {"sqlalchemy"}) and not is_inside(module.name, set(SQLALCHEMY)):
            yield f"{module.at(line)}: only {', '.join(SQLALCHEMY)} may import {name}"
        if name.rpartition(".")[2] in IMPURE_NAMES:
            yield f"{module.at(line)}: a pure room may not use {name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name) and function.id in IMPURE_NAMES:
                yield f"{module.at(node.lineno)}: a pure room may not call {function.id}"
            if isinstance(function, ast.Attribute) and function.attr in CLOCKS:
                yield f"{module.at(node.lineno)}: a pure room may not ask the clock"
        if isinstance(node, ast.Global | ast.AsyncFunctionDef | ast.Await):
            yield f"{module.at(node.lineno)}: a pure room may not {type(node).__name__.lower()}"


def bad_habits(module: Module) -> Iterator[str]:
    if not (ast.get_docstring(module.tree) or "").strip():
        yield f"{module.at(1)}: no docstring"
    length = len(module.text.splitlines())
    name = module.path.relative_to(ROOT).as_posix()
    if length > LONGEST and name not in LONG_FILES:
        yield f"{name}: {length} lines, more than {LONGEST}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield f"{module.at(node.lineno)}: a relative import"
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield f"{module.at(node.lineno)}: a star import"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    yield f"{module.at(inner.lineno)}: an import inside a function"


def assert_none(faults: Iterable[str]) -> None:
    found = list(faults)
    assert not found, "\n" + "\n".join(found)


def test_every_room_has_its_place_in_the_table() -> None:
    assert {module.room for module in modules()} - {""} <= ROOMS.keys()


def test_imports_point_one_way() -> None:
    assert_none(fault for module in modules() for fault in wrong_arrows(module))


def test_the_stages_of_the_engine_follow_each_other() -> None:
    assert_none(fault for module in modules() for fault in wrong_stages(module))


def test_the_pure_rooms_have_no_files_sockets_clocks_dice_or_logs() -> None:
    assert_none(fault for module in modules() for fault in impurities(module))


def test_every_file_keeps_the_habits() -> None:
    assert_none(fault for module in modules() for fault in bad_habits(module))


def test_long_files_are_excused_only_while_they_are_long() -> None:
    for name in LONG_FILES:
        assert len(ROOT.joinpath(name).read_text(encoding="utf-8").splitlines()) > LONGEST


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("shadow/policy.py", "from proxy.engine.schema import Schema", "may not import proxy.engine.schema"),
        ("engine/auth.py", "import proxy.shadow", "may not import proxy.shadow"),
        ("engine/auth.py", "from proxy import database", "may not import proxy.database"),
        ("server/front.py", "from proxy.operate.log import x", "may not import proxy.operate"),
        ("operate/log.py", "from proxy.server.state import State", "may not import proxy.server.state"),
        ("server/front.py", "import proxy.app", "may not import proxy.app"),
        ("app.py", "import proxy.cli", "may not import proxy.cli"),
        ("access.py", "from proxy.server import front", "may not import proxy.server"),
        ("config/keys.py", "from proxy.engine import auth", "may not import proxy.engine"),
        ("engine/parse/query.py", "from proxy.engine.schema import Schema", "parse may not import"),
        ("engine/parse/query.py", "from proxy.engine import plan", "parse may not import"),
        ("engine/plan/read.py", "import proxy.engine.sql.build", "plan may not import"),
        ("engine/sql/build.py", "from proxy.engine.response import Rows", "sql may not import"),
        ("shadow/compare.py", "import os.path", "may not import os.path"),
        ("shadow/compare.py", "from time import monotonic", "may not import time"),
        ("shadow/compare.py", "from urllib import request", "may not import urllib.request"),
        ("shadow/compare.py", "import sqlalchemy", "only engine.sql may import sqlalchemy"),
        (
            "engine/sql/build.py",
            "from sqlalchemy.ext.asyncio import AsyncEngine",
            "may not import sqlalchemy.ext.asyncio",
        ),
        (
            "engine/sql/build.py",
            "from sqlalchemy import create_engine",
            "may not use sqlalchemy.create_engine",
        ),
        ("engine/auth.py", "x = open('a')", "may not call open"),
        ("engine/auth.py", "import datetime\nx = datetime.datetime.now()", "may not ask the clock"),
        ("engine/auth.py", "async def f() -> None: ...", "may not asyncfunctiondef"),
        ("engine/auth.py", "def f() -> None:\n    global x", "may not global"),
        ("server/front.py", "x = 1", "no docstring"),
        ("server/front.py", "from . import state", "a relative import"),
        ("server/front.py", "from proxy.events import *", "a star import"),
        ("server/front.py", "def f() -> None:\n    import json", "an import inside a function"),
        ("server/front.py", "\n" * 401, "402 lines"),
    ],
)
def test_each_of_these_rules_is_seen_to_be_broken(file: str, text: str, fault: str) -> None:
    module = make_module(ROOT / "proxy" / file, text if fault != "402 lines" else text + "x = 1")
    checks = (wrong_arrows, wrong_stages, impurities, bad_habits)
    assert any(fault in found for check in checks for found in check(module))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (
            "engine/sql/build.py",
            '"""Why."""\nfrom sqlalchemy import select\nfrom proxy.engine.plan.types import Plan',
        ),
        ("shadow/compare.py", '"""Why."""\nfrom urllib.parse import unquote\nfrom proxy import __version__'),
        (
            "server/front.py",
            '"""Why."""\nimport asyncio\nfrom proxy.shadow.policy import decide\n\nx = open("a")',
        ),
    ],
)
def test_what_is_allowed_is_no_fault(file: str, text: str) -> None:
    module = make_module(ROOT / "proxy" / file, text)
    checks = (wrong_arrows, wrong_stages, impurities, bad_habits)
    assert [found for check in checks for found in check(module)] == []


def find_needed(module: Module) -> set[str]:
    """The modules that have to be there, whole, before ``module`` can be imported.

    A package is needed whole for a name that it defines, not for a module in it.
    """
    known = {f"proxy.{one.name}".rstrip(".") for one in modules()}
    names = {
        alias.name for node in ast.walk(module.tree) if isinstance(node, ast.Import) for alias in node.names
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            inside = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            names |= {full if full in known else str(node.module) for full in inside.values()}
    return names & known


def test_every_module_can_be_imported_first() -> None:
    """Nothing is needed that is not whole yet, wherever importing begins."""
    TopologicalSorter({f"proxy.{one.name}".rstrip("."): find_needed(one) for one in modules()}).prepare()


def test_modules_that_need_each_other_whole_are_found() -> None:
    config = make_module(ROOT / "proxy/config/keys.py", "from proxy.config import Config")
    package = make_module(ROOT / "proxy/config/__init__.py", "from proxy.config.keys import Key")
    assert (find_needed(config), find_needed(package)) == ({"proxy.config"}, {"proxy.config.keys"})
    inside = make_module(ROOT / "proxy/shadow/guard.py", "from proxy.shadow import rates")
    assert find_needed(inside) == {"proxy.shadow.rates"}


@pytest.mark.parametrize("room", [*PURE, "config"])
def test_a_pure_room_does_without_servers_and_drivers(room: str) -> None:
    """Also by way of what it imports: what needs only the room, needs no web server."""
    names = [f"proxy.{module.name}" for module in modules() if module.room == room]
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    script += "print(*sys.modules.keys() & {'aiohttp', 'asyncpg', 'prometheus_client', 'uvloop', 'rich'})"
    done = subprocess.run(
        [sys.executable, "-c", script, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def project_files() -> list[Path]:
    """The files that are, or would be, in the repository; without git, those of the packages."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return [path for folder in ("proxy", "tests", "docs") for path in ROOT.joinpath(folder).rglob("*.*")]
    return [ROOT / name for name in done.stdout.split("\0") if name]


def test_no_file_names_a_path_of_a_machine() -> None:
    faults = []
    for path in project_files():
        if path.is_symlink() or not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        for match in MACHINE_PATH.finditer(text):
            faults.append(f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}")
    assert_none(faults)


@pytest.mark.parametrize("folder", ["root", "tmp", "home", "work", "Users"])
def test_paths_of_a_machine_are_seen(folder: str) -> None:
    assert MACHINE_PATH.search(f'"/{folder}/project"')
    assert not MACHINE_PATH.search(f"https://example.org/{folder}/project and a/{folder}/b and /{folder}")

"""``understudy mismatches``: list the kept mismatches, show one, or close one."""

import argparse
import getpass
import json
import time
from functools import partial
from typing import Any
from urllib.parse import quote

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from proxy.config import Config
from proxy.console.curl import render_curl
from proxy.console.output import print_line, print_rows, show_text, show_time
from proxy.console.side_by_side import compare_lines
from proxy.console.sources import SourceError, ask_admin, ask_ledger
from proxy.console.sources import add_arguments as add_sources
from proxy.console.watching import add_watch, show
from proxy.ledger.documents import read_answer, read_request
from proxy.ledger.read import close_signature
from proxy.ledger.report import Document, report_mismatch, report_mismatches
from proxy.shadow.words import count_of

_STYLES = {"state": {"open": "bold red", "closed": "dim"}, "aspects": {"*": "yellow"}}
UPSTREAM, ENGINE = "$UPSTREAM", "$ADMIN/engine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy mismatches``."""
    parser.add_argument("id", nargs="?", metavar="ID", help="show this one; the beginning of its ID will do")
    parser.add_argument("--table", help="only those of this table")
    parser.add_argument("--close", action="store_true", help="take ID as settled, until it occurs again")
    parser.add_argument("--why", default="", metavar="TEXT", help="the reason, with --close")
    add_sources(parser)
    add_watch(parser)


def run(options: argparse.Namespace, config: Config | None) -> int:
    """Exit code 0: none is open, 1: some are, 2: they could not be asked for."""

    def draw(console: Console) -> int:
        if options.close:
            return _close(options, config, console)
        if options.id is None:
            return _list(_find_all(options, config), options.json, console)
        return _show(_find_one(options, config), options, config, console)

    return show("mismatches", draw, None if options.close else options.watch)


def _find_all(options: argparse.Namespace, config: Config | None) -> list[Document]:
    if options.admin is not None:
        query = f"?table={quote(options.table)}" if options.table else ""
        found: list[Document] = ask_admin(options.admin, f"/mismatches{query}")
        return found
    if config is None:
        raise SourceError("--config or --admin is needed")
    return ask_ledger(config, partial(report_mismatches, table=options.table))


def _find_one(options: argparse.Namespace, config: Config | None) -> Document:
    if options.admin is not None:
        found = ask_admin(options.admin, f"/mismatches/{quote(options.id, safe='')}")
    elif config is not None:
        found = ask_ledger(config, partial(report_mismatch, prefix=options.id))
    else:
        raise SourceError("--config or --admin is needed")
    if not found:
        raise SourceError(f"no mismatch has the ID {options.id}")
    if len(found) > 1:
        raise SourceError(f"several have that ID: {', '.join(one['id'] for one in found)}")
    one: Document = found[0]
    return one


def _close(options: argparse.Namespace, config: Config | None, console: Console) -> int:
    if config is None or options.id is None or not options.why:
        raise SourceError("--close needs an ID, --config and --why")
    one = _find_one(argparse.Namespace(**{**vars(options), "admin": None}), config)
    work = partial(
        close_signature, signature_id=one["id"], who=getpass.getuser(), why=options.why, now=time.time()
    )
    closed = ask_ledger(config, work, writes=True)
    print_line(console, f"{one['id']} is closed" if closed else f"{one['id']} was closed already")
    return 0


def _list(found: list[Document], as_json: bool, console: Console) -> int:
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=1), file=console.file)
    elif not found:
        print_line(console, "no mismatches are kept")
    else:
        names = ("id", "table", "state", "aspects", "count", "last seen", "what")
        rows = [
            [
                *(one["id"], one["table"], one["state"], ",".join(one["aspects"]), str(one["count"])),
                *(show_time(one["last_seen"]), one["signature"]),
            ]
            for one in found
        ]
        print_rows(console, names, rows, title="mismatches", left=len(names), styles=_STYLES)
    return int(any(one["state"] == "open" for one in found))


def _show(one: Document, options: argparse.Namespace, config: Config | None, console: Console) -> int:
    upstream = config.upstream.url if config is not None and config.upstream is not None else UPSTREAM
    engine = f"{options.admin.rstrip('/')}/engine" if options.admin else ENGINE
    for part in (*one["examples"], *filter(None, [one["smallest"]])):
        request = read_request(part.get("request", part))
        part["curl"] = {"upstream": render_curl(request, upstream), "engine": render_curl(request, engine)}
    if options.json:
        print(json.dumps(one, ensure_ascii=False, indent=1), file=console.file)
    else:
        _print_one(one, console)
    return int(one["state"] == "open")


def _print_one(one: Document, console: Console) -> None:
    print_line(console, f"{one['id']}  {one['table']}  {one['state']}  {one['signature']}", "bold")
    seen = f"first {show_time(one['first_seen'])}, last {show_time(one['last_seen'])}"
    print_line(
        console,
        f"{count_of(one['count'], 'time')}, {seen}; differs in {', '.join(one['aspects']) or 'nothing'}",
    )
    if one["state"] == "closed":
        when = show_time(one["closed_at"])
        print_line(console, f"closed {when} by {one['closed_by']}: {one['closed_why']}")
    if one["smallest"] is not None:
        print_line(console)
        print_line(
            console, f"the smallest request that differs, found in {one['smallest_tries']} tries", "bold"
        )
        _print_curl(one["smallest"]["curl"], console)
    for number, example in enumerate(one["examples"], 1):
        print_line(console)
        head = f"example {number} of {len(one['examples'])}, {show_time(example['seen_at'])}"
        print_line(console, f"{head}, role {example['role'] or '-'}: {example['shape']}", "bold")
        _print_example(example, console)


def _print_example(example: Document, console: Console) -> None:
    names = ("aspect", "where", "upstream", "engine")
    rows = [[one["aspect"], one["path"], one["upstream"], one["engine"]] for one in example["differences"]]
    print_rows(console, names, rows, left=len(names))
    _print_sides(example, console)
    if example["cut"]:
        print_line(console, f"only the beginning was kept of: {', '.join(example['cut'])}")
    _print_curl(example["curl"], console)


def _print_sides(example: Document, console: Console) -> None:
    lines = compare_lines(read_answer(example["upstream"]), read_answer(example["engine"]))
    if not console.is_terminal:
        for line in lines:
            if line.mark == "=":
                print_line(console, f"  {line.upstream}")
                continue
            for mark, text, shown in (("-", line.upstream, "<|"), ("+", line.engine, ">|")):
                if line.mark in shown:
                    print_line(console, f"{mark} {text}")
        return
    table = Table(expand=True, box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    table.add_column("upstream", ratio=1, overflow="fold")
    table.add_column("")
    table.add_column("engine", ratio=1, overflow="fold")
    for line in lines:
        differs = line.mark != "="
        table.add_row(
            Text(show_text(line.upstream), "green" if differs else ""),
            line.mark if differs else " ",
            Text(show_text(line.engine), "red" if differs else ""),
        )
    console.print(table)


def _print_curl(lines: dict[str, Any], console: Console) -> None:
    for side in ("upstream", "engine"):
        print_line(console, f"{side}: {lines[side]}", to_copy=True)

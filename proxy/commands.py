"""``docs/commands.md``, made from the grammar of the command line: ``python -m proxy.commands docs``."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from proxy.cli import make_parser

_INTRODUCTION = """\
# Commands

<!-- Made by `make docs` from the command line's grammar; do not edit. -->

`understudy`, or `python -m proxy`. Exit codes: 0 done, 1 the command found something, 2 wrong usage or
configuration.
[first-steps.md](first-steps.md) shows them at work.
"""


def render_commands() -> str:
    """The page, with a section for each command."""
    commands = _walk("understudy")
    return "\n".join([_INTRODUCTION, *(line for command in commands for line in command)])


def _walk(name: str, parser: argparse.ArgumentParser | None = None) -> Iterator[list[str]]:
    parser = parser or make_parser()
    commands = find_commands(parser)
    if not commands:
        yield [f"## `{name}`", "", parser.description or "", "", *_table(parser), ""]
    for part, command in commands.items():
        yield from _walk(f"{name} {part}", command)


def find_commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands below ``parser``, by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def list_options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What ``parser`` takes, without what is for itself alone."""
    hidden = ("help", argparse.SUPPRESS)
    return [action for action in parser._actions if action.dest != "help" and action.help not in hidden]


def _table(parser: argparse.ArgumentParser) -> list[str]:
    rows = ["| option | |", "|---|---|"]
    for action in list_options(parser):
        help_ = (action.help or "").replace("|", "\\|")
        rows.append(f"| `{_name(action)}` | {help_}{' *required*' if _is_required(action) else ''} |")
    return rows


def _name(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices is not None:
        value = ",".join(map(str, action.choices))
    if not action.option_strings:
        return f"{value} …" if action.nargs in ("+", "*") else value
    option = action.option_strings[-1]
    if action.nargs == 0:
        return option
    return f"{option} [{value}]" if action.nargs == "?" else f"{option} {value}"


def _is_required(action: argparse.Action) -> bool:
    return action.required and action.nargs != "*"


if __name__ == "__main__":
    Path(sys.argv[1]).joinpath("commands.md").write_text(render_commands(), encoding="utf-8")

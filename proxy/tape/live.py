"""``understudy tape record``: have a running proxy record its traffic, and write the tape down here.

The proxy sends the lines over its admin port and keeps nothing. So there is nothing to configure, no file
on the proxy's side, and nothing to clean up when this command is stopped.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TextIO
from urllib.parse import urlencode

import aiohttp

from proxy.config.kinds import (
    DURATION,
    SIZE,
)
from proxy.tape.progress import show_progress
from proxy.tape.recorder import RecordingLimits

LONGEST_LINE = 16 * 1024 * 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``understudy tape record``."""
    defaults = RecordingLimits()
    parser.add_argument("--admin", required=True, metavar="URL", help="the admin port of a running proxy")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the tape; must not exist")
    for name, read, default, unit, text in (
        ("--seconds", DURATION.read, defaults.seconds, "TIME", "how long"),
        ("--per-shape", int, defaults.per_shape, "N", "how many of each shape"),
        ("--max-bytes", SIZE.read, defaults.max_bytes, "SIZE", "how large the tape may become"),
    ):
        parser.add_argument(name, type=read, default=default, metavar=unit, help=f"{text} ({default})")


def run(options: argparse.Namespace) -> int:
    """Record until a limit is reached or SIGINT. Exit code 0: done, 1: nothing came, 2: wrong usage."""
    try:
        count = asyncio.run(_record(options))
    except (OSError, aiohttp.ClientError, ValueError) as error:
        print(f"understudy tape record: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        # The lines are written as they come: what is there is a whole tape.
        return 0
    print(f"{count} exchanges recorded in {options.out}")
    return 0 if count else 1


async def _record(options: argparse.Namespace) -> int:
    limits = {
        "per_shape": options.per_shape,
        "max_bytes": options.max_bytes,
        "seconds": options.seconds,
    }
    url = f"{options.admin.rstrip('/')}/tape?{urlencode(limits)}"
    count = -1
    async with _recording(url) as answer:
        with _create(options.out) as file, show_progress("exchanges recorded") as step:
            async for line in answer.content:
                written = _write(line, file)
                count += written
                if written and count:
                    step()
    return max(0, count)


def _create(path: Path) -> TextIO:
    """A new file. Rows of the database are in a tape: they are the operator's alone."""
    return open(
        path, "x", encoding="utf-8", newline="\n", opener=lambda name, flags: os.open(name, flags, 0o600)
    )


def _write(line: bytes, file: TextIO) -> int:
    if not line.strip():
        return 0
    file.write(line.decode())
    file.flush()
    return 1


@asynccontextmanager
async def _recording(url: str) -> AsyncIterator[aiohttp.ClientResponse]:
    timeout = aiohttp.ClientTimeout(total=None, connect=10.0, sock_read=60.0)
    # An operator's secret, where the admin port wants one.
    secret = os.environ.get("UNDERSTUDY_SECRET")
    headers = {"Authorization": f"Bearer {secret}"} if secret else None
    # A line holds a whole answer.
    async with (
        aiohttp.ClientSession(timeout=timeout, read_bufsize=LONGEST_LINE) as session,
        session.get(url, headers=headers, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise ValueError(await _read_problem(answer))
        yield answer


async def _read_problem(answer: aiohttp.ClientResponse) -> str:
    try:
        return str(json.loads(await answer.text())["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status}"

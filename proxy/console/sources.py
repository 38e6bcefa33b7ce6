"""Ask the ledger that a configuration names, or the admin port of a running proxy."""

import argparse
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection

from proxy.config import Config
from proxy.errors import UnderstudyError
from proxy.ledger.database import LedgerDatabase

TIMEOUT = 10.0

SECRET_VARIABLE = "UNDERSTUDY_SECRET"
"""The variable that holds an operator's secret, where the admin port wants one."""

Result = TypeVar("Result")


class SourceError(UnderstudyError):
    """Something could not be asked; the text says what and why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where to ask."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="understudy.yaml: ask its ledger")
    parser.add_argument("--admin", metavar="URL", help="ask the admin port of a running proxy")
    parser.add_argument("--json", action="store_true", help="for programs")


def ask_ledger(config: Config, work: Callable[[Connection], Result], *, writes: bool = False) -> Result:
    """What ``work`` makes of the ledger of ``config``. Raises UnderstudyError."""
    database = LedgerDatabase(config.ledger, create=False)
    try:
        return database.write(work) if writes else database.read(work)
    except UnderstudyError as error:
        raise SourceError(f"the ledger cannot be used: {error}") from error
    finally:
        database.close()


def ask_admin(url: str, path: str) -> Any:
    """The JSON document at ``path`` of the admin port at ``url``. Raises SourceError."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise SourceError(f"--admin: http://host:port expected, not {url}")
    try:
        request = urllib.request.Request(url.rstrip("/") + path)
        if secret := os.environ.get(SECRET_VARIABLE):
            # Not an ordinary header: those go along to wherever an answer redirects.
            request.add_unredirected_header("Authorization", f"Bearer {secret}")
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        advice = f"; {SECRET_VARIABLE} is to hold the secret" if error.code == 401 else ""
        raise SourceError(f"{url}: {_read_problem(error)}{advice}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise SourceError(f"{url} cannot be asked: {reason}") from error


def _read_problem(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {error.code}"

"""Create, fill and drop databases for tests and the demo, on the embedded server or on any other."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg

from proxy.embedded.wheel import EmbeddedError, binary, find_wheel

LOCALES = ("C.UTF-8", "C")
"""The locale to use, and the one for servers that do not know it."""


async def create_database(url: str, name: str) -> str:
    """Create an empty UTF8 database on the server of ``url`` and return its connection string.

    The locale is C.UTF-8, or C where the server does not know that. Raises asyncpg.PostgresError.
    """
    connection = await asyncpg.connect(url)
    try:
        statement = f"create database {_quoted(name)} template template0 encoding 'UTF8' locale "
        try:
            await connection.execute(statement + f"'{LOCALES[0]}'")
        except asyncpg.WrongObjectTypeError:
            await connection.execute(statement + f"'{LOCALES[1]}'")
    finally:
        await connection.close()
    return urlunsplit(urlsplit(url)._replace(path="/" + quote(name, safe="")))


async def drop_database(url: str, name: str) -> None:
    """Drop a database of the server of ``url``, ending the sessions in it. ``url`` names another one."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"drop database if exists {_quoted(name)} with (force)")
    finally:
        await connection.close()


async def load_sql(url: str, files: Iterable[Path]) -> None:
    """Run SQL scripts in the database ``url``, one after the other. Raises EmbeddedError when one fails.

    With psql (the wheel's, else the one on the PATH) every statement is its own transaction, which decides
    where rows end up on disk, and so in which order they come without ``order by``. Without psql each
    script is one transaction.
    """
    psql = find_psql()
    for file in files:
        if psql is not None:
            await asyncio.to_thread(_run_psql, psql, url, file)
        else:
            await _run_script(url, await asyncio.to_thread(file.read_text, encoding="utf-8"))


def find_psql() -> str | None:
    """The psql to use, or None."""
    wheel = find_wheel()
    if wheel is not None and binary(wheel, "psql").is_file():
        return str(binary(wheel, "psql"))
    return shutil.which("psql")


def _run_psql(psql: str, url: str, file: Path) -> None:
    parts = urlsplit(url)
    environment = dict(os.environ)
    if parts.password is not None:
        # Arguments can be seen by everyone on the machine.
        environment["PGPASSWORD"] = unquote(parts.password)
        host = parts.netloc.rpartition("@")[2]
        url = urlunsplit(parts._replace(netloc=f"{parts.username}@{host}"))
    command = [psql, "-X", "-q", "-o", os.devnull, "-v", "ON_ERROR_STOP=1", "-d", url, "-f", str(file)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment
    )
    if done.returncode != 0:
        raise EmbeddedError(done.stderr.decode("utf-8", "replace").strip())


async def _run_script(url: str, script: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    except asyncpg.PostgresError as error:
        raise EmbeddedError(str(error)) from error
    finally:
        await connection.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

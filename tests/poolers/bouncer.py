"""PgBouncer in transaction mode, in front of a server of this test run."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

LOCALHOST = "127.0.0.1"
PATIENCE = 30.0
BINARY = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
MISSING = "there is no pgbouncer: 'make pgbouncer' installs Debian's"

_SETTINGS = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = {listen}
listen_port = {listen_port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 200
logfile =
pidfile =
"""


@contextmanager
def bouncing(url: str, directory: Path, *, servers: int) -> Iterator[str]:
    """The same database by way of PgBouncer, which has so many connections to it. Gives its URL.

    With two ``servers`` and more clients, one transaction and the next are hardly ever on the same one.
    """
    assert BINARY is not None
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        port = probe.getsockname()[1]
    users, settings = directory / "users.txt", directory / "pgbouncer.ini"
    users.write_text('"dlm_authenticator" "conformance"\n"postgres" ""\n', encoding="utf-8")
    settings.write_text(
        _SETTINGS.format(
            host=parts.hostname,
            port=parts.port or 5432,
            listen=LOCALHOST,
            listen_port=port,
            users=users,
            servers=servers,
        ),
        encoding="utf-8",
    )
    for path in (*directory.parents[:3], directory, users, settings):
        if path.stat().st_uid == os.geteuid():
            path.chmod(0o755)
    log = directory / "pgbouncer.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [BINARY, str(settings)],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            user=_find_account(),
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not _answers(port):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.02)
        user = parts.netloc.rpartition("@")[0]
        yield urlunsplit(parts._replace(netloc=f"{user}@{LOCALHOST}:{port}"))
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _find_account() -> str | None:
    """PgBouncer does not run as root."""
    if os.geteuid() != 0:
        return None
    return next(name for name in ("postgres", "nobody") if _is_there(name))


def _is_there(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOCALHOST, port), 1).close()
    except OSError:
        return False
    return True

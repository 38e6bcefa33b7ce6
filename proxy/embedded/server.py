"""An embedded PostgreSQL 16 for tests and the demo, from the binaries in a Python wheel.

The server is a child of this process, listens on 127.0.0.1 and on a unix socket in its own directory,
and trades durability for speed. It ends with this process, even when that is killed.
"""

import atexit
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from proxy.embedded.databases import LOCALES, create_database
from proxy.embedded.processes import child_processes
from proxy.embedded.wheel import EmbeddedError, binary, copy_binaries, find_wheel

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
# Below the ephemeral range of Linux and macOS, so that no outgoing connection takes the port of a server
# that is being restarted.
_PORTS = range(15_000, 32_000)
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # Nothing waits for the disk, but what was committed survives a killed server.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # Planned counts are compared with recordings that were made right after ANALYZE.
    "autovacuum": "off",
}
# The shell waits for the end of its input, which comes when this process ends, however it ends.
_WATCH = 'cat >/dev/null; kill -s QUIT "$1"; if [ -n "$2" ]; then sleep 1; rm -rf -- "$2"; fi'


class EmbeddedPostgres:
    """One server with its own data directory. Use with ``with``, or call ``start`` and ``stop``."""

    def __init__(self, directory: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        """``directory`` keeps the data between runs; without it a temporary one lives until ``stop``.

        ``settings`` are settings of the server, in place of those it would have.
        Raises EmbeddedError when the wheel is not installed.
        """
        wheel = find_wheel()
        if wheel is None:
            raise EmbeddedError(
                "no embedded PostgreSQL: install understudy[demo], or name a server in DATABASE_URL"
            )
        self._wheel = self._installation = wheel
        self._given = directory
        self._settings = {**_SETTINGS, **(settings or {})}
        self._base: Path | None = None
        self._account = _unprivileged_account()
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; it stays the same when the server is started again."""
        if self._port is None:
            raise EmbeddedError("the embedded server was never started")
        return self._port

    @property
    def socket_directory(self) -> Path:
        """Where the unix socket is: ``host`` in a connection string."""
        return self._directory

    @property
    def url(self) -> str:
        """The superuser's connection string for the database ``postgres``."""
        return self.url_of("postgres")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def url_of(self, database: str, role: str = "postgres") -> str:
        """The connection string for ``database`` as ``role``; no password is asked for."""
        return f"postgresql://{quote(role, safe='')}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    async def create_database(self, name: str) -> str:
        """Create a database and return its connection string. See ``create_database``."""
        return await create_database(self.url, name)

    def make_standby(self, directory: Path) -> "EmbeddedPostgres":
        """A server, not yet started, with a copy of this one's data in ``directory``, that will follow it.

        This one has to run, with ``wal_level`` ``replica`` and senders for it. Raises EmbeddedError.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if self._account is not None:
            os.chown(directory, self._account.pw_uid, self._account.pw_gid)
        command = [
            *(self._binary("pg_basebackup"), "--dbname", self.url, "--pgdata", str(directory / "data")),
            *("--write-recovery-conf", "--wal-method", "stream", "--checkpoint", "fast", "--no-sync"),
        ]
        done = subprocess.run(command, capture_output=True, check=False, **self._as_account())
        if done.returncode != 0:
            raise EmbeddedError(f"pg_basebackup failed: {done.stderr.decode('utf-8', 'replace').strip()}")
        return EmbeddedPostgres(directory, self._settings)

    def start(self) -> None:
        """Start the server, or start it again after ``kill``, and wait until it takes connections.

        Blocks for a second or two the first time. Raises EmbeddedError.
        """
        if self.running:
            return
        atexit.register(self.stop)
        try:
            self._prepare_directory()
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and remove its directory if it is a temporary one. Does nothing twice."""
        atexit.unregister(self.stop)
        self._end_watcher()
        if self._process is not None:
            if self._process.poll() is None:
                # A fast shutdown keeps data that is to be kept; an immediate one needs no checkpoint.
                self._process.send_signal(signal.SIGQUIT if self._given is None else signal.SIGINT)
            try:
                self._process.wait(_STOP_SECONDS)
                self._process = None
            except subprocess.TimeoutExpired:
                self.kill()
        if self._given is None and self._base is not None:
            shutil.rmtree(self._base, ignore_errors=True)
            self._base = None
            self._port = None

    def kill(self) -> None:
        """End the server and all its sessions at once by SIGKILL, as a crash would.

        ``start`` brings it back. What was committed is still there.
        """
        self._end_watcher()
        if self._process is not None:
            # Stopped first, it can neither start a session in between nor end one in good order.
            self._process.send_signal(signal.SIGSTOP)
            for pid in (self._process.pid, *child_processes(self._process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def _directory(self) -> Path:
        if self._base is None:
            raise EmbeddedError("the embedded server was never started")
        return self._base

    def _prepare_directory(self) -> None:
        if self._base is not None:
            return
        if self._given is None:
            self._base = Path(tempfile.mkdtemp(prefix="understudy-pg-"))
        else:
            self._given.mkdir(parents=True, exist_ok=True)
            self._base = self._given.resolve()
        if self._account is not None:
            os.chown(self._base, self._account.pw_uid, self._account.pw_gid)
            if not self._account_may("-w", self._base):
                raise EmbeddedError(
                    f"PostgreSQL refuses to run as root, and the account {self._account.pw_name} "
                    f"cannot enter {self._base}"
                )
            if not self._account_may("-r", binary(self._wheel, "postgres")):
                self._installation = copy_binaries(self._wheel, self._base / "wheel")
        if not (self._base / "data" / "PG_VERSION").exists():
            self._initialise()

    def _initialise(self) -> None:
        problem = ""
        for locale in LOCALES:
            shutil.rmtree(self._directory / "data", ignore_errors=True)
            command = [
                *(self._binary("initdb"), "--pgdata", str(self._directory / "data"), "--no-sync"),
                *("--username", "postgres", "--auth", "trust", "--no-instructions"),
                *("--encoding", "UTF8", "--locale-provider", "libc", "--locale", locale),
            ]
            done = subprocess.run(command, capture_output=True, check=False, **self._as_account())
            if done.returncode == 0:
                return
            problem = done.stderr.decode("utf-8", "replace").strip()
        raise EmbeddedError(f"initdb failed: {problem}")

    def _launch(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        problem = ""
        while time.monotonic() < deadline:
            port = self._port or _free_port()
            if self._try_to_launch(port, deadline):
                self._port = port
                self._watch()
                return
            # Another program took the port, or children of a killed server have not ended yet.
            problem = _last_lines(self._log)
            if "could not bind" not in problem and "still in use" not in problem:
                break
            time.sleep(0.1)
        raise EmbeddedError(f"the embedded server does not start: {problem}")

    def _try_to_launch(self, port: int, deadline: float) -> bool:
        data = self._directory / "data"
        command = [self._binary("postgres"), "-D", str(data), "-p", str(port), "-k", str(self._directory)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C at the terminal is for this process alone, which then stops the server.
                start_new_session=True,
                **self._as_account(),
            )
        self._process = process
        while process.poll() is None:
            if _is_ready(data / "postmaster.pid", process.pid):
                return True
            if time.monotonic() > deadline:
                process.kill()
            time.sleep(0.01)
        self._process = None
        return False

    def _watch(self) -> None:
        assert self._process is not None
        leftover = str(self._directory) if self._given is None else ""
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "watch", str(self._process.pid), leftover],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _end_watcher(self) -> None:
        if self._watcher is not None:
            self._watcher.kill()
            self._watcher.communicate()
            self._watcher = None

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    def _binary(self, name: str) -> str:
        return str(binary(self._installation, name))

    def _as_account(self) -> dict[str, Any]:
        """What makes a child process run as the unprivileged account, without this user's settings."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))
        }
        options: dict[str, Any] = {"env": environment, "cwd": self._directory}
        if self._account is not None:
            options |= {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        return options

    def _account_may(self, operator: str, path: Path) -> bool:
        """Whether the account passes ``test`` with this operator (``-r``, ``-w``) on the absolute path."""
        command = ["/bin/sh", "-c", 'test "$1" "$2"', "test", operator, str(path)]
        return subprocess.run(command, check=False, **self._as_account()).returncode == 0


def _unprivileged_account() -> pwd.struct_passwd | None:
    """The account for a server started by root, which PostgreSQL refuses to run as; None for others."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedError("PostgreSQL refuses to run as root, and there is no account postgres or nobody")


def _free_port() -> int:
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise EmbeddedError("no free TCP port")


def _is_ready(lock_file: Path, pid: int) -> bool:
    """Whether the server says in its lock file that it takes connections (as pg_ctl finds out)."""
    try:
        lines = lock_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _last_lines(log: Path) -> str:
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
    except OSError as error:
        return str(error)

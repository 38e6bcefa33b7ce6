"""Start ``understudy engine`` as an operator does, and wait for what it says rather than for time."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import jwt
import pytest

from proxy.cli import main

LOCALHOST = "127.0.0.1"
PATIENCE = 30.0
SECRET = "a-secret-of-thirty-two-bytes-or-more"


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what configures PostgREST and libpq, and with ``settings``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, **settings}


def bearer(claims: Mapping[str, Any], secret: str = SECRET) -> dict[str, str]:
    """The header of a request with a token."""
    return {"Authorization": "Bearer " + jwt.encode(dict(claims), secret, "HS256")}


def run_to_end(
    arguments: Sequence[str], settings: Mapping[str, str] | None = None, *, given: bytes = b""
) -> "subprocess.CompletedProcess[str]":
    """Run ``understudy engine`` until it ends by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "engine", *arguments],
        input=given,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        env=environment(settings or {}),
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for ``condition``, of which nobody tells. Raises AssertionError when time is up."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(process: int) -> bool:
    """Whether there is such a process, and it is not only one of which nobody has taken note yet."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True)
    return told.stdout.strip()[:1] not in ("", "Z")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command that ended by itself has written, and its exit code."""

    code: int
    out: str
    err: str


def run_here(
    arguments: Sequence[str], settings: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> Ended:
    """Run ``understudy engine`` to its end in this process, which is sooner done than in another."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PG")]:
            patch.delenv(name)
        for name, value in settings.items():
            patch.setenv(name, value)
        capsys.readouterr()
        try:
            code = main(["engine", *arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    return Ended(code, *capsys.readouterr())


@dataclass(frozen=True, slots=True)
class Got:
    """One answer. Header names are in lower case; ``version`` is 11 for HTTP/1.1."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Lines:
    """What a process writes, line by line, read as it comes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.all: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def wait_for(self, pattern: str, *, after: int = 0) -> int:
        """Wait for a line with ``pattern`` in it, from number ``after`` on; gives the next one's number.

        Raises AssertionError when the process ends, or time is up, before that.
        """
        at = after
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while True:
                while at < len(self.all):
                    at += 1
                    if re.search(pattern, self.all[at - 1]):
                        return at
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(f"no {pattern!r} in {self.all[after:]}")
                self._changed.wait(left)

    def end(self) -> list[str]:
        """Every line, once the process has ended."""
        self._thread.join(PATIENCE)
        return self.all

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            with self._changed:
                self.all.append(line.decode().rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


@dataclass(slots=True)
class Engine:
    """One running engine. ``said`` are its diagnostics, ``requests`` its access log."""

    process: "subprocess.Popen[bytes]"
    said: Lines
    requests: Lines
    place: str = ""
    admin_place: str = ""
    seen: int = field(default=0)

    def get(
        self,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        body: str | None = None,
    ) -> Got:
        """Ask the engine."""
        return _ask(self.place, method, target, headers or {}, body)

    def admin(self, target: str, *, method: str = "GET") -> Got:
        """Ask its admin server."""
        return _ask(self.admin_place, method, target, {}, None)

    def wait_for(self, pattern: str) -> None:
        """Wait for a diagnostic that has not been waited past."""
        self.seen = self.said.wait_for(pattern, after=self.seen)

    def wait_loaded(self) -> None:
        """Wait for the next load of the schema cache to be done."""
        self.wait_for("Schema cache loaded in")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """Send SIGTERM and wait; gives the exit code."""
        self.process.terminate()
        return self.wait_ended()

    def wait_ended(self) -> int:
        """Wait for the process to end; gives the exit code."""
        return self.process.wait(PATIENCE)


@contextmanager
def engine(
    settings: Mapping[str, str], *arguments: str, ready: bool = True, given: bytes = b""
) -> Iterator[Engine]:
    """A running engine with an admin server, on free ports of its own unless ``settings`` say otherwise.

    With ``ready`` it has loaded its schema cache, and listens for notifications if it is to.
    """
    own = {
        "PGRST_SERVER_HOST": LOCALHOST,
        "PGRST_SERVER_PORT": "0",
        "PGRST_ADMIN_SERVER_HOST": LOCALHOST,
        "PGRST_ADMIN_SERVER_PORT": "0",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", "engine", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({**own, **settings}),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        process.stdin.write(given)
        process.stdin.close()
        running = Engine(process, Lines(process.stderr), Lines(process.stdout))
        at = running.said.wait_for("API server listening on")
        running.place = running.said.all[at - 1].rpartition(" listening on ")[2]
        admin = running.said.wait_for("Admin server listening on")
        running.admin_place = running.said.all[admin - 1].rpartition(" ")[2]
        if ready:
            loaded = running.said.wait_for("Schema cache loaded in")
            listening = 0
            if settings.get("PGRST_DB_CHANNEL_ENABLED") != "false":
                listening = running.said.wait_for("Listener connected")
            running.seen = max(loaded, listening)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        running.said.end()
        running.requests.end()
        process.stdout.close()
        process.stderr.close()


def write_config(directory: Path, **options: str | int | bool) -> Path:
    """A ``postgrest.conf`` in ``directory``; underscores in the names of ``options`` stand for dashes."""
    file = directory / "postgrest.conf"
    lines = (f"{name.replace('_', '-')} = {json.dumps(value)}\n" for name, value in options.items())
    file.write_text("".join(lines), encoding="utf-8")
    return file


def _ask(place: str, method: str, target: str, headers: Mapping[str, str], body: str | None) -> Got:
    connection: http.client.HTTPConnection
    if place.startswith("/"):
        connection = _UnixConnection(place)
    else:
        connection = http.client.HTTPConnection(place, timeout=PATIENCE)
    try:
        connection.request(method, target, body=body, headers=dict(headers))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Got(response.status, found, response.read())
    finally:
        connection.close()

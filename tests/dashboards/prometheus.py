"""A real Prometheus, started on a configuration and asked over HTTP."""

import contextlib
import math
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.e2e import programs
from tests.e2e.support import LOCALHOST

_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that is running."""

    url: str

    def value(self, expression: str) -> float:
        """The only value that ``expression`` has now."""
        ((_, text),) = self._series("query", {"query": expression})[0]
        return float(text)

    def labels_over(self, label: str, expression: str, seconds: int, step: int) -> set[str]:
        """The values that ``label`` had in the series of ``expression`` over the last ``seconds``."""
        found = self._data("query_range", _over(expression, seconds, step))["result"]
        return {one["metric"][label] for one in found}

    def ask(self, expression: str) -> int:
        """How many series ``expression`` has now that are numbers. Raises ValueError, with Prometheus's "
        "words."""
        return self._count("query", {"query": expression})

    def ask_over(self, expression: str, seconds: int, step: int) -> int:
        """The same over the last ``seconds``: how many series have a number in it."""
        return self._count("query_range", _over(expression, seconds, step))

    def _count(self, path: str, parameters: dict[str, str]) -> int:
        return sum(
            any(not math.isnan(float(value)) for _, value in values)
            for values in self._series(path, parameters)
        )

    def _series(self, path: str, parameters: dict[str, str]) -> list[list[tuple[float, str]]]:
        """The times and values of every series."""
        data = self._data(path, parameters)
        if data["resultType"] == "scalar":
            return [[data["result"]]]
        return [one.get("values") or [one["value"]] for one in data["result"]]

    def _data(self, path: str, parameters: dict[str, str]) -> dict[str, Any]:
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=_TIMEOUT).json()
        if answer["status"] != "success":
            raise ValueError(answer["error"])
        data: dict[str, Any] = answer["data"]
        return data


def _over(expression: str, seconds: int, step: int) -> dict[str, str]:
    now = time.time()
    return {"query": expression, "start": f"{now - seconds:.3f}", "end": f"{now:.3f}", "step": str(step)}


@contextlib.contextmanager
def running(binary: str, configuration: Path, directory: Path) -> Iterator[Prometheus]:
    """Prometheus on ``configuration``, from the moment when it can answer; its data goes to ``directory``."""
    (port,) = programs.unused_ports(1)
    address = f"{LOCALHOST}:{port}"
    log = directory / "prometheus.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
        )
    with process:
        try:
            _wait_ready(f"http://{address}", process, log)
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()


def _wait_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + programs.PATIENCE
    while True:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(f"{url}/-/ready", timeout=_TIMEOUT).ok:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text(encoding="utf-8")[-2000:])
        time.sleep(0.1)

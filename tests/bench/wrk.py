"""The command line of wrk, and what it prints."""

import re
from collections.abc import Sequence

from proxy.messages import Header
from tests.bench.figures import Sample

_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3, "h": 3600e3}
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+([0-9.]+)(us|ms|s|m|h)\s*$", re.MULTILINE)
_REQUESTS = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+([0-9.]+)\s*$", re.MULTILINE)
_BROKEN = re.compile(
    r"^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", re.MULTILINE
)
_REFUSED = re.compile(r"^\s*Non-2xx or 3xx responses: (\d+)", re.MULTILINE)


def make_command(
    program: str, url: str, headers: Sequence[Header], *, connections: int, seconds: int
) -> list[str]:
    """The command that loads ``url`` for ``seconds``, over connections that are kept."""
    sent = [part for name, value in headers for part in ("-H", f"{name.decode()}: {value.decode()}")]
    return [program, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", *sent, url]


def parse_output(text: str) -> Sample:
    """What a run of wrk came to. Statuses outside 2xx and 3xx, and broken connections, are failures.

    Raises ValueError for a text that wrk does not print.
    """
    requests, rate = _REQUESTS.search(text), _RATE.search(text)
    latencies = {
        share: float(number) * _MILLISECONDS[unit] for share, number, unit in _PERCENTILE.findall(text)
    }
    if requests is None or rate is None or latencies.keys() != {"50", "99"}:
        raise ValueError(f"not what wrk prints: {text[-300:]!r}")
    broken, refused = _BROKEN.search(text), _REFUSED.search(text)
    failures = sum(map(int, broken.groups())) if broken else 0
    failures += int(refused[1]) if refused else 0
    return Sample(int(requests[1]), failures, float(rate[1]), latencies["50"], latencies["99"])

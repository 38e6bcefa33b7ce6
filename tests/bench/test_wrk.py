"""The command line of wrk, and what it prints."""

import pytest

from tests.bench.figures import Sample
from tests.bench.wrk import make_command, parse_output

OUTPUT = """\
Running 1s test @ http://127.0.0.1:3000/data_item
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.12ms    2.04ms  31.60ms   97.39%
    Req/Sec    19.32k     1.65k   21.50k    72.73%
  Latency Distribution
     50%  500.00us
     75%    0.92ms
     90%    1.20ms
     99%   11.29ms
  21131 requests in 1.10s, 19.87MB read
Requests/sec:  19212.54
Transfer/sec:     18.07MB
"""


def test_the_command_keeps_connections_and_sends_the_headers() -> None:
    headers = ((b"Prefer", b"count=exact"), (b"Accept", b"text/csv"))
    assert make_command("wrk", "http://h/t?a=1", headers, connections=16, seconds=2) == [
        *("wrk", "-t1", "-c16", "-d2s", "--latency"),
        *("-H", "Prefer: count=exact", "-H", "Accept: text/csv", "http://h/t?a=1"),
    ]


def test_a_run_without_trouble() -> None:
    assert parse_output(OUTPUT) == Sample(21131, 0, 19212.54, 0.5, 11.29)


@pytest.mark.parametrize(
    ("printed", "milliseconds"), [("250.00us", 0.25), ("3.00ms", 3.0), ("1.25s", 1250.0), ("1.00m", 60_000.0)]
)
def test_latencies_are_read_in_every_unit(printed: str, milliseconds: float) -> None:
    output = OUTPUT.replace("11.29ms", printed)
    assert parse_output(output).p99 == pytest.approx(milliseconds)


def test_refusals_and_broken_connections_are_failures() -> None:
    trouble = (
        "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 50000\n"
    )
    output = OUTPUT.replace("Requests/sec", f"{trouble}Requests/sec")
    assert parse_output(output).failures == 54321


@pytest.mark.parametrize("output", ["", "unable to connect to 127.0.0.1:1 Connection refused", OUTPUT[:300]])
def test_anything_else_is_refused(output: str) -> None:
    with pytest.raises(ValueError, match="not what wrk prints"):
        parse_output(output)

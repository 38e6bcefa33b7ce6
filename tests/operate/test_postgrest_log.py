"""The log of an engine alone: PostgREST's lines, levels and places."""

import io
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from proxy.config import EngineConfig, LogLevel
from proxy.errors import ApiError, render_error
from proxy.events import (
    ConfigReloaded,
    Crashed,
    DatabaseReached,
    Event,
    ListenerFailed,
    ListenerStarted,
    LoadDelayed,
    ReloadNotified,
    SchemaLoaded,
    Served,
    SettingsUnread,
)
from proxy.messages import Answer, Headers, Request
from proxy.operate.postgrest_log import PostgrestLog

TIME = "05/Mar/2027:06:07:08 +0000"


@dataclass
class Visit:
    """A request that has been answered."""

    request: Request
    answer: Answer
    minor: int = 1
    peer: str = "10.0.0.7"


@dataclass
class Bench:
    """A log with what was written to its two places."""

    level: LogLevel = "info"
    out: io.StringIO = field(default_factory=io.StringIO)
    err: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        options = EngineConfig(db_schemas=("a", "b"), db_extra_search_path=("c",))
        moment = datetime(2027, 3, 5, 6, 7, 8, tzinfo=UTC)
        self.log = PostgrestLog(self.level, self.out, self.err, lambda: moment, lambda: options)

    @property
    def requests(self) -> list[str]:
        return self.out.getvalue().splitlines()

    @property
    def said(self) -> list[str]:
        return self.err.getvalue().splitlines()


def visit(target: bytes = b"/items", headers: Headers = (), answer: Answer | None = None) -> Visit:
    return Visit(Request("GET", target, headers), answer or Answer(200, ((b"Content-Length", b"12"),), b""))


def test_a_request_is_a_line_in_apaches_combined_format() -> None:
    bench = Bench()
    headers = ((b"Referer", b"http://there"), (b"User-Agent", b"me/1"))
    bench.log.note(visit(b"/items?id=eq.1", headers), "anon")
    assert bench.requests == [
        f'10.0.0.7 - anon [{TIME}] "GET /items?id=eq.1 HTTP/1.1" 200 12 "http://there" "me/1"'
    ]
    assert bench.said == []


def test_what_is_not_known_is_a_dash_or_empty() -> None:
    bench = Bench()
    unknown = visit(answer=Answer(204))
    unknown.peer, unknown.minor = "", 0
    bench.log.note(unknown, None)
    assert bench.requests == [f'- - - [{TIME}] "GET /items HTTP/1.0" 204 - "" ""']


@pytest.mark.parametrize(
    ("level", "least"), [("crit", None), ("error", 500), ("warn", 400), ("info", 200), ("debug", 200)]
)
def test_the_level_says_from_which_status_on_requests_are_logged(level: LogLevel, least: int | None) -> None:
    log = Bench(level).log
    wanted = [status for status in (200, 304, 400, 499, 500, 503) if log.wants(Answer(status))]
    assert wanted == [status for status in (200, 304, 400, 499, 500, 503) if least and status >= least]


def test_trouble_of_the_database_is_said_besides_and_that_of_requests_is_not() -> None:
    bench = Bench("error")
    for code in ("57014", "PGRST001", "PGRST002", "PGRST300", "PGRSTX00"):
        bench.log.note(visit(answer=render_error(ApiError(500, code, "it happened"))), "anon")
    codes = [re.findall(r'"code":"(.+?)"', line)[0] for line in bench.said]
    assert codes == ["57014", "PGRST001", "PGRST002"]
    assert bench.said[0].startswith(f'{TIME}: {{"code":"57014","details":null')
    assert len(bench.requests) == 5


def test_nothing_a_client_sends_can_end_a_line_or_a_field_or_show_a_token() -> None:
    bench = Bench()
    token = b"eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoieCJ9.c2ln"
    headers = ((b"User-Agent", b'a" 200\x1b[31m'), (b"Referer", b"\xff\xc3\xa9"))
    bench.log.note(visit(b"/items?apikey=" + token, headers), 'ro"le\n')
    (line,) = bench.requests
    assert token.decode() not in line
    assert "\x1b" not in line
    assert line.endswith('"\\xffé" "a\\" 200\\x1b[31m"')


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (DatabaseReached("PostgreSQL 16.14"), "Successfully connected to PostgreSQL 16.14"),
        (SchemaLoaded(True, 3, 0.0123), "Schema cache loaded in 12.3 milliseconds"),
        (
            SchemaLoaded(False, problem="why"),
            "Failed to load the schema cache using db-schemas=a,b and db-extra-search-path=c. why",
        ),
        (LoadDelayed(4.0), "Attempting to reconnect to the database in 4 seconds..."),
        (ConfigReloaded(True), "Config reloaded"),
        (ConfigReloaded(False, "one\ntwo"), "Failed reloading config: one two"),
        (
            SettingsUnread("options", "why"),
            "Failed to query database settings for the config parameters. why",
        ),
        (SettingsUnread("roles", "why"), "Failed to query the role settings. why"),
        (
            ListenerStarted("pgrst", "PostgreSQL 16.14", "db:5432"),
            'Listener connected to PostgreSQL 16.14 on "db:5432" and listening for database notifications '
            'on the "pgrst" channel',
        ),
        (
            ListenerFailed("pgrst", "why", None),
            'Failed listening for database notifications on the "pgrst" channel. why',
        ),
        (
            ReloadNotified("pgrst", "schema"),
            'Received a schema cache reload message on the "pgrst" channel',
        ),
        (ReloadNotified("pgrst", "config"), 'Received a config reload message on the "pgrst" channel'),
        (Crashed("engine", "ValueError"), "Crashed: engine: ValueError"),
    ],
)
def test_an_event_is_one_line_at_any_level(event: Event, told: str) -> None:
    bench = Bench("crit")
    bench.log.listen(event)
    assert bench.said == [f"{TIME}: {told}"]


def test_a_listener_that_will_try_again_says_when() -> None:
    bench = Bench()
    bench.log.listen(ListenerFailed("pgrst", "why", 2.0))
    assert bench.said[1] == f"{TIME}: Retrying listening for database notifications in 2 seconds..."


def test_everyday_business_is_not_said() -> None:
    bench = Bench("debug")
    bench.log.listen(Served("other", "GET", "engine", True, "engine", 200, 0.1, 0.0))
    assert bench.said == []


def test_credentials_are_not_said() -> None:
    bench = Bench()
    bench.log.say("cannot reach postgresql://me:hunter2@db/x")
    assert "hunter2" not in bench.said[0]

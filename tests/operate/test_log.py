"""The log: what an operator should notice, in one line, without secrets, not too often."""

import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import LogConfig
from proxy.difference import Difference
from proxy.events import (
    ConfigReloaded,
    Crashed,
    Event,
    FellBack,
    Judged,
    ModeChanged,
    OutcomeLost,
    RehearsalRefused,
    Rehearsed,
    SchemaLoaded,
    Served,
    Shed,
    Skipped,
    Unrehearsed,
)
from proxy.messages import Request
from proxy.operate.log import EventLog
from proxy.operate.log_records import MAX_REQUEST_ID, describe_event, describe_request
from proxy.trace import TraceParent


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(lines: Lines, clock: Clock, settings: list[LogConfig]) -> EventLog:
    logger = logging.Logger("test", logging.INFO)
    logger.addHandler(lines)
    return EventLog(logger, clock, lambda: settings[0], burst=2, window_seconds=10.0)


@pytest.fixture
def settings() -> list[LogConfig]:
    """What is configured at the moment."""
    return [LogConfig()]


MISMATCH = Judged(
    "storage",
    "mismatch",
    "GET /storage?owner=eq.alice@example.org&select=id",
    (
        Difference("body", "$[0].owner", '"alice@example.org"', '"bob"'),
        Difference("headers", "content-range", "0-1/*", "0-0/*"),
    ),
)


def test_a_mismatch_is_told_by_shape_and_paths_and_never_by_values(log: EventLog, lines: Lines) -> None:
    log.listen(MISMATCH)
    assert lines.texts == [
        'mismatch table=storage aspects="body,headers" differences=2 '
        'paths="$[0].owner content-range" shape="GET storage?owner=eq.*&select=id"'
    ]
    assert lines.records[0].levelno == logging.WARNING
    assert "alice" not in repr(lines.records[0].__dict__)


@pytest.mark.parametrize(
    ("event", "level", "text"),
    [
        (
            Judged("storage", "failed", "GET /storage?id=eq.1", detail="timeout"),
            logging.WARNING,
            'failed table=storage detail=timeout shape="GET storage?id=eq.*"',
        ),
        (
            ConfigReloaded(False, "u.yaml:3: tables.x"),
            logging.ERROR,
            'config_refused problem="u.yaml:3: tables.x"',
        ),
        (ConfigReloaded(True), logging.INFO, "config_reloaded"),
        (ConfigReloaded(True, "", ("listen",)), logging.INFO, "config_reloaded needs_restart=listen"),
        (
            ModeChanged("storage", "reads", "shadow", "engine", "anna", "it is ready"),
            logging.INFO,
            "mode_changed table=storage operation=reads before=shadow after=engine "
            'who=anna why="it is ready"',
        ),
        (SchemaLoaded(True, 8, 0.12345), logging.INFO, "schema_loaded relations=8 seconds=0.123"),
        (
            SchemaLoaded(False, problem="cannot reach postgresql://u:pw@db/x"),
            logging.ERROR,
            'schema_failed problem="cannot reach postgresql://***@db/x"',
        ),
        (Crashed("mirror", "KeyError"), logging.ERROR, "crashed where=mirror problem=KeyError"),
        (Shed("storage", "queue"), logging.WARNING, "shed_queue table=storage"),
        (FellBack("storage", "timeout"), logging.WARNING, "fell_back table=storage reason=timeout"),
    ],
)
def test_noteworthy_events_are_one_line(
    log: EventLog, lines: Lines, event: Event, level: int, text: str
) -> None:
    log.listen(event)
    assert lines.texts == [text]
    assert lines.records[0].levelno == level


@pytest.mark.parametrize(
    "event",
    [
        Judged("storage", "match", "GET /"),
        Judged("storage", "unsupported", "GET /", detail="x"),
        Skipped("storage", "mode"),
        Served("storage", "GET", "shadow", True, "upstream", 200, 0.1, 0.0),
    ],
)
def test_everyday_business_is_not_logged(log: EventLog, lines: Lines, event: Event) -> None:
    log.listen(event)
    assert lines.records == []


def test_each_kind_has_its_own_rate_and_tells_what_was_left_out(
    log: EventLog, lines: Lines, clock: Clock
) -> None:
    for _ in range(7):
        log.listen(Shed("storage", "queue"))
    log.listen(Crashed("mirror", "KeyError"))
    assert lines.texts == ["shed_queue table=storage"] * 2 + ["crashed where=mirror problem=KeyError"]
    clock.now = 10.0
    log.listen(Shed("location", "queue"))
    log.listen(Shed("location", "queue"))
    assert lines.texts[3:] == ["shed_queue table=location suppressed=5", "shed_queue table=location"]


@given(st.text(), st.text())
def test_no_text_can_forge_a_second_line(problem: str, where: str) -> None:
    record = describe_event(Crashed(where, problem))
    assert record is not None
    line = str(record)
    assert len(line.splitlines()) == 1
    assert line.isascii()


def test_writes_of_unknown_outcome_and_rehearsals_that_differ_or_must_not_be_are_told() -> None:
    difference = Difference("body", "$[0].label", "secret", "other secret")
    told = []
    for event in (
        OutcomeLost("storage", "upstream"),
        Rehearsed("storage", "mismatch", "POST /storage?on_conflict=id", (difference,)),
        Rehearsed("storage", "failed", "POST /storage", detail="timeout"),
        RehearsalRefused("storage", ("s.f calls dblink, which a rollback does not undo",)),
    ):
        record = describe_event(event)
        assert record is not None
        told.append(f"{logging.getLevelName(record.level)} {record}")
    assert told == [
        "ERROR outcome_unknown table=storage side=upstream",
        'WARNING rehearsal_mismatch table=storage aspects=body differences=1 paths="$[0].label"'
        ' shape="POST storage?on_conflict=id"',
        'WARNING rehearsal_failed table=storage detail=timeout shape="POST storage"',
        'WARNING rehearsal_refused table=storage hazards="s.f calls dblink, which a rollback does not undo"',
    ]
    assert describe_event(Rehearsed("storage", "match", "POST /storage")) is None
    assert describe_event(Unrehearsed("storage", "busy")) is None


REQUEST = Request(
    "GET",
    b"/storage?owner=eq.alice@example.org&select=id",
    ((b"Authorization", b"Bearer abc.def.ghi"), (b"x-request-id", b"r-1"), (b"Cookie", b"c=1")),
)
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def serve(request: Request | None, **changes: object) -> Served:
    """A request that the upstream has answered."""
    served = Served("storage", "GET", "shadow", True, "upstream", 200, 0.0123456, 0.0004, request)
    return served._replace(**changes)  # type: ignore[arg-type]


def test_requests_are_logged_only_if_that_is_configured(
    log: EventLog, lines: Lines, settings: list[LogConfig]
) -> None:
    log.listen(serve(REQUEST))
    assert lines.texts == []
    settings[0] = LogConfig(requests=True)
    log.listen(serve(REQUEST))
    assert lines.texts == [
        'request shape="GET storage?owner=eq.*&select=id" table=storage mode=shadow answered_by=upstream'
        " status=200 ms=12.346 overhead_ms=0.4 request_id=r-1"
    ]


def test_a_line_for_each_request_is_written_at_any_level_and_rate(
    log: EventLog, lines: Lines, settings: list[LogConfig]
) -> None:
    settings[0] = LogConfig(requests=True, level="error")
    for _ in range(10):
        log.listen(serve(REQUEST))
    assert len(lines.records) == 10


def test_what_was_no_request_has_a_line_too() -> None:
    served = serve(None, method="other", code=400, answered_by="proxy")
    line = str(describe_request(served, "X-Request-ID"))
    assert line.startswith("request shape=other table=storage mode=shadow answered_by=proxy status=400")


def test_levels_below_the_configured_one_are_left_out(
    log: EventLog, lines: Lines, settings: list[LogConfig]
) -> None:
    settings[0] = LogConfig(level="error")
    log.listen(ConfigReloaded(True))
    log.listen(Shed("storage", "queue"))
    log.listen(OutcomeLost("storage", "upstream"))
    assert lines.texts == ["outcome_unknown table=storage side=upstream"]


def test_a_request_is_named_by_the_configured_header_and_by_its_trace() -> None:
    headers = ((b"X-Call", b"c-7"), (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode()))
    served = serve(REQUEST._replace(headers=headers))
    assert str(describe_request(served, "x-call")).endswith(f" request_id=c-7 trace_id={TRACE}")
    own = served._replace(request=REQUEST, trace=TraceParent("1" * 32, "2" * 16, True))
    assert str(describe_request(own, "x-call")).endswith(f" overhead_ms=0.4 trace_id={'1' * 32}")


def test_a_malformed_trace_is_not_named() -> None:
    served = serve(REQUEST._replace(headers=((b"traceparent", f"00-{TRACE}-{SPAN}".encode()),)))
    assert "trace_id" not in describe_request(served, "X-Request-ID").fields


def test_a_mismatch_names_the_request_that_showed_it(log: EventLog, lines: Lines) -> None:
    log.listen(replace(MISMATCH, request=REQUEST))
    assert lines.texts[0].endswith('shape="GET storage?owner=eq.*&select=id" request_id=r-1')


SECRETS = st.sampled_from(
    ["Bearer s3cret.abc", "postgres://u:s3cret@h/d", "password=s3cret", "token: s3cret"]
)


@given(SECRETS, st.binary(max_size=200), st.booleans())
def test_no_request_can_bring_a_secret_or_a_second_line_into_its_line(
    secret: str, noise: bytes, before: bool
) -> None:
    name = noise + b" " + secret.encode() if before else secret.encode() + b" " + noise
    target = b"/storage?password=eq.s3cret&select=id&" + name
    headers = ((b"X-Request-ID", name[: MAX_REQUEST_ID - 1]), (b"Authorization", secret.encode()))
    line = str(describe_request(serve(Request("GET", target, headers)), "X-Request-ID"))
    assert line.isascii()
    assert line.isprintable()
    if not before:
        assert "s3cret" not in line

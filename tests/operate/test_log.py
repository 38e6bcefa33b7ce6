"""The log: what an operator should notice, in one line, without secrets, not too often."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from proxy.operate.log import EventLog, describe_event, render_line


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
def log(lines: Lines, clock: Clock) -> EventLog:
    logger = logging.Logger("test", logging.INFO)
    logger.addHandler(lines)
    return EventLog(logger, clock, burst=2, window_seconds=10.0)


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
    assert lines.records[0].__dict__["fields"]["table"] == "storage"
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
    line = render_line(record.kind, record.fields)
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
        told.append(f"{logging.getLevelName(record.level)} {render_line(record.kind, record.fields)}")
    assert told == [
        "ERROR outcome_unknown table=storage side=upstream",
        'WARNING rehearsal_mismatch table=storage aspects=body differences=1 paths="$[0].label"'
        ' shape="POST storage?on_conflict=id"',
        'WARNING rehearsal_failed table=storage detail=timeout shape="POST storage"',
        'WARNING rehearsal_refused table=storage hazards="s.f calls dblink, which a rollback does not undo"',
    ]
    assert describe_event(Rehearsed("storage", "match", "POST /storage")) is None
    assert describe_event(Unrehearsed("storage", "busy")) is None

"""The log's lines: one for each record, in ASCII, without what other libraries would quote."""

import io
import json
import logging
import re

from hypothesis import given
from hypothesis import strategies as st

from proxy.config import LogConfig
from proxy.operate.log_output import LOGGER, LogFormatter, begin_log
from proxy.operate.log_records import Record

TIME = 1_764_165_600.25
CONSOLE, JSON = LogFormatter(LogConfig), LogFormatter(lambda: LogConfig(format="json"))
TEXTS = st.text() | st.text(alphabet='\r\n\x1b\x7f\x85\u2028 ={}":\\', max_size=20)


def make_record(
    message: object, *, name: str = LOGGER, error: BaseException | None = None
) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.LogRecord(name, logging.WARNING, "somewhere.py", 1, message, (), info)
    record.created = TIME
    return record


def test_a_record_is_one_line_for_people() -> None:
    record = make_record(Record(logging.WARNING, "mismatch", {"table": "storage", "what": "a b"}))
    assert CONSOLE.format(record) == '2025-11-26T14:00:00.250Z WARNING mismatch table=storage what="a b"'


def test_or_one_json_object_with_its_fields_beside_time_level_and_event() -> None:
    record = make_record(Record(logging.WARNING, "mismatch", {"table": "storage", "differences": 2}))
    assert json.loads(JSON.format(record)) == {
        "time": "2025-11-26T14:00:00.250Z",
        "level": "warning",
        "event": "mismatch",
        "table": "storage",
        "differences": 2,
    }


@given(TEXTS, TEXTS)
def test_no_text_can_forge_a_line_or_command_a_terminal(kind: str, value: str) -> None:
    record = make_record(Record(logging.WARNING, "crashed", {"where": kind, "problem": value}))
    for formatter in (CONSOLE, JSON):
        line = formatter.format(record)
        assert re.fullmatch(r"[ -~]*", line)
    told = json.loads(JSON.format(record))
    assert (told["where"], told["problem"]) == (kind, value)


@given(TEXTS)
def test_nor_can_the_text_of_another_library(message: str) -> None:
    record = make_record(message, name="aiohttp.server")
    for formatter in (CONSOLE, JSON):
        assert re.fullmatch(r"[ -~]*", formatter.format(record))


def test_an_exception_of_another_library_is_told_by_its_class_alone() -> None:
    """asyncio writes the exception's text, and the frames that hold the values, on further lines."""
    try:
        raise ValueError("the value is 4711")
    except ValueError as error:
        message = (
            "Task exception was never retrieved\nfuture: <Task exception=ValueError('the value is 4711')>"
        )
        record = make_record(message, name="asyncio", error=error)
    assert CONSOLE.format(record) == (
        "2025-11-26T14:00:00.250Z WARNING log logger=asyncio "
        'message="Task exception was never retrieved" error=ValueError'
    )
    assert "4711" not in JSON.format(record)


def test_passwords_and_tokens_of_another_library_are_hidden() -> None:
    record = make_record("cannot reach postgresql://u:pw@db/x with Bearer abc.def", name="asyncpg")
    for formatter in (CONSOLE, JSON):
        assert "pw@" not in formatter.format(record)
        assert "abc" not in formatter.format(record)


def test_the_format_is_the_one_that_is_configured_at_the_moment() -> None:
    settings, written = [LogConfig()], io.StringIO()
    begin_log(written, lambda: settings[0])
    logger = logging.getLogger(LOGGER)
    logger.info(Record(logging.INFO, "one", {}))
    settings[0] = LogConfig(format="json")
    logger.info(Record(logging.INFO, "two", {}))
    one, two = written.getvalue().splitlines()
    assert one.endswith("Z INFO one")
    assert json.loads(two)["event"] == "two"


def test_other_libraries_are_heard_from_warnings_on() -> None:
    """On a lower level SQLAlchemy tells each statement with its values."""
    written = io.StringIO()
    begin_log(written, LogConfig)
    engine = logging.getLogger("sqlalchemy.engine.Engine")
    assert not engine.isEnabledFor(logging.INFO)
    engine.warning("something")
    assert written.getvalue().count("\n") == 1


def test_beginning_anew_writes_nothing_twice() -> None:
    written = io.StringIO()
    begin_log(io.StringIO(), LogConfig)
    begin_log(written, LogConfig)
    logging.getLogger(LOGGER).warning(Record(logging.WARNING, "one", {}))
    assert written.getvalue().count("one") == 1

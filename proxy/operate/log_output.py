"""The log's lines: for people, or as JSON. Whatever is in a record, it is one line of ASCII.

What comes from other libraries is told by its first line and by the class of an exception: the rest, and
tracebacks, quote values (promise 10).
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from proxy.config import LogConfig
from proxy.operate.log_records import Record, render_json
from proxy.shadow.scrub import scrub

LOGGER = "understudy"
MAX_MESSAGE = 1000
"""Characters of another library's message that are written."""


class LogFormatter(logging.Formatter):
    """Writes records as ``settings`` say at the moment."""

    def __init__(self, settings: Callable[[], LogConfig]) -> None:
        super().__init__()
        self._settings = settings

    def format(self, record: logging.LogRecord) -> str:
        told = record.msg if isinstance(record.msg, Record) else _describe_foreign(record)
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        time = time.replace("+00:00", "Z")
        if self._settings().format == "json":
            head = {"time": time, "level": record.levelname.lower(), "event": told.kind}
            return render_json({**head, **told.fields})
        return f"{time} {record.levelname} {told}"


def begin_log(stream: TextIO, settings: Callable[[], LogConfig]) -> None:
    """Write this process's log to ``stream``: our own records, and what other libraries warn of."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogFormatter(settings))
    logging.root.handlers[:] = [handler]
    # Below that, some libraries tell statements with their values.
    logging.root.setLevel(logging.WARNING)
    logging.getLogger(LOGGER).setLevel(logging.INFO)


def _describe_foreign(record: logging.LogRecord) -> Record:
    message = next(iter(record.getMessage().splitlines()), "")[:MAX_MESSAGE]
    fields = {"logger": record.name, "message": scrub(message)}
    if record.exc_info and record.exc_info[0] is not None:
        fields["error"] = record.exc_info[0].__name__
    return Record(record.levelno, "log", fields)

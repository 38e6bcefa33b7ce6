"""The log of an engine that stands where ``postgrest`` stood: same lines, same places.

Requests go to the standard output in Apache's combined format, diagnostics to the standard error, each
with the local time. Source: PostgREST 14, reference 12.2 (``log-level``).
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Protocol, get_args

from proxy.config import EngineConfig, LogLevel
from proxy.events import (
    ConfigReloaded,
    Crashed,
    DatabaseReached,
    Event,
    Listener,
    ListenerFailed,
    ListenerStarted,
    LoadDelayed,
    OutcomeLost,
    ReloadNotified,
    ReplicaChanged,
    SchemaLoaded,
    SettingsUnread,
)
from proxy.messages import Answer, Request
from proxy.shadow.scrub import scrub

_LEAST: dict[LogLevel, int] = {"crit": 1000, "error": 500, "warn": 400, "info": 0, "debug": 0}
"""By level, the least status of an answer that is logged."""

_DATABASE_ERROR = b"PostgREST; error="


class HasBeenAnswered(Protocol):
    """A request with its answer; see ``proxy.server.alone``."""

    @property
    def request(self) -> Request:
        """What was asked."""

    @property
    def answer(self) -> Answer:
        """What was answered."""

    @property
    def minor(self) -> int:
        """The x of HTTP/1.x."""

    @property
    def peer(self) -> str:
        """The client's address; empty if it has none."""


class TakesText(Protocol):
    """Where lines go: a text file, or what is like one."""

    def write(self, text: str, /) -> object:
        """Take ``text``."""

    def flush(self) -> object:
        """Keep none of it back."""


class PostgrestLog(Listener):
    """Writes requests to ``out`` and diagnostics to ``err``, as ``level`` allows.

    ``clock`` gives the local time with its zone; ``options`` are those in force.
    """

    def __init__(
        self,
        level: LogLevel,
        out: TakesText,
        err: TakesText,
        clock: Callable[[], datetime],
        options: Callable[[], EngineConfig],
    ) -> None:
        super().__init__(dict.fromkeys(get_args(Event), self._note_event))
        self._least = _LEAST[level]
        self._out = out
        self._err = err
        self._clock = clock
        self._options = options

    def say(self, text: str) -> None:
        """A diagnostic, at any level; on one line, without credentials."""
        line = " ".join(scrub(text).split("\n"))
        self._err.write(f"{self._clock():%d/%b/%Y:%H:%M:%S %z}: {line}\n")
        self._err.flush()

    def _note_event(self, event: Event) -> None:
        """Say what ``event`` means to an operator."""
        text = self._tell(event)
        if text is not None:
            self.say(text)
        if isinstance(event, ListenerFailed) and event.seconds is not None:
            self.say(f"Retrying listening for database notifications in {event.seconds:.0f} seconds...")

    def wants(self, answer: Answer) -> bool:
        """Whether a request with this answer is logged."""
        return answer.status >= self._least

    def note(self, visit: HasBeenAnswered, role: str | None) -> None:
        """The line of a request that is logged, and the error of the database if that was at fault."""
        answer, request = visit.answer, visit.request
        if answer.status >= 500 and (error := _find_server_error(answer)):
            self.say(error)
        values = (
            visit.peer or "-",
            _text((role or "-").encode("utf-8", "replace")),
            f"{self._clock():%d/%b/%Y:%H:%M:%S %z}",
            f"{request.method} {scrub(_text(request.target))} HTTP/1.{visit.minor}",
            answer.status,
            _text(answer.header(b"content-length") or b"-"),
            _text(request.header(b"referer") or b""),
            _text(request.header(b"user-agent") or b""),
        )
        self._out.write('{} - {} [{}] "{}" {} {} "{}" "{}"\n'.format(*values))
        self._out.flush()

    def _tell(self, event: Event) -> str | None:
        match event:
            case DatabaseReached():
                return f"Successfully connected to {event.server}"
            case SchemaLoaded(accepted=True):
                return f"Schema cache loaded in {event.seconds * 1000:.1f} milliseconds"
            case SchemaLoaded():
                options = self._options()
                schemas, path = ",".join(options.db_schemas), ",".join(options.db_extra_search_path)
                return (
                    f"Failed to load the schema cache using db-schemas={schemas} and "
                    f"db-extra-search-path={path}. {event.problem}"
                )
            case LoadDelayed():
                return f"Attempting to reconnect to the database in {event.seconds:.0f} seconds..."
            case ConfigReloaded(accepted=True):
                return "Config reloaded"
            case ConfigReloaded():
                return f"Failed reloading config: {event.problem}"
            case SettingsUnread(kind="options"):
                return f"Failed to query database settings for the config parameters. {event.problem}"
            case SettingsUnread():
                return f"Failed to query the role settings. {event.problem}"
            case ListenerStarted():
                return (
                    f'Listener connected to {event.server} on "{event.address}" and listening for database '
                    f'notifications on the "{event.channel}" channel'
                )
            case ListenerFailed():
                return (
                    f'Failed listening for database notifications on the "{event.channel}" channel. '
                    f"{event.problem}"
                )
            case ReplicaChanged(fresh=True):
                return "Reads go to the replica"
            case ReplicaChanged():
                return f"Reads do not go to the replica: {event.problem}"
            case ReloadNotified():
                what = "schema cache" if event.wanted == "schema" else "config"
                return f'Received a {what} reload message on the "{event.channel}" channel'
            case OutcomeLost():
                return "The outcome of a write is unknown: the connection was lost while it was committed"
            case Crashed():
                return f"Crashed: {event.where}: {event.problem}"
            case _:
                return None


def _find_server_error(answer: Answer) -> str | None:
    """The body of an answer that tells of trouble with the database, not of a request or a setting."""
    code = (answer.header(b"proxy-status") or b"").removeprefix(_DATABASE_ERROR)
    if code.startswith(b"PGRST") and not code.startswith(b"PGRST00"):
        return None
    try:
        return json.dumps(json.loads(answer.body), ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return None


def _text(raw: bytes) -> str:
    """``raw`` so that it can neither end a line nor a quoted field."""
    text = raw.decode("utf-8", "backslashreplace").replace('"', '\\"')
    return "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in text)

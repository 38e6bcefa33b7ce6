"""The hierarchy of what can go wrong, by who is told.

``ApiError`` is for the client, in PostgREST's shape; ``ConfigError`` for the operator; ``Unsupported``
says that the engine declines, which is coverage and never a mismatch; ``EngineDown`` and
``UpstreamError`` are a side's silence.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from proxy.messages import Answer, Headers

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | dict[str, Json] | None"


class UnderstudyError(Exception):
    """The root; never raised itself. All may travel from one process of ours to another."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self.__dict__)


def _revive(kind: type[Exception], args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ApiError(UnderstudyError):
    """An error that a client is told in PostgREST's own shape (reference 9.1).

    ``code`` is a PGRST code or an SQLSTATE; without one there is nothing to tell but the status.
    ``headers`` follow the standard ones.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Json = None,
        hint: str | None = None,
        *,
        headers: Headers = (),
        reason: str = "",
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint
        self.headers = headers
        self.reason = reason


class Unsupported(UnderstudyError):
    """The engine declines this request. ``feature`` names, in a few fixed words, what it does not do."""

    def __init__(self, feature: str) -> None:
        super().__init__(feature)
        self.feature = feature


class EngineDown(UnderstudyError):
    """The engine cannot reach its database. ``error`` is what to tell a client if nobody else can answer."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


class EngineOverflows(EngineDown):
    """The engine's answer is larger than there is room for, and was given up."""


class OutcomeUnknown(EngineDown):
    """The connection was lost while a transaction was being committed: it took effect, or it did not."""

    def __init__(self) -> None:
        message = (
            "The connection was lost while the transaction was committed: whether it took effect is unknown"
        )
        hint = "Look at the rows before you repeat the request."
        super().__init__(ApiError(500, "08007", message, None, hint))


class Unrecoverable(UnderstudyError):
    """The engine alone cannot go on, and its process has to end. The text is for the operator."""


class UpstreamError(UnderstudyError):
    """The upstream gave no answer. ``sent``: it may have got the request, and done what it asks."""

    def __init__(self, text: str, *, sent: bool = False) -> None:
        super().__init__(text)
        self.sent = sent


class UpstreamRefused(UpstreamError):
    """No connection to the upstream could be made, or it closed before it answered."""


class UpstreamTimeout(UpstreamError):
    """The upstream did not answer in time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a configuration: where it stands, what was found, what is allowed."""

    file: str
    line: int
    key: str
    found: str
    allowed: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: found {self.found}; allowed: {self.allowed}"


class ConfigError(UnderstudyError):
    """A configuration that is refused as a whole, with every problem found in it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class EditRefused(UnderstudyError):
    """A configuration file that cannot be changed as asked; the text is for the operator."""


def retry_hint(status: int) -> Headers:
    """When to ask again: PostgREST's constant, whatever its own back-off is (reference 0.2)."""
    return ((b"Retry-After", b"0"),) if status == 503 else ()


def render_error(error: ApiError, *, proxy_status: bool = True) -> Answer:
    """The answer a client gets for ``error``: four keys in alphabetical order, without spaces.

    ``proxy_status``: its code is in a header as well. Source: PostgREST 14, reference 9.1 (body) and 8.7
    (``Proxy-Status``).
    """
    told = {"code": error.code, "details": error.details, "hint": error.hint, "message": error.message}
    body = json.dumps(told if error.code else {}, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogateescape"
    )
    status: Headers = ((b"Proxy-Status", b"PostgREST; error=" + error.code.encode("utf-8", "replace")),)
    headers: Headers = (
        *retry_hint(error.status),
        (b"Content-Type", b"application/json; charset=utf-8"),
        (b"Content-Length", str(len(body)).encode()),
        *(status if proxy_status else ()),
        *error.headers,
    )
    return Answer(error.status, headers, body, error.reason.encode())

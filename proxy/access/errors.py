"""What a call can end with besides rows, told apart as callers over HTTP have told it apart.

A 400 is a ``DBQueryError``. Every other refusal is a ``DBStatusError``, of which a 409 is a
``DBConflictError``; where ``requests`` is installed these are ``requests.HTTPError`` as well, so that code
which catches that, and looks at ``error.response.status_code``, goes on working.
"""

import json as json_text
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy.errors import UnderstudyError

if TYPE_CHECKING:
    from requests import HTTPError, Timeout
else:
    try:
        from requests import HTTPError, Timeout
    except ImportError:
        HTTPError, Timeout = OSError, TimeoutError


class AccessError(UnderstudyError):
    """A call that was refused, or not answered. ``url``, ``method`` and ``params`` are those of the call.

    ``status`` is that of HTTP, 0 without an answer. ``json`` is what PostgREST says: ``code``, ``message``,
    ``details`` and ``hint``; None where it says nothing.
    """

    status = 0

    def __init__(self, url: str, method: str, params: Any, json: Any) -> None:
        super().__init__(f"{method} {url}")
        self.url = url
        self.method = method
        self.params = params
        self.json = json

    def __str__(self) -> str:
        told = f"{self.method} {self.url}: {self.status or 'no answer'}"
        if not isinstance(self.json, Mapping):
            return told
        parts = (self.json.get(key) for key in ("code", "message", "details", "hint"))
        return ": ".join([told, *(str(part) for part in parts if part)])


class DBQueryError(AccessError):
    """400: PostgREST or PostgreSQL does not accept the query or its values."""

    status = 400


class DBStatusError(AccessError, HTTPError):
    """Any other refusal: no such table, no permission, no database. ``response`` has what was answered."""

    def __init__(self, url: str, method: str, params: Any, json: Any, response: Any) -> None:
        super().__init__(url, method, params, json)
        self.status: int = response.status_code
        self.response = response


class DBConflictError(DBStatusError):
    """409: a row with this key is there already, or another row refers to this one."""


class CallTimeout(AccessError, Timeout):
    """The call took longer than it may. What it was doing has been undone, or the server was told to."""

    def __init__(self, url: str, method: str, params: Any) -> None:
        super().__init__(url, method, params, None)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of the engine by the names that ``requests.Response`` has for its parts."""

    status_code: int
    url: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        return self.status_code < 400

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as values. Raises ValueError where it is no JSON."""
        return json_text.loads(self.content)

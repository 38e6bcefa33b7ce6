"""One call as the request that ``requests`` would send, and what came of it as a value or an error."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from proxy.access.errors import AccessError, DBConflictError, DBQueryError, DBStatusError, Response
from proxy.messages import Answer, Header, Headers, Request

Params: TypeAlias = Mapping[str, Any] | Sequence[tuple[str, Any]] | str | bytes | None
"""Parameters of the query string: a mapping, or pairs where a name comes more than once."""

DEFAULT_HEADERS: Mapping[str, str] = {"Prefer": "missing=default, return=representation"}

_SAFE = "!#$%&'()*+,/:;=?@[]~"
"""What stays as it is in a path that may be encoded already."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method. ``url`` is what errors name; without a ``json`` there is no body."""

    url: str
    method: str
    table: str
    params: Params = None
    json: Any = None


def make_request(call: Call, headers: Headers) -> Request:
    """The request of ``call``. Raises ValueError for what JSON cannot express."""
    if call.json is None:
        return Request(call.method, make_target(call), headers)
    body = json.dumps(call.json, allow_nan=False).encode()
    added: list[Header] = [(b"Content-Length", str(len(body)).encode())]
    if not any(name.lower() == b"content-type" for name, _ in headers):
        added.append((b"Content-Type", b"application/json"))
    return Request(call.method, make_target(call), (*headers, *added), body)


def make_target(call: Call) -> bytes:
    """Path and query of ``call``; the table may bring parameters of its own (``storage?select=uid``)."""
    path, _, query = call.table.partition("#")[0].partition("?")
    given = _encode_params(call.params)
    query = "&".join(filter(None, (quote(query, safe=_SAFE), quote(given, safe=_SAFE))))
    target = "/" + quote(path, safe=_SAFE) + ("?" + query if query else "")
    return target.encode("ascii")


def _encode_params(params: Params) -> str:
    if isinstance(params, bytes):
        return params.decode("utf-8")
    if params is None or isinstance(params, str):
        return params or ""
    pairs = params.items() if isinstance(params, Mapping) else params
    return urlencode([(name, one) for name, value in pairs for one in _each(value) if one is not None])


def _each(value: Any) -> Iterable[Any]:
    """The values of a name that has several; a text is one."""
    return value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else (value,)


def encode_headers(headers: Mapping[str, Any] | None) -> Headers:
    """``headers`` as they go out; the default ones where there are none."""
    given = headers or DEFAULT_HEADERS
    return tuple((_encode(name), _encode(value)) for name, value in given.items() if value is not None)


def _encode(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def read_answer(call: Call, answer: Answer, response: Any = None) -> Any:
    """The JSON of ``answer``; None where there is no body. Raises AccessError for a refusal.

    ``response`` is what the error carries; without it, the answer itself by the names of ``requests``.
    Raises ValueError where the body is no JSON, as it is for a header that asks for something else.
    """
    if answer.status >= 400:
        raise make_error(call, answer, response)
    return json.loads(answer.body) if answer.body else None


def make_error(call: Call, answer: Answer, response: Any = None) -> AccessError:
    """The error that ``answer`` is."""
    told = _read_json(answer.body)
    if answer.status == 400:
        return DBQueryError(call.url, call.method, call.params, told)
    if response is None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
        response = Response(answer.status, call.url, headers, answer.body)
    kind = DBConflictError if answer.status == 409 else DBStatusError
    return kind(call.url, call.method, call.params, told, response)


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None

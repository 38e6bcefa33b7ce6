"""The bodies of two answers as what can be compared: rows, other JSON, a document, or bytes."""

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from proxy.messages import Answer
from proxy.reading import BOUND, Reading
from proxy.shadow.arrange import Arranging, Freedom
from proxy.shadow.coding import DECODED_LIMIT, decode_body, read_codings
from proxy.shadow.ignore import Ignoring
from proxy.shadow.records import read_table
from proxy.shadow.tokens import Token, read_tokens

SUCCESS = frozenset({200, 206})
"""The statuses under which a body holds rows."""

MediaKind: TypeAlias = Literal["json", "csv", "openapi", "plan", "bytes"]


@dataclass(frozen=True, slots=True)
class Equal:
    """Nothing in the bodies differs. ``opaque``: their codings could not be undone."""

    opaque: bool = False


@dataclass(frozen=True, slots=True)
class Incomparable:
    """A content coding could not be undone, or these are execution plans, which are each server's own."""


@dataclass(frozen=True, slots=True)
class DifferentBytes:
    """Bodies that are no rows and no JSON, or not of the same kind."""

    upstream: bytes
    engine: bytes


@dataclass(frozen=True, slots=True)
class DifferentValues:
    """JSON, or CSV as JSON, by what it says. ``ignored`` are the rules that took something out.

    ``rows``: they are rows, or one, and ``reading`` tells of their order; ``total`` is how many there are.
    """

    upstream: Token
    engine: Token
    rows: bool = False
    reading: Reading = BOUND
    total: int | None = None
    stripped: bool = False
    ignored: frozenset[str] = frozenset()

    @property
    def lists(self) -> tuple[list[Token], list[Token]] | None:
        """Both as lists of rows; None if they are not."""
        if self.rows and isinstance(self.upstream, list) and isinstance(self.engine, list):
            return self.upstream, self.engine
        return None

    def agree(self, freedom: Freedom) -> bool:
        """Whether both say the same, with so much freedom in the order of rows."""
        if not self.rows:
            return self.upstream == self.engine
        arranging = Arranging(freedom, self.total, self.stripped)
        return arranging.arrange(_list(self.upstream), self.reading) == arranging.arrange(
            _list(self.engine), self.reading
        )


def _list(value: Token) -> list[Token]:
    """The rows of a body: the items of an array, or the one of a singular answer (reference 5.6)."""
    return value if isinstance(value, list) else [value]


Bodies: TypeAlias = Equal | Incomparable | DifferentBytes | DifferentValues


def read_bodies(upstream: Answer, engine: Answer, reading: Reading, ignoring: Ignoring) -> Bodies:
    """How the bodies are to be compared; bytes first, since most are equal. Never raises."""
    if upstream.body == engine.body and read_codings(upstream) == read_codings(engine):
        return Equal()
    first, second = decode_body(upstream), decode_body(engine)
    if first is None or second is None:
        # Equal bytes under codings that cannot be undone: then the header alone tells them apart.
        return Equal(opaque=True) if upstream.body == engine.body else Incomparable()
    if first == second:
        return Equal()
    kind = _read_kind(upstream)
    if kind == _read_kind(engine) == "plan":
        return Incomparable()
    if kind == _read_kind(engine) and len(first) + len(second) <= DECODED_LIMIT:
        try:
            if kind == "json":
                return _read_json(upstream, engine, first, second, reading, ignoring)
            if kind == "csv":
                return _read_csv(upstream, engine, first, second, reading, ignoring)
            if kind == "openapi":
                return _read_documents(first, second)
        except (ValueError, RecursionError):
            # No JSON at all, or nested deeper than it can be read: the bytes differ, and that is known.
            pass
    return DifferentBytes(first, second)


def _read_json(
    upstream: Answer, engine: Answer, first: bytes, second: bytes, reading: Reading, ignoring: Ignoring
) -> Bodies:
    one, other = read_tokens(first), read_tokens(second)
    return Equal() if one == other else _hold_rows(upstream, engine, one, other, reading, ignoring)


def _read_csv(
    upstream: Answer, engine: Answer, first: bytes, second: bytes, reading: Reading, ignoring: Ignoring
) -> Bodies:
    header, rows = read_table(first)
    other_header, other_rows = read_table(second)
    if header != other_header:
        return DifferentBytes(first, second)
    return _hold_rows(upstream, engine, rows, other_rows, reading, ignoring)


def _hold_rows(
    upstream: Answer, engine: Answer, one: Token, other: Token, reading: Reading, ignoring: Ignoring
) -> DifferentValues:
    label = upstream.header(b"content-type")
    rows = upstream.status == engine.status and upstream.status in SUCCESS
    rows = (
        rows and label == engine.header(b"content-type") and isinstance(one, list) == isinstance(other, list)
    )
    return DifferentValues(
        ignoring.hide(one),
        ignoring.hide(other),
        rows,
        reading if rows else BOUND,
        read_total(upstream),
        b"nulls=stripped" in (label or b""),
        frozenset(ignoring.find_hits(one, other)),
    )


def _read_documents(first: bytes, second: bytes) -> Bodies:
    """Root documents: each names the version of its own server, and members have no order."""
    one, other = _without_version(first), _without_version(second)
    return Equal() if one == other else DifferentValues(_sorted_tokens(one), _sorted_tokens(other))


def _sorted_tokens(document: dict[str, Any]) -> Token:
    return read_tokens(json.dumps(document, sort_keys=True).encode())


def _without_version(body: bytes) -> dict[str, Any]:
    document = json.loads(body, parse_float=str)
    if not isinstance(document, dict) or not isinstance(document.get("info"), dict):
        raise ValueError
    document["info"].pop("version", None)
    return document


def read_total(answer: Answer) -> int | None:
    """How many rows there are in all, where ``Content-Range`` tells it (reference 4.2)."""
    total = (answer.header(b"content-range") or b"").rpartition(b"/")[2]
    return int(total) if total.isdigit() and len(total) < 19 else None


def _read_kind(answer: Answer) -> MediaKind:
    media_type = (answer.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    if media_type.startswith(b"application/vnd.pgrst.plan"):
        return "plan"
    if media_type == b"application/openapi+json":
        return "openapi"
    if media_type.endswith((b"/json", b"+json")):
        return "json"
    return "csv" if media_type == b"text/csv" else "bytes"

"""Requests that differ in literals only, planned once.

Parsing and planning take longer than everything else that the engine does. What comes of them depends on
the schema cache, the options, the method, the target and a few headers, but on some literals only in that
they become values of the statement: those of plain filters (``column=eq.literal``), and a body of JSON as
far as its keys are the same. So a request is planned with marks in their place, and the plan serves all
requests that are equal to it up to there.
"""

import re
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from proxy.config import EngineConfig
from proxy.engine.parse.payload import Payload, decode_for_postgres
from proxy.engine.parse.request import ApiRequest, parse_head
from proxy.engine.plan.make import make_plan, strip_to_count
from proxy.engine.plan.types import ReadNode
from proxy.engine.plan.whole import CallNode, Plan, RawArgument, Shape
from proxy.engine.schema import Schema
from proxy.engine.sql.build import build_statement, collect_values, find_binary
from proxy.messages import Headers, Request

Outline: TypeAlias = tuple[str, bytes, Headers]
"""Method, target without literals, and the headers that matter to a plan."""

_READ_BY_PLANS = frozenset(
    {b"prefer", b"accept", b"content-type", b"range", b"accept-profile", b"content-profile"}
)
_HOLE = b"\0"
"""Stands where a literal was taken out; no target of HTTP has it."""

# Only what needs no decoding: the grammar takes everything behind these operators as it stands.
_LITERAL = re.compile(
    rb"(?<=[?&])((?:[A-Za-z_]\w*\.)*(?!(?:select|columns|on_conflict|order|limit|offset|and|or)=)[A-Za-z_]\w*="
    rb"(?:not\.)?(?:eq|neq|gte?|lte?)\.)([\w.~:-]*)(?=&|\Z)"
)
_BODY = -1
_MARK = re.compile(r"[{\[]?~literal(-?[0-9]+)~[}\]]?")


class Query(NamedTuple):
    """A statement and its values.

    ``binary``: the columns of its row that have to come in binary form. ``marks`` are the values that marks
    stand for, with the numbers of the literals.
    """

    sql: str
    values: list[str]
    binary: tuple[bool, ...] = ()
    marks: tuple[tuple[int, int], ...] = ()


class Prepared(NamedTuple):
    """A plan with its statement, and the one that asks the planner for an estimate where that is wanted.

    Marks stand for literals in ``plan`` and in the values of both statements.
    """

    plan: Plan
    statement: Query
    estimate: Query | None

    def fill(self, literals: tuple[str, ...], payload: Payload | None) -> "Prepared":
        """The same for a request with these literals and that payload. Raises ApiError 22021."""
        body = "" if payload is None else decode_for_postgres(payload.text)
        statement = _fill(self.statement, literals, body)
        estimate = None if self.estimate is None else _fill(self.estimate, literals, body)
        return Prepared(self.plan, statement, estimate)


def make_prepared(plan: Plan) -> Prepared:
    """What is to be run for ``plan``."""
    estimate = None if plan.estimate is None else _make_query(strip_to_count(plan.shape.root))
    return Prepared(plan, _make_query(plan.shape), estimate)


def _make_query(shape: Shape | ReadNode) -> Query:
    values = collect_values(shape)
    marks = tuple((at, int(match[1])) for at, match in enumerate(map(_MARK.fullmatch, values)) if match)
    return Query(build_statement(shape).sql, values, find_binary(shape), marks)


def _fill(query: Query, literals: tuple[str, ...], body: str) -> Query:
    values = query.values.copy()
    for at, number in query.marks:
        values[at] = body if number == _BODY else literals[number]
    return Query(query.sql, values, query.binary)


def take_literals(request: Request) -> tuple[Outline, tuple[str, ...]]:
    """What the plan of ``request`` depends on but for its body, and the literals in its target."""
    literals: list[str] = []

    def take(match: re.Match[bytes]) -> bytes:
        literals.append(match[2].decode("ascii"))
        return match[1] + _HOLE

    target = _LITERAL.sub(take, request.target)
    return (request.method, target, _read_by_plans(request.headers)), tuple(literals)


@lru_cache(maxsize=256)
def _read_by_plans(headers: Headers) -> Headers:
    """Those of ``headers`` that matter; a client sends the same ones again and again."""
    return tuple(header for header in headers if header[0].lower() in _READ_BY_PLANS)


def parse_outline(outline: Outline, options: EngineConfig) -> ApiRequest | None:
    """The request of ``outline`` with marks for literals; None if it has such marks of its own.

    Raises ApiError.
    """
    method, target, headers = outline
    if b"~literal" in unquote_to_bytes(target):
        return None
    parts = target.split(_HOLE)
    marked = [part + _mark(number).encode() for number, part in enumerate(parts[:-1])]
    return parse_head(Request(method, b"".join((*marked, parts[-1])), headers), options)


def prepare(
    wanted: ApiRequest, payload: Payload | None, schema: Schema, options: EngineConfig
) -> Prepared | None:
    """The plan of ``wanted``, as ``parse_outline`` gave it, for payloads like ``payload``.

    None where it depends on more of that than its keys, and whether it is one object. Raises ApiError and
    Unsupported.
    """
    if payload is not None:
        if payload.pairs is not None or wanted.content_type.kind not in ("json", "csv", "form"):
            return None
        text = f"{{{_mark(_BODY)}}}" if payload.single else f"[{_mark(_BODY)}]"
        payload = Payload(text.encode(), payload.keys)
    plan = make_plan(replace(wanted, payload=payload), schema, options)
    source = plan.shape.source
    if payload is not None and isinstance(source, CallNode) and isinstance(source.arguments, RawArgument):
        # It may be told in another form than its text.
        return None
    return make_prepared(plan)


def _mark(number: int) -> str:
    return f"~literal{number}~"

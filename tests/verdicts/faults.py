"""Faults to plant in the engine: in how it reads a request, in its sessions, its caches, and its answers.

Each names the reads that touch it and the aspects in which it has to be found.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from proxy.config import EngineConfig
from proxy.engine.schema import Schema
from proxy.messages import Answer, Headers, Request
from tests.verdicts.reads import COUNT, HOST

ChangeRequest: TypeAlias = Callable[[Request], Request]
ChangeAnswer: TypeAlias = Callable[[Answer], Answer]
ChangeOptions: TypeAlias = Callable[[EngineConfig], EngineConfig]
ChangeSchema: TypeAlias = Callable[[Schema], Schema]

CSV = (b"Accept", b"text/csv")
OBJECT = (b"Accept", b"application/vnd.pgrst.object+json")
ROWS = "/item?order=id&limit=20"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``target`` is a read that touches it, with ``headers``; ``aspects`` are all that may show.

    ``settings`` are those of the engine's connections, as libpq's ``options`` have them.
    """

    name: str
    aspects: frozenset[str]
    target: str
    headers: Headers = ()
    method: str = "GET"
    request: ChangeRequest | None = None
    answer: ChangeAnswer | None = None
    options: ChangeOptions | None = None
    schema: ChangeSchema | None = None
    settings: str = ""

    @property
    def read(self) -> Request:
        return Request(self.method, self.target.encode(), (HOST, *self.headers))


def _rewrite(pattern: str, text: str) -> ChangeRequest:
    def change(request: Request) -> Request:
        target, count = re.subn(pattern.encode(), text.encode(), request.target, count=1)
        assert count, pattern
        return request._replace(target=target)

    return change


def _without_header(name: bytes) -> ChangeRequest:
    return lambda request: request._replace(
        headers=tuple(header for header in request.headers if header[0] != name)
    )


def _misread(name: str, aspects: str, target: str, pattern: str, text: str, headers: Headers = ()) -> Fault:
    return Fault(name, frozenset(aspects.split()), target, headers, request=_rewrite(pattern, text))


def _body(change: Callable[[bytes], bytes]) -> ChangeAnswer:
    return lambda answer: answer._replace(body=change(answer.body))


def _text(pattern: str, text: str, flags: int = 0) -> ChangeAnswer:
    expression = re.compile(pattern.encode(), flags)
    return _body(lambda body: expression.sub(text.encode(), body, count=1))


def _rows(change: Callable[[list[str]], list[str]]) -> ChangeAnswer:
    """Change the rows as texts: PostgreSQL writes each on a line of its own."""

    def apply(body: bytes) -> bytes:
        return ("[" + ", \n ".join(change(body.decode()[1:-1].split(", \n "))) + "]").encode()

    return _body(apply)


def _header(name: bytes, value: bytes | None) -> ChangeAnswer:
    """Give the header ``name`` another value; None takes it away."""

    def change(answer: Answer) -> Answer:
        kept = tuple(header for header in answer.headers if header[0].lower() != name)
        return answer._replace(headers=kept if value is None else (*kept, (name, value)))

    return change


def _status(code: int) -> ChangeAnswer:
    return lambda answer: answer._replace(status=code)


def _member(key: str, value: Any) -> ChangeAnswer:
    """Give an error's member another value."""

    def apply(body: bytes) -> bytes:
        told = json.loads(body)
        return json.dumps({**told, key: value}, separators=(",", ":")).encode()

    return _body(apply)


def _answers(
    name: str, aspects: str, change: ChangeAnswer, target: str = ROWS, headers: Headers = ()
) -> Fault:
    return Fault(name, frozenset(aspects.split()), target, headers, answer=change)


def _swap(rows: list[str]) -> list[str]:
    return [rows[1], rows[0], *rows[2:]]


def _sessions(name: str, settings: str, select: str) -> Fault:
    return Fault(name, frozenset({"body"}), f"/item?select=id,{select}&order=id&limit=20", settings=settings)


def _drop(field: str, key: Any) -> ChangeSchema:
    def change(schema: Schema) -> Schema:
        held: Mapping[Any, Any] = getattr(schema, field)
        assert key in held, key
        rest: Any = {name: value for name, value in held.items() if name != key}
        return replace(schema, **{field: rest})

    return change


NO_ROW = "/item?id=eq.0"
UNKNOWN = "/item?select=id,nothing"
UNFOUND = "/nowhere"
MISREAD = (
    _misread("a filter is forgotten", "body headers", "/item?grp=eq.3&order=id", "grp=eq.3&", ""),
    _misread("greater becomes greater or equal", "body headers", "/item?id=gt.990", "gt", "gte"),
    _misread("a negation is lost", "body headers", "/item?id=not.lt.990", "not.lt", "lt"),
    _misread("or is read as and", "body headers", "/item?or=(id.eq.1,id.eq.2)", "or=", "and="),
    _misread("in loses its last value", "body headers", "/item?id=in.(1,2,3)", ",3", ""),
    _misread(
        "case is not ignored", "body headers", "/item?name=ilike.ITEM 1*".replace(" ", "%20"), "ilike", "like"
    ),
    _misread(
        "is.null finds texts that are empty", "body headers", "/item?note=is.null&order=id", "is.null", "eq."
    ),
    _misread("an order is ignored", "order", "/item?order=price.desc,id&select=id,price", "order=[^&]*&", ""),
    _misread("an order is turned round", "order", "/item?order=id.desc", "id.desc", "id.asc"),
    _misread(
        "the second order term is lost", "order body", "/item?order=grp,id.desc&select=id", ",id.desc", ""
    ),
    _misread(
        "nulls come last", "order", "/item?order=note.nullsfirst,id&select=id", "nullsfirst", "nullslast"
    ),
    _misread(
        "the order inside an embed is ignored",
        "order",
        "/item?select=id,part(seq)&part.order=seq.desc&id=lt.20&order=id",
        "seq.desc",
        "seq.asc",
    ),
    _misread("a limit is one too high", "body headers", "/item?order=id&limit=5", "limit=5", "limit=6"),
    _misread(
        "an offset is one too low", "body headers", "/item?order=id&limit=5&offset=5", "offset=5", "offset=4"
    ),
    _misread("an offset is ignored", "body headers", "/item?order=id&offset=990", "offset=990", "offset=0"),
    _misread("a column is left out", "body", "/item?select=id,name,note&id=lt.9", ",note", ""),
    _misread("an alias is lost", "body", "/item?select=id,title:name&id=lt.9", "title:", ""),
    _misread("columns come in another order", "body", "/item?select=id,name&id=lt.9", "id,name", "name,id"),
    _misread("a cast is forgotten", "body", "/item?select=id,qty::text&id=lt.9", "::text", ""),
    _misread("an arrow gives text", "body", "/item?select=id,meta->n&id=lt.9", "meta->n", "meta->>n"),
    _misread(
        "the filter of an embed is ignored",
        "body",
        "/item?select=id,part(seq)&part.seq=eq.1&id=lt.9",
        "&part.seq=eq.1",
        "",
    ),
    _misread(
        "the limit of an embed is ignored",
        "body",
        "/item?select=id,part(seq)&part.order=seq&part.limit=1&id=lt.9",
        "&part.limit=1",
        "",
    ),
    _misread(
        "an inner join is an outer one",
        "body headers",
        "/item?select=id,part!inner(seq)&part.id=lt.9",
        "!inner",
        "",
    ),
    _misread("the argument of a function is lost", "body", "/rpc/total?wanted=3", "=3", "=4"),
    _misread(
        "an aggregate counts something else", "body", "/item?select=grp,price.sum()&order=grp", "price", "qty"
    ),
    Fault(
        "the count is not made",
        frozenset({"headers", "status"}),
        "/item?limit=5&order=id",
        (COUNT,),
        request=_without_header(b"Prefer"),
    ),
    Fault(
        "CSV is not known",
        frozenset({"headers", "body"}),
        "/item?select=id,name&id=lt.9",
        (CSV,),
        request=_without_header(b"Accept"),
    ),
    Fault(
        "one object is still a list",
        frozenset({"headers", "body"}),
        "/item?id=eq.7",
        (OBJECT,),
        request=_without_header(b"Accept"),
    ),
    Fault(
        "the range header is ignored",
        frozenset({"headers", "body", "status"}),
        "/item?order=id",
        ((b"Range", b"0-4"),),
        request=_without_header(b"Range"),
    ),
)
ANSWERS = (
    _answers("a row is missing", "body headers", _rows(lambda rows: rows[:-1])),
    _answers(
        "a row is missing where the order is open", "body", _rows(lambda rows: rows[:-1]), "/item?grp=eq.3"
    ),
    _answers("a row is there twice", "body", _rows(lambda rows: [*rows, rows[-1]])),
    _answers("a row is another one", "body", _rows(lambda rows: [rows[0], *rows[:-1]])),
    _answers("two rows are exchanged", "order", _rows(_swap)),
    _answers(
        "two tie groups are exchanged",
        "order body",
        _rows(lambda rows: rows[::-1]),
        "/item?order=flag&id=lt.30&select=id,flag",
    ),
    _answers("there are no rows", "body", _body(lambda body: b"[]")),
    _answers("the answer is cut off", "body", _body(lambda body: body[:-10])),
    _answers("a digit is wrong", "body", _text(r'"id":17', '"id":18')),
    _answers("trailing zeros are dropped", "body", _text(r'("price":[0-9]+\.[0-9])00', r"\1")),
    _answers("large integers go through floats", "body", _text(r"9007199254740994", "9007199254740992")),
    _answers("a fraction is shorter", "body", _text(r'("ratio":0\.[0-9]{6})[0-9]+', r"\1")),
    _answers("a number is text", "body", _text(r'"grp":([0-9]+)', r'"grp":"\1"')),
    _answers("null is left out", "body", _text(r'"note":null,', "")),
    _answers("null is an empty text", "body", _text(r'"note":null', '"note":""')),
    _answers("an empty text is null", "body", _text(r'"note":""', '"note":null')),
    _answers("false is null", "body", _text(r'"flag":false', '"flag":null')),
    _answers("a time has another zone's name", "body", _text(r"\+00:00", "Z")),
    _answers("a time is cut to seconds", "body", _text(r"\.678901", "")),
    _answers("a text is in another encoding", "body", _text("ü", "Ã¼")),
    _answers("a text is normalised", "body", _text("ü", "u\u0308")),
    _answers("a key is there twice", "body", _text(r'"grp":', '"grp":0,"grp":')),
    _answers("an array is a text", "body", _text(r'\["a","tag 1"\]', '"{a,tag 1}"')),
    _answers("numbers inside jsonb lose a zero", "body", _text(r'"b": 1\.50', '"b": 1.5')),
    _answers("a UUID is in capitals", "body", _text("abcdef00", "ABCDEF00")),
    _answers("a range is open at the other end", "body", _text(r"\[1,11\)", "(0,11]")),
    _answers(
        "an embedded list is null",
        "body",
        _text(r'"part":\[\]', '"part":null'),
        "/item?select=id,part(id)&part.id=eq.0&id=lt.9",
    ),
    _answers(
        "one object is a list of one",
        "body",
        _body(lambda body: b"[" + body + b"]"),
        "/item?id=eq.7",
        (OBJECT,),
    ),
    _answers("a quote is lost in CSV", "body", _text(r'""', ""), "/item?select=id,note&id=lt.9", (CSV,)),
    _answers(
        "CSV ends with a line break",
        "body",
        _body(lambda body: body + b"\n"),
        "/item?select=id,name&id=lt.9",
        (CSV,),
    ),
    _answers("a scalar is text", "body", _body(lambda body: b'"' + body + b'"'), "/rpc/total?wanted=3"),
    _answers("the status is another success", "status", _status(206)),
    _answers("partial content is all of it", "status", _status(200), "/item?limit=5&order=id", (COUNT,)),
    _answers("not found is a bad request", "status", _status(400), UNFOUND),
    _answers(
        "one object of none is an empty answer",
        "status body headers",
        lambda answer: Answer(200, answer.headers, b"null"),
        NO_ROW,
        (OBJECT,),
    ),
    _answers("an error has another code", "body", _member("code", "PGRST000"), UNFOUND),
    _answers("an error says something else", "body", _member("message", "No such table"), UNFOUND),
    _answers("an error loses its hint", "body", _member("hint", None), "/items"),
    _answers("an error of the database is wrapped", "body", _member("details", "42703"), UNKNOWN),
    _answers(
        "the total is wrong",
        "headers",
        _header(b"content-range", b"0-4/999"),
        "/item?limit=5&order=id",
        (COUNT,),
    ),
    _answers("the range is one short", "headers", _header(b"content-range", b"0-18/*")),
    _answers("the content type has no charset", "headers", _header(b"content-type", b"application/json")),
    _answers("a header is missing", "headers", _header(b"content-location", None)),
    _answers("a header is too many", "headers", _header(b"x-engine", b"yes")),
    _answers("the error's header is missing", "headers", _header(b"proxy-status", None), UNFOUND),
    _answers(
        "what was applied is not told",
        "headers",
        _header(b"preference-applied", None),
        "/item?limit=5&order=id",
        ((b"Prefer", b"handling=strict, timezone=Asia/Tokyo"),),
    ),
)
SURROUNDINGS = (
    _sessions("times are in another zone", "-c TimeZone=Asia/Tokyo", "made"),
    _sessions("floats are cut", "-c extra_float_digits=-3", "ratio"),
    _sessions("bytes are escaped", "-c bytea_output=escape", "raw"),
    _sessions("intervals are ISO", "-c IntervalStyle=iso_8601", "span"),
    Fault(
        "there are fewer rows at most",
        frozenset({"body", "headers"}),
        "/item?order=id",
        options=lambda options: replace(options, db_max_rows=10),
    ),
    Fault(
        "aggregates are not allowed",
        frozenset({"body", "headers", "status"}),
        "/item?select=grp,id.count()",
        options=lambda options: replace(options, db_aggregates_enabled=False),
    ),
    Fault(
        "another release is spoken",
        frozenset({"body", "headers"}),
        UNFOUND,
        options=lambda options: replace(options, compat="12"),
    ),
    Fault(
        "a role may read too much",
        frozenset({"body", "headers", "status"}),
        "/secret",
        options=lambda options: replace(options, db_anon_role="verdicts_insider"),
    ),
    Fault(
        "a role may read too little",
        frozenset({"body", "headers", "status"}),
        "/item?id=eq.1",
        options=lambda options: replace(options, db_anon_role="verdicts_outsider"),
    ),
    Fault(
        "the schema cache lacks a table",
        frozenset({"body", "headers", "status"}),
        "/item?id=eq.1",
        schema=_drop("relations", ("shop", "item")),
    ),
    Fault(
        "the schema cache lacks a foreign key",
        frozenset({"body", "headers", "status"}),
        "/part?select=id,item(name)&id=lt.9",
        schema=_drop("relationships", (("shop", "part"), "shop")),
    ),
    Fault(
        "the schema cache lacks a function",
        frozenset({"body", "headers", "status"}),
        "/rpc/total?wanted=3",
        schema=_drop("functions", ("shop", "total")),
    ),
)
FAULTS: tuple[Fault, ...] = (*MISREAD, *ANSWERS, *SURROUNDINGS)

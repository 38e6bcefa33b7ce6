"""What is fuzzed: how an input is made, what is done with it, and what has to hold."""

import asyncio
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import jwt
from aiohttp.base_protocol import BaseProtocol

from proxy.config import EngineConfig, Limits
from proxy.config.edit import set_rule
from proxy.config.postgrest import read_postgrest_conf
from proxy.config.reader import read_config
from proxy.database.conninfo import BadConnectionString, parse_conninfo
from proxy.engine.auth.claims import identify
from proxy.engine.parse.request import parse_request
from proxy.engine.plan.make import make_plan
from proxy.engine.schema import Schema
from proxy.engine.sql.build import build_statement, collect_values
from proxy.engine.sql.session import make_session
from proxy.errors import ApiError, ConfigError, EditRefused, Unsupported, render_error
from proxy.messages import Answer, Request
from proxy.server.bodies import LAST_CHUNK, frame_chunk
from proxy.server.heads import BadMessage, RequestHead, parse_response_head, request_line
from proxy.server.request_parser import RequestParser
from proxy.shadow.compare import compare
from proxy.shadow.must_see import read_access_log
from proxy.shadow.redaction.exchange import redact_exchange
from proxy.shadow.redaction.secrets import Redaction
from proxy.shadow.shape import read_shape
from proxy.tape.format import TapeError, format_exchange, parse_exchange
from tests.attack.lenient import SERVERS, Seen
from tests.attack.streams import make_stream
from tests.fuzz import texts

SECRET = "fuzzed with a secret of more than 32 bytes"
NOW = 1_700_000_000.0
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
REDACTION = Redaction(frozenset({"label"}))


@dataclass(frozen=True, slots=True)
class Target:
    """``make`` gives an input from dice; ``check`` raises for one that breaks a promise."""

    make: Callable[[Random], Any]
    check: Callable[[Any], None]


def make_request(dice: Random) -> Request:
    target = b"/" + dice.choice(texts.PATHS).encode() + b"?" + texts.query(dice)
    if dice.random() < 0.05:
        target = texts.damage(dice, target)
    method = dice.choice(texts.METHODS)
    content = texts.body(dice) if method in ("POST", "PATCH", "PUT") else b""
    return Request(method, target, texts.headers(dice), content)


def check_error(error: ApiError) -> None:
    """It can be told to the client, is no fault of ours, and says nothing about SQL."""
    assert 400 <= error.status < 500, error
    assert error.code.startswith("PGRST") or _SQLSTATE.fullmatch(error.code), error
    answer = render_error(error)
    assert json.loads(answer.body)["code"] == error.code
    assert not any(b"\n" in value or b"\r" in value for _, value in answer.headers), answer.headers


def make_engine_check(schema: Schema, options: EngineConfig) -> Callable[[Request], None]:
    """From the request to the text of the statement: an error for the client, or no value in that text."""

    def check(request: Request) -> None:
        try:
            wanted = parse_request(request, options)
            if wanted.action == "info" or wanted.resource == "root":
                return
            plan = make_plan(wanted, schema, options)
            sql = build_statement.__wrapped__(plan.shape).sql
            values = collect_values(plan.shape)
            identity = identify(request, options, NOW)
            make_session(
                request,
                identity,
                options,
                schema,
                namespace=plan.schema,
                read_only=True,
                timezone=plan.timezone,
            )
        except ApiError as error:
            check_error(error)
            return
        except (Unsupported, RecursionError):
            return
        # An alias is an identifier of the client's own; quoted, its quotes are doubled.
        assert texts.INJECTED not in sql, sql
        assert "\0" not in sql
        assert all("\0" not in value for value in values)

    return check


def encode(value: object) -> bytes:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


GOOD = jwt.encode({"role": "anon", "exp": NOW + 60}, SECRET, algorithm="HS256").encode()
TOKENS = (
    *(GOOD, b"", b".", b"..", b"a.b.c", encode({"alg": "none"}) + b"." + encode({"role": "postgres"}) + b"."),
    encode({"alg": "RS256", "kid": "../../x"}) + b"." + encode({"role": "postgres"}) + b".AAAA",
    *(
        jwt.encode({"role": role, "exp": exp}, SECRET).encode()
        for role in ("a", "none", "")
        for exp in (1, 2e300)
    ),
)


def check_token(token: bytes) -> None:
    """Only what is signed gives another role than the anonymous one."""
    options = EngineConfig(jwt_secret=SECRET, db_anon_role="anonymous", jwt_cache_max_entries=10)
    for compat in ("12", "13", "14"):
        dialect = EngineConfig(**{**vars_of(options), "compat": compat})
        try:
            identity = identify(Request("GET", b"/", ((b"Authorization", b"Bearer " + token),)), dialect, NOW)
        except ApiError as error:
            check_error(error)
            continue
        if identity.role != "anonymous":
            assert token.strip() in SIGNED, token


SIGNED = frozenset(token for token in TOKENS if token.count(b".") == 2 and b"AAAA" not in token)


def vars_of(options: EngineConfig) -> dict[str, Any]:
    return {name: getattr(options, name) for name in options.__slots__}


def check_stream(data: bytes) -> None:
    """What is sent on is read by every lenient server as the requests that the front door has read."""
    parser = RequestParser(BaseProtocol(LOOP), LOOP, Limits())
    seen, sent = [], []
    messages, _, _ = parser.feed_data(data)
    for head, payload in messages:
        if not isinstance(head, RequestHead):
            break
        if not payload.is_eof() or payload.exception() is not None:
            break
        content = payload.read_nowait(-1) if head.has_body else b""
        line = request_line(head.method, head.target, b"")
        framed = (frame_chunk(content) if content else b"") + LAST_CHUNK if head.chunked else content
        sent.append(line + head.fields.section(chunked=head.chunked) + b"\r\n" + framed)
        seen.append(Seen(line.rstrip(b"\r\n"), content))
    for server in SERVERS:
        assert server.read(b"".join(sent)) == (seen, False), (server, sent)


LOOP = asyncio.new_event_loop()

RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\r\n b\r\nTransfer-Encoding: chunked\r\n",
    b"HTTP/1.0 204 \r\nConnection: close, X\r\nX: 1\r\n",
)


def check_response_head(data: bytes) -> None:
    """A head that is passed on has one line for each field, and ends where it ended."""
    line, _, section = data.partition(b"\r\n")
    try:
        head = parse_response_head(line, section)
    except BadMessage:
        return
    passed_on = head.fields.section(chunked=head.fields.coding is not None)
    assert passed_on.count(b"\n") == passed_on.count(b"\r\n") == passed_on.count(b"\r")
    assert b"\r\n\r\n" not in b"\r\n" + passed_on


def check_yaml(data: bytes) -> None:
    """A configuration, or problems with a line each; a rule can be changed, or that is refused."""
    try:
        read_config(data, "a.yaml", {})
    except ConfigError:
        return
    try:
        changed = set_rule(data.decode(), "tables", "storage", {"reads": "engine"})
    except EditRefused:
        return
    assert read_config(changed, "a.yaml", {}).config.tables["storage"].reads == "engine"


def check_conf(data: bytes) -> None:
    """Settings, or problems."""
    try:
        read_postgrest_conf(data.decode("utf-8", "surrogateescape"), "a.conf")
    except ConfigError:
        return


def check_conninfo(data: bytes) -> None:
    """Keywords, or a refusal that does not repeat what may be a password."""
    text = data.decode("utf-8", "surrogateescape")
    refusal = ""
    try:
        parse_conninfo(text)
    except BadConnectionString as error:
        refusal = str(error)
    assert "s3cret" not in refusal


def check_tape(data: bytes) -> None:
    """An exchange that comes out again as it went in, or an error of the tape."""
    try:
        exchange = parse_exchange(data.decode("utf-8", "replace"))
    except TapeError:
        return
    assert parse_exchange(format_exchange(exchange)) == exchange


def check_log(data: bytes) -> None:
    """Counts of shapes, in the order of the counts."""
    counts = list(read_access_log(data.decode("utf-8", "replace").splitlines()).values())
    assert counts == sorted(counts, reverse=True)


def make_exchange(dice: Random) -> tuple[Request, Answer, Answer]:
    def answer() -> Answer:
        kind = dice.choice((b"application/json", b"text/csv", b"application/json; charset=utf-8", b"a/b"))
        return Answer(dice.choice((200, 206, 404)), ((b"Content-Type", kind),), texts.body(dice))

    first = answer()
    return make_request(dice), first, first if dice.random() < 0.3 else answer()


def check_exchange(exchange: tuple[Request, Answer, Answer]) -> None:
    """Nothing that the mirror does with an exchange raises, and redacting twice is redacting once."""
    request, first, second = exchange
    read_shape(request)
    comparison = compare(request, first, second)
    assert compare(request, second, first).verdict == comparison.verdict
    redacted = redact_exchange(REDACTION, request, (first, second), comparison.differences)
    again = redact_exchange(REDACTION, redacted.request, redacted.answers, redacted.differences)
    # A hidden value that is also an operator, or a type, is hidden there too: then it reads otherwise.
    if all(
        one.headers == other.headers for one, other in zip(redacted.answers, (first, second), strict=True)
    ):
        assert again.answers == redacted.answers


YAML = (
    b"listen: 0.0.0.0:3000\nupstream: {url: http://a:1, timeout: 30s}\nengine: {db-uri: 'postgresql://a@b/c'}\n"
    b"defaults: {reads: shadow, sample: 10}\ntables:\n  storage: {reads: engine} # why\n"
    b"  a.b: {reads: upstream}\n",
    b"upstream:\n  url: http://a\ntables: &a\n  x: {reads: canary, share: 5}\nfunctions: *a\n"
    b"limits: {body: 1MiB}\n",
    b"guard: {window: 60s}\ncompare: {ignore: [{table: a, path: b.c, reason: x, expires: 2030-01-01}]}\n",
    b"redact:\n  columns: [a.b, c]\nledger: sqlite:///a.db\nadmin: 127.0.0.1:3001\n? [a]\n: !!set {b}\n",
)
CONF = (
    b'db-uri = "postgresql://a"\ndb-schemas = "a, b"\n# x\njwt-secret = "\\"a"\nserver-port = 3000\n',
    b'app.settings.x = "1"\ndb-pool = 10\nlog-level = "info"\nraw-media-types="a/b"\n',
)
CONNINFO = (
    b"postgresql://user:s3cret@host:5432,other:5433/db?sslmode=require&connect_timeout=3",
    b"host=a port=5432 user='b c' password='s3\\'cret' dbname=d",
)
LOGS = (
    b'127.0.0.1 - - [26/Nov/2026:14:00:00 +0000] "GET /data_item?id=eq.a&limit=1 HTTP/1.1" 200 2 "-"\n',
    b'GET /rpc/f?a=b HTTP/1.1\n"HEAD /storage?or=(a.eq.1,b.in.(2))"\n"GET /x?select=a,b(c)&c=like.*d*"',
)
TAPES = (
    b'{"id":"a","area":"b","variant":"default","method":"GET","path":"/lone?x=1","headers":[["A","b"]],"body":null,'
    b'"response":{"status":200,"reason":"OK","headers":[["Content-Type","application/json"]],"body":"[]"}}',
    b'{"id":"a","area":"b","variant":"v","method":"POST","path":{"base64":"L2E="},"headers":[],"jwt":{"role":"x"},'
    b'"body":{"base64":"/w=="},"response":{"status":201,"reason":"","headers":[],"body":{"base64":"AA=="}}}',
)


def make_targets(schema: Schema, options: EngineConfig) -> Mapping[str, Target]:
    """All targets by name; ``schema`` is what requests are planned by."""
    return {
        "request": Target(make_request, make_engine_check(schema, options)),
        "token": Target(texts.from_seeds(TOKENS), check_token),
        "stream": Target(make_stream, check_stream),
        "response": Target(texts.from_seeds(RESPONSES), check_response_head),
        "exchange": Target(make_exchange, check_exchange),
        "yaml": Target(texts.from_seeds(YAML), check_yaml),
        "conf": Target(texts.from_seeds(CONF), check_conf),
        "conninfo": Target(texts.from_seeds(CONNINFO), check_conninfo),
        "tape": Target(texts.from_seeds(TAPES), check_tape),
        "log": Target(texts.from_seeds(LOGS), check_log),
    }

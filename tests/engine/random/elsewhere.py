"""Requests beyond reads of relations and calls by GET: calls by POST, CSV and forms, other places, tokens."""

import csv
import io
import json
from urllib.parse import urlencode

from hypothesis import strategies as st

from proxy.engine.schema import Function
from proxy.messages import Request
from proxy.tape.request import RequestSettings, sign
from tests.engine.random.grammar import Catalog, changes, query_of, reads, target_of
from tests.engine.random.values import values_of
from tests.engine.random.world import encode

_PREFERENCES = (
    *("count=exact", "tx=rollback", "handling=strict", "handling=strict, max-affected=1", "max-affected=0"),
    *("params=single-object", "params=single-object, handling=strict", "timezone=Asia/Tokyo"),
    *("return=minimal", "handling=lenient, zqv=1", "handling=strict, zqv=1"),
)
_ACCEPT = ("*/*", "application/json", "application/vnd.pgrst.object+json", "text/csv", "text/plain")
_RAW = ("text/plain", "text/xml", "application/octet-stream", "image/png", "text/csv")
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW")
_ODD_PATHS = ("/", "/rpc", "/rpc/", "/a/b", "/rpc/a/b", "//", "/no_such", "/rpc/no_such")
_YEAR_9021 = 222514732800
_ROLES = ("dlm_reader", "dlm_admin", "DLM_Curator", "dlm_forbidden", "quay_guest", "quay_captain")
_TIMES = (1, _YEAR_9021, 1.5, float(_YEAR_9021), None, "zqv", 10**30, -1, True)
_AUDIENCES: tuple[object, ...] = ("zqv", ["zqv", "x"], [], None, 1, [1])
_ALGORITHMS = ("HS256", "HS256", "HS256", "HS512", "none", "RS256", "zqv")
_GARBAGE = ("", "a.b.c", "a.b", "zqv", "..", "e30.e30.", "a.b.c.d.e", "eyJhbGciOiJIUzI1NiJ9.e30.zqv")


@st.composite
def posts(draw: st.DrawFn, catalog: Catalog) -> Request:
    """A call by POST, now and then of a function that has no such arguments."""
    functions = [found for namespace in catalog.namespaces for found in catalog.functions(namespace)]
    function = functions[draw(st.integers(0, len(functions) - 1))]
    pairs = draw(query_of(catalog, function.schema, function.returns))
    if draw(st.integers(0, 9)) == 0:
        pairs.append(("columns", ",".join(parameter.name for parameter in function.parameters)))
    content, body = draw(_payload(function))
    headers = [("Content-Type", content)] if content else []
    headers += [("Prefer", text) for text in draw(st.lists(st.sampled_from(_PREFERENCES), max_size=2))]
    if draw(st.integers(0, 3)) == 0:
        headers.append(("Accept", draw(st.sampled_from(_ACCEPT))))
    if function.schema != catalog.namespaces[0]:
        headers.append(("Content-Profile", function.schema))
    return Request("POST", target_of(["rpc", function.name], pairs), encode(*headers), body)


@st.composite
def _payload(draw: st.DrawFn, function: Function) -> tuple[str, bytes]:
    """What is sent, and what it is said to be."""
    given = {
        parameter.name: draw(values_of(parameter.type))
        for parameter in function.parameters
        if parameter.required or draw(st.booleans())
    }
    if draw(st.integers(0, 19)) == 0:
        given["no_such"] = "zqv"
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return draw(st.sampled_from(_RAW)), draw(st.sampled_from((b"zqv", b"", b"<zqv/>", b"a\nzqv")))
    if kind == 1:
        return "application/x-www-form-urlencoded", urlencode(given).encode()
    read: dict[str, object] = {
        key: _as_json(text) if draw(st.booleans()) else text for key, text in given.items()
    }
    whole = read if draw(st.integers(0, 3)) else draw(st.sampled_from(([read], [read, read], [], None)))
    return draw(st.sampled_from(("application/json", "application/json", ""))), json.dumps(whole).encode()


def _as_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


@st.composite
def uploads(draw: st.DrawFn, catalog: Catalog) -> Request:
    """A change by CSV or by a form, or by what is none of what it is said to be."""
    change = draw(changes(catalog))
    given = json.loads(change.body or b"[]")
    rows: list[dict[str, str | None]] = given if isinstance(given, list) else [given]
    kind = draw(st.integers(0, 4))
    if kind == 0:
        content, body = draw(st.sampled_from(_RAW)), change.body
    elif kind <= 2:
        pairs = {key: "NULL" if text is None else text for row in rows for key, text in row.items()}
        content, body = "application/x-www-form-urlencoded", urlencode(pairs).encode()
    else:
        written = io.StringIO()
        lines = csv.writer(written, lineterminator=draw(st.sampled_from(("\n", "\r\n"))))
        lines.writerows([list(row) for row in rows[:1]])
        lines.writerows([["NULL" if text is None else text for text in row.values()] for row in rows])
        content, body = "text/csv", written.getvalue().encode()
    return change._replace(headers=(*change.headers, *encode(("Content-Type", content))), body=body)


@st.composite
def places(draw: st.DrawFn, catalog: Catalog) -> Request:
    """Any method at any place: the root, names that are none, what is not to be had."""
    method = draw(st.sampled_from(_METHODS))
    namespace = draw(st.sampled_from((*catalog.namespaces, "no_such")))
    known = [f"/{relation.name}" for relation in catalog.relations(namespace)]
    known += [f"/rpc/{function.name}" for function in catalog.functions(namespace)]
    path = draw(st.sampled_from((*known, *_ODD_PATHS * 4)))
    near = draw(st.integers(0, 3)) == 0
    segments = (path[:-1] if near else path).split("/")[1:]
    headers = []
    if namespace != catalog.namespaces[0]:
        written = method in ("POST", "PUT", "PATCH", "DELETE")
        headers.append(("Content-Profile" if written else "Accept-Profile", namespace))
    if draw(st.integers(0, 3)) == 0:
        headers.append(("Prefer", draw(st.sampled_from(_PREFERENCES))))
    if draw(st.integers(0, 3)) == 0:
        headers.append(("Accept", draw(st.sampled_from((*_ACCEPT, "application/openapi+json")))))
    if draw(st.integers(0, 3)) == 0:
        headers.append(("Origin", "https://zqv.example"))
    if draw(st.integers(0, 3)) == 0:
        headers.append(("Access-Control-Request-Method", draw(st.sampled_from(_METHODS))))
    if draw(st.integers(0, 7)) == 0:
        headers.append(("Access-Control-Request-Headers", "zqv, Authorization"))
    query = draw(st.sampled_from(([], [], [], [("select", "no_such(*)")], [("limit", "-1")])))
    return Request(method, target_of(segments, query), encode(*headers), b"{}" if method == "POST" else b"")


def bearers(catalog: Catalog, secret: str) -> st.SearchStrategy[Request]:
    """Reads by somebody: with tokens of every kind that the secret can sign, and others."""
    return st.builds(_carry, reads(catalog), _tokens(secret))


def _carry(request: Request, token: str) -> Request:
    return request._replace(headers=(*request.headers, *encode(("Authorization", f"Bearer {token}"))))


@st.composite
def _tokens(draw: st.DrawFn, secret: str) -> str:
    if draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(_GARBAGE))
    claims: dict[str, object] = {}
    if draw(st.integers(0, 3)):
        claims["role"] = draw(st.sampled_from((*_ROLES * 2, "no_such", None, 1, "", ["zqv"])))
    for name in ("exp", "nbf", "iat"):
        if draw(st.integers(0, 3)) == 0:
            claims[name] = draw(st.sampled_from(_TIMES))
    if draw(st.integers(0, 3)) == 0:
        claims["aud"] = draw(st.sampled_from(_AUDIENCES))
    header: dict[str, object] = {"alg": draw(st.sampled_from(_ALGORITHMS))}
    if draw(st.integers(0, 5)) == 0:
        header |= draw(st.sampled_from(({"typ": "zqv"}, {"kid": "zqv"}, {"crit": ["zqv"]}, {"cty": "JWT"})))
    signed_by = secret if draw(st.integers(0, 9)) else "another-secret-that-nobody-has-told-anyone"
    settings = RequestSettings(b"localhost", json.dumps(header), signed_by.encode())
    return sign(json.dumps(claims), settings).decode()

"""Answers and requests for the tests of comparing, and strategies that make them up."""

import json
from typing import Any

from hypothesis import strategies as st

from proxy.messages import Answer, Headers, Request
from proxy.reading import BOUND, Reading

JSON = (b"Content-Type", b"application/json; charset=utf-8")
CSV = (b"Content-Type", b"text/csv; charset=utf-8")
SINGULAR = (b"Content-Type", b"application/vnd.pgrst.object+json; charset=utf-8")


def get(target: bytes = b"/storage", method: str = "GET", headers: Headers = ()) -> Request:
    return Request(method, target, headers)


def promised(request: Request) -> Reading:
    """What a request to a table promises, for tests: any ``order`` is total, a function has its own."""
    pairs = dict(pair.split(b"=", 1) for pair in request.query.split(b"&") if b"=" in pair)
    if b"order" in pairs or request.path.startswith(b"/rpc/"):
        return BOUND
    numbers = {key: int(value) for key, value in pairs.items() if value.isdigit()}
    return Reading("open", offset=numbers.get(b"offset", 0), limit=numbers.get(b"limit"))


def answer(body: bytes | str, *headers: tuple[bytes, bytes], status: int = 200) -> Answer:
    """An answer with ``body``, as JSON unless ``headers`` say something else."""
    content = body.encode() if isinstance(body, str) else body
    return Answer(status, headers or (JSON,), content)


def rows_text(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, ensure_ascii=False)


names = st.text("abcdefg_", min_size=1, max_size=5)
scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
tables = st.lists(names, min_size=1, max_size=4, unique=True).flatmap(
    lambda columns: st.lists(
        st.tuples(*[values] * len(columns)).map(lambda row: dict(zip(columns, row, strict=True))),
        min_size=1,
        max_size=6,
    )
)
"""Rows of the same columns, as PostgREST answers them; at least one."""

headers = st.lists(
    st.tuples(
        st.sampled_from(
            [b"Content-Range", b"Location", b"X-Own", b"content-type", b"Date", b"Set-Cookie", b"Allow"]
        ),
        st.binary(max_size=8),
    ),
    max_size=4,
).map(tuple)
any_answers = st.builds(
    Answer,
    st.sampled_from([200, 206, 400, 404, 500]),
    headers
    | st.just((JSON,))
    | st.just((CSV,))
    | st.just((JSON, (b"Content-Encoding", b"gzip")))
    | st.just((JSON, (b"Content-Encoding", b"br"))),
    st.binary(max_size=40) | tables.map(lambda rows: rows_text(rows).encode()),
)
any_requests = st.builds(
    Request,
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.sampled_from([b"/storage", b"/storage?order=id", b"/storage?limit=2", b"/storage?offset=1", b"/rpc/f"])
    | st.binary(max_size=20).map(lambda text: b"/" + text),
)

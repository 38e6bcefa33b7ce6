"""Whatever is asked: an answer in PostgREST's shape, the same every time, with no value in any SQL text.

RANDOM_EXAMPLES=5000 asks more than the few hundred requests of an ordinary run, and others every time.
"""

import csv
import json
import os
import re
from dataclasses import replace

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from proxy.engine.parse.query import QueryParameters, parse_query
from proxy.errors import ApiError
from proxy.messages import READ_METHODS, Answer, Request
from tests.engine.parse.test_round_trip import print_query
from tests.engine.random.grammar import Catalog, reads, requests
from tests.engine.random.values import TOKENS
from tests.engine.random.world import World

EXAMPLES = int(os.environ.get("RANDOM_EXAMPLES", "300"))
asking = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="RANDOM_EXAMPLES" not in os.environ,
    database=None,
    # A request explains itself: to make it smaller takes longer than to read it.
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
ERROR_KEYS = {"code", "details", "hint", "message"}
CONTENT_RANGE = re.compile(rb"(?:(\d+)-(\d+)|\*)/(\d+|\*)")
RAISING = re.compile(rb"/rpc/")
"""Functions of the schemas raise what they like, and handlers may."""


def catalog_of(world: World) -> Catalog:
    return Catalog(world.schema, world.options.db_schemas)


def check_shape(request: Request, answered: Answer) -> None:
    """An error has the four keys; rows are as many as Content-Range says; HEAD has no body."""
    if request.method == "HEAD" or answered.status == 204:
        assert answered.body == b""
        return
    if answered.status >= 300:
        assert answered.header(b"content-type") == b"application/json; charset=utf-8"
        assert json.loads(answered.body).keys() == ERROR_KEYS
        return
    if request.method == "OPTIONS":
        return
    kind = (answered.header(b"content-type") or b"").decode()
    if "plan" in kind or "openapi" in kind:
        return
    page, total = check_range(answered)
    if kind.startswith("application/json") and not request.target.startswith(b"/rpc/"):
        assert len(json.loads(answered.body)) == page
    elif kind.startswith("application/vnd.pgrst.object"):
        assert page == 1
        json.loads(answered.body)
    elif kind.startswith("application/vnd.pgrst.array"):
        json.loads(answered.body)
    elif kind.startswith("text/csv"):
        list(csv.reader(answered.body.decode().splitlines()))
    assert (answered.status == 206) == (total is not None and page < total) or RAISING.search(request.target)


def check_range(answered: Answer) -> tuple[int, int | None]:
    """How many rows the answer holds, and how many there are, by Content-Range."""
    found = CONTENT_RANGE.fullmatch(answered.header(b"content-range") or b"")
    assert found, answered.headers
    first, last, total = found.groups()
    page = 0 if first is None else int(last) - int(first) + 1
    return page, None if total == b"*" else int(total)


def may_fail(request: Request, answered: Answer) -> bool:
    """Whether a status of 500 and more is PostgreSQL's own doing: a function or a view that refuses."""
    own = request.target.startswith(b"/rpc/") or request.method not in READ_METHODS
    return own and len(json.loads(answered.body)["code"]) == 5


@given(data=st.data())
@asking
def test_every_request_is_answered_alike_each_time_and_never_with_a_500(
    world: World, data: st.DataObject
) -> None:
    request = data.draw(requests(catalog_of(world)))
    try:
        check(world, request)
    except BaseException:
        print(request)
        raise


def check(world: World, request: Request) -> None:
    """Ask four times: as it comes, again, on another connection, and with every statement forgotten."""
    world.texts.clear()
    answered = world.send(request)
    check_shape(request, answered)
    if answered.status >= 500 and request.method == "HEAD":
        # It has no body to tell why: its twin has.
        twin = world.send(request._replace(method="GET"))
        assert may_fail(request, twin), twin
    assert answered.status < 500 or request.method == "HEAD" or may_fail(request, answered), answered
    assert world.send(request) == answered
    assert world.send(request, elsewhere=True) == answered
    world.forget()
    assert world.send(request) == answered
    assert not [text for text in world.texts if TOKENS.search(text)]


@given(data=st.data())
@asking
def test_what_is_parsed_prints_to_what_parses_to_it(world: World, data: st.DataObject) -> None:
    request = data.draw(reads(catalog_of(world)))
    try:
        parsed = parse_query(request.query)
    except ApiError:
        return
    plain = without_ranges(parsed)
    assert without_ranges(parse_query(print_query(plain, {}))) == plain


def without_ranges(parameters: QueryParameters) -> QueryParameters:
    """Without limits and offsets, which are tested where they are parsed, and without names as written."""
    return replace(parameters, ranges=(), root_range=None, filter_names=frozenset())

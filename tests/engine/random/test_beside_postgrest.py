"""Whatever is asked at random, a real PostgREST and the engine answer alike.

It needs one: POSTGREST_BIN, or ``postgrest`` on the PATH, of any version that the engine speaks like.
RANDOM_EXAMPLES=5000 asks more than the few hundred requests of an ordinary run, and others every time.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args
from urllib.parse import unquote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config import Compat, EngineConfig
from proxy.engine.fuzzy import find_similar
from proxy.messages import READ_METHODS, Answer, Request
from proxy.tape.compare import deviations
from proxy.tape.format import RecordedExchange, RecordedRequest
from proxy.tape.wire import WireClient
from tests.e2e import programs
from tests.engine.random.elsewhere import bearers, places, posts, uploads
from tests.engine.random.grammar import changes, requests
from tests.engine.random.test_random_requests import asking, catalog_of
from tests.engine.random.world import World, encode, open_world
from tests.support.database import ConformanceDatabase, fetch_value, run_apart

pytestmark = pytest.mark.skipif(
    not (os.environ.get("POSTGREST_BIN") or shutil.which("postgrest")),
    reason="there is no PostgREST: neither POSTGREST_BIN nor the PATH names one",
)

SQLSTATE_LENGTH = 5
RANGE_NOT_SATISFIABLE = 416
OWN_WORDS = ("$.info.version", "$.host")
"""Of the root document: which program it is, and, unless there is a proxy to name, where it listens."""

HINT = re.compile(rb"Perhaps you meant (?:the table|to call the function) '?[^.\"]+\.([^'\"]+)")
EMBEDDED_RANGE = re.compile(rb"[?&]([^&=]+)\.(?:limit|offset)=")


@dataclass(frozen=True, eq=False)
class Pair:
    """A world, and the PostgREST that serves the same. ``prepare`` is called before either is asked."""

    world: World
    real: WireClient
    prepare: Callable[[], None]

    def check(self, request: Request) -> None:
        """Ask both; raises AssertionError where they differ."""
        if not is_comparable(request):
            return
        try:
            self._compare(request)
        except BaseException:
            print(request)
            raise

    def _compare(self, request: Request) -> None:
        expected, received = (self._ask(ask, request) for ask in (self._ask_real, self.world.send))
        if (
            is_accident(expected)
            or is_another_fault(expected, received)
            or is_another_hint(request, expected, received)
        ):
            return
        if request.method == "HEAD" and expected.status != received.status and received.status >= 400:
            # Only with a body does an error tell whether it is another fault.
            self._compare(request._replace(method="GET"))
            return
        recorded = RecordedRequest(request.method, request.target, request.headers, request.body or None)
        exchange = RecordedExchange("random", "random", self.world.name, recorded, expected, ignore=OWN_WORDS)
        found = deviations(exchange, received)
        if found and expected.status < 300:
            # Where nobody asked for an order, another plan may give another one.
            found = deviations(replace(exchange, unordered=True), received)
        assert not found, (expected, received)

    def _ask(self, ask: Callable[[Request], Answer], request: Request) -> Answer:
        self.prepare()
        return ask(request)

    def _ask_real(self, request: Request) -> Answer:
        length = encode(("Content-Length", str(len(request.body)))) if request.body else ()
        sent = request._replace(headers=(*encode(("Host", "localhost")), *request.headers, *length))
        answered = self.world.runner.run(self.real.ask(sent))
        if answered.status == RANGE_NOT_SATISFIABLE:
            # The body may be longer than PostgREST 13 says: the rest would be taken for the next answer.
            self.world.runner.run(self.real.close())
        return answered


def is_comparable(request: Request) -> bool:
    """Whether there is one answer that PostgREST gives.

    It turns to embedded relations that have ranges of their own in the order of a hash map, which decides the
    order of keys, and which of several faults it finds. Of text that is not UTF-8 it says so when it comes to
    it, if it does, with an error page of its web server or none; the engine refuses it at once.
    """
    try:
        unquote_to_bytes(request.target).decode()
        for _, value in request.headers:
            value.decode()
    except UnicodeDecodeError:
        return False
    return len(set(EMBEDDED_RANGE.findall(request.target))) <= 1


def is_accident(answered: Answer) -> bool:
    """PostgREST's web server has pages of its own, for a target that is none, say.

    PostgREST 12 puts a NUL of a name into a header, where none may be (RFC 9110, section 5.5).
    """
    page = answered.header(b"content-type") == b"text/plain; charset=utf-8"
    return (answered.status in (400, 500) and page) or any(b"\0" in value for _, value in answered.headers)


def is_another_fault(expected: Answer, received: Answer) -> bool:
    """Of two faults in one request, one may be found first here and the other there.

    PostgreSQL looks at the parts of a statement in the order in which it has them. PostgREST names the
    functions that a call could mean in the order in which PostgreSQL gave them.
    """
    if min(expected.status, received.status) < 300 or b"" in (expected.body, received.body):
        return False
    codes = {code_of(answered) for answered in (expected, received)}
    return codes == {"PGRST203"} or {len(code) for code in codes} == {SQLSTATE_LENGTH}


def is_another_hint(request: Request, expected: Answer, received: Answer) -> bool:
    """Of several names that are equally similar PostgREST hints at the one that a hash map has first."""
    bodies = (expected.body, received.body)
    names = {found[1].decode() for body in bodies if (found := HINT.search(body))}
    if len(names) != len(bodies) or HINT.sub(b"", bodies[0]) != HINT.sub(b"", bodies[1]):
        return False
    asked = unquote(request.path.rpartition(b"/")[2].decode())
    return len({score for score, _ in find_similar(asked, names, 0)}) == 1


def code_of(answered: Answer) -> str:
    """The code of an error, whose body may have none (PostgREST 12) or be cut short (PostgREST 13)."""
    found = re.search(rb'"code":"(\w*)"', answered.body)
    return found[1].decode() if found else ""


def settings_of(options: EngineConfig) -> dict[str, str]:
    """The variables by which PostgREST serves what the engine does by ``options``."""
    return {
        "PGRST_DB_URI": options.db_uri,
        "PGRST_DB_SCHEMAS": ",".join(options.db_schemas),
        "PGRST_DB_ANON_ROLE": options.db_anon_role or "",
        "PGRST_DB_EXTRA_SEARCH_PATH": ",".join(options.db_extra_search_path),
        "PGRST_DB_AGGREGATES_ENABLED": str(options.db_aggregates_enabled).lower(),
        "PGRST_JWT_SECRET": options.jwt_secret or "",
        "PGRST_DB_MAX_ROWS": "" if options.db_max_rows is None else str(options.db_max_rows),
        "PGRST_DB_TX_END": options.db_tx_end,
        "PGRST_OPENAPI_SERVER_PROXY_URI": options.openapi_server_proxy_uri or "",
        "PGRST_DB_CHANNEL_ENABLED": "false",
    }


def compat_of(command: Sequence[str]) -> Compat:
    """The version that the program says it has."""
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"PostgREST (\d+)\.", said)
    assert found, said
    spoken: tuple[Compat, ...] = get_args(Compat)
    return next(compat for compat in spoken if compat == found[1])


def put_beside(world: World, directory: Path, prepare: Callable[[], None]) -> Iterator[Pair]:
    with programs.postgrest(programs.find_postgrest(), directory, settings_of(world.options)) as real:
        client = WireClient(real.url)
        try:
            yield Pair(world, client, prepare)
        finally:
            world.runner.run(client.close())


@pytest.fixture(scope="module")
def reading(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Either world, for reads."""
    options = replace(world.options, db_plan_enabled=False, compat=compat_of(programs.find_postgrest()))
    with open_world(world.name, options) as opened:
        yield from put_beside(opened, tmp_path_factory.mktemp("real"), lambda: None)


@pytest.fixture(scope="module")
def changing(
    observatory: World, conformance_database: ConformanceDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """The observatory, where changes are let in and undone, and sequences begin anew each time."""
    options = replace(
        observatory.options,
        db_tx_end="rollback",
        db_plan_enabled=False,
        compat=compat_of(programs.find_postgrest()),
    )

    def reset() -> None:
        run_apart(fetch_value(conformance_database.url, "SELECT test_support.reset_sequences()"))

    with open_world(observatory.name, options, read_only=False) as opened:
        yield from put_beside(opened, tmp_path_factory.mktemp("real"), reset)


@given(data=st.data())
@asking
def test_reads_and_calls(reading: Pair, data: st.DataObject) -> None:
    request = data.draw(requests(catalog_of(reading.world)))
    if request.method in READ_METHODS:
        reading.check(request)


@given(data=st.data())
@asking
def test_changes(changing: Pair, data: st.DataObject) -> None:
    changing.check(data.draw(changes(catalog_of(changing.world))))


@given(data=st.data())
@asking
def test_changes_by_csv_and_forms(changing: Pair, data: st.DataObject) -> None:
    changing.check(data.draw(uploads(catalog_of(changing.world))))


@given(data=st.data())
@asking
def test_calls_by_post(changing: Pair, data: st.DataObject) -> None:
    changing.check(data.draw(posts(catalog_of(changing.world))))


@given(data=st.data())
@asking
def test_any_method_at_any_place(changing: Pair, data: st.DataObject) -> None:
    changing.check(data.draw(places(catalog_of(changing.world))))


@given(data=st.data())
@asking
def test_reads_by_somebody(reading: Pair, data: st.DataObject) -> None:
    assert reading.world.options.jwt_secret is not None
    reading.check(data.draw(bearers(catalog_of(reading.world), reading.world.options.jwt_secret)))

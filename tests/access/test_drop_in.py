"""An existing class is replaced by ours: one changed import, the same values and the same errors."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import requests

from proxy.access import (
    AccessError,
    AsyncPostgRESTAccess,
    CallTimeout,
    DBConflictError,
    DBQueryError,
    DBStatusError,
    PostgRESTAccess,
)
from tests.access.existing import ExistingAccess
from tests.access.life import HEADERS, LIFE, live
from tests.support.database import ConformanceDatabase

ROOT = Path(__file__).parents[2]


def run_alone(script: str, settings: dict[str, str]) -> None:
    """Run ``script`` in a process of its own, where warnings are errors; it has to end well, silently."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def expected(server_url: str) -> dict[str, Any]:
    """What the existing class makes of every call."""
    with ExistingAccess(server_url, headers=HEADERS) as existing:
        told = dict(live(existing))
    assert told.keys() == LIFE.keys()
    return told


@pytest.fixture
def access(configured: None) -> Iterator[PostgRESTAccess]:
    with PostgRESTAccess(headers=HEADERS, timeout=60) as access:
        yield access


def test_the_calls_are_what_they_say(expected: dict[str, Any]) -> None:
    """Else equality would say little."""
    assert expected["insert"][0]["metadata"]["exact"] == 9007199254740993
    for name, told in expected.items():
        status = name.partition(":")[0]
        if status == "400":
            assert told["json"]["code"]
        elif status.isdigit():
            assert told[0] == int(status)


@pytest.mark.parametrize("flag", ["true", "false"])
def test_every_call_comes_to_the_same_on_the_engine_and_over_http_with_one_flag_between_them(
    configured: None,
    server_url: str,
    expected: dict[str, Any],
    flag: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("USE_SQLALCHEMY", flag)
    with PostgRESTAccess(server_url, headers=HEADERS, timeout=60) as access:
        monkeypatch.setenv("USE_SQLALCHEMY", "neither: it was read once")
        assert dict(live(access)) == expected
        assert access.api_url == server_url


@pytest.mark.parametrize("flag", ["true", "false"])
async def test_the_asynchronous_class_says_the_same(
    configured: None,
    server_url: str,
    expected: dict[str, Any],
    flag: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("USE_SQLALCHEMY", flag)

    class Waiting:
        """The four methods, each waited for on ``loop``."""

        def __getattr__(self, name: str) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                made = getattr(access, name)(*args, **kwargs)
                return asyncio.run_coroutine_threadsafe(made, loop).result()

            return call

    loop = asyncio.get_running_loop()
    async with AsyncPostgRESTAccess(server_url, headers=HEADERS, timeout=60) as access:
        assert await asyncio.to_thread(lambda: dict(live(Waiting()))) == expected


def test_errors_are_told_apart(access: PostgRESTAccess) -> None:
    with pytest.raises(DBQueryError) as refused:
        LIFE["400: no number"](access)
    assert not isinstance(refused.value, requests.HTTPError)
    assert refused.value.status == 400
    assert refused.value.json["code"] == "22P02"
    assert "22P02: invalid input syntax" in str(refused.value)
    with pytest.raises(DBConflictError) as conflict:
        LIFE["409: there already"](access)
    assert not isinstance(conflict.value, DBQueryError)
    assert conflict.value.json["code"] == "23505"
    with pytest.raises(DBStatusError) as missing:
        LIFE["404: no table"](access)
    assert not isinstance(missing.value, DBConflictError)
    assert isinstance(missing.value, requests.HTTPError)
    assert (missing.value.status, missing.value.response.ok) == (404, False)
    assert "data_itme" in missing.value.response.text


def test_without_a_representation_there_is_nothing_to_give(configured: None) -> None:
    with PostgRESTAccess(headers={"Prefer": "return=minimal, tx=rollback"}) as access:
        assert access.insert("data_item", json={"item_name": "x"}) is None
        assert access.update("lone", json={"label": "x"}, params={"id": "eq.1"}) is None


def test_the_role_is_the_login_the_argument_or_postgrests_anonymous_role(
    conformance_database: ConformanceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def who(**given: Any) -> str:
        url = conformance_database.login_url()
        with PostgRESTAccess(url, schema="dlm", **given) as access:
            try:
                access.select("personnel_record", params={"select": "id", "limit": 1})
            except DBStatusError as error:
                return str(error.json["message"])
        return "granted"

    assert who() == "permission denied for schema dlm"
    assert who(role="dlm_anon") == "granted"
    monkeypatch.setenv("PGRST_DB_ANON_ROLE", "dlm_anon")
    assert who() == "granted"


def test_settings_come_from_libpqs_variables(
    conformance_database: ConformanceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(conformance_database.login_url())
    for name, value in (
        ("PGHOST", parts.hostname),
        ("PGPORT", str(parts.port)),
        ("PGUSER", parts.username),
        ("PGPASSWORD", parts.password),
        ("PGDATABASE", parts.path[1:]),
        ("PGSCHEMA", "zoo, dlm"),
    ):
        monkeypatch.setenv(name, str(value))
    with PostgRESTAccess(role="dlm_anon") as access:
        assert access.select("Star Chart", params={"limit": 1})
        assert str(parts.password) not in access.api_url
        assert access.api_url == f"postgresql://{parts.hostname}:{parts.port}/{parts.path[1:]}"


def test_any_number_of_threads_use_one_object(access: PostgRESTAccess) -> None:
    barrier = threading.Barrier(16)

    def read(number: int) -> list[Any]:
        barrier.wait(30)
        return [access.select("sample", params={"id": f"eq.{number + 1}", "select": "id"}) for _ in range(20)]

    with ThreadPoolExecutor(16) as threads:
        for number, found in enumerate(threads.map(read, range(16))):
            assert found == 20 * [[{"id": number + 1}]]


def test_what_is_closed_opens_again(access: PostgRESTAccess) -> None:
    for _ in range(2):
        assert access.select("lone") == [{"id": 1, "label": "only row"}]
        access.close()
    access.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_connections_of_its_own(settings: dict[str, str]) -> None:
    script = """
import os, sys, threading
from proxy.access import PostgRESTAccess
access = PostgRESTAccess()
mine = access.select("lone")
barrier = threading.Barrier(2)
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        good = all(access.select("lone") == mine for _ in range(20))
        access.close()
        sys.exit(not good)
    children.append(child)
good = all(access.select("lone") == mine for _ in range(20))
codes = [os.waitpid(child, 0)[1] for child in children]
assert good and not any(codes), codes
access.close()
"""
    run_alone(script, settings)


def test_neither_a_web_server_nor_requests_is_needed(settings: dict[str, str]) -> None:
    script = """
import sys
sys.modules["requests"] = None
from proxy.access import DBStatusError, PostgRESTAccess
with PostgRESTAccess() as access:
    assert access.select("lone") == [{"id": 1, "label": "only row"}]
    try:
        access.select("nothing")
    except DBStatusError as error:
        assert error.response.status_code == 404
assert not sys.modules.keys() & {"aiohttp", "prometheus_client", "rich"}
try:
    PostgRESTAccess("http://127.0.0.1:1")
except ImportError as error:
    assert "understudy[access]" in str(error)
else:
    raise AssertionError
"""
    run_alone(script, settings)


async def test_a_call_that_takes_too_long_is_undone_and_told(
    conformance_database: ConformanceDatabase, configured: None
) -> None:
    connection = await asyncpg.connect(conformance_database.url)
    try:
        async with AsyncPostgRESTAccess(timeout=0.5, headers=HEADERS) as access:
            await access.reload()
            await connection.execute("BEGIN; LOCK TABLE dlm.lone")
            with pytest.raises(CallTimeout) as raised:
                await access.insert("lone", json={"id": 5, "label": "x"})
    finally:
        await connection.close()
    assert isinstance(raised.value, requests.Timeout)
    assert raised.value.method == "POST"


def test_a_database_that_is_away_is_told_as_postgrest_tells_it() -> None:
    with (
        PostgRESTAccess("postgresql://nobody@127.0.0.1:1/none") as access,
        pytest.raises(DBStatusError) as raised,
    ):
        access.select("lone")
    assert (raised.value.status, raised.value.json["code"]) == (503, "PGRST000")
    assert raised.value.url == "postgresql://127.0.0.1:1/none/lone"


def test_a_server_that_is_away_is_told_as_requests_tells_it() -> None:
    with PostgRESTAccess("http://127.0.0.1:1") as access, pytest.raises(requests.ConnectionError):
        access.select("lone")


def test_all_errors_have_one_root() -> None:
    for kind in (DBQueryError, DBStatusError, DBConflictError, CallTimeout):
        assert issubclass(kind, AccessError)

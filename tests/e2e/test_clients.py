"""Unmodified clients through the proxy, in each mode: the ``postgrest`` library and ``requests``.

The upstream is a real PostgREST where POSTGREST_BIN or PATH has one. Else a second process of our own engine
stands there: then this proves the plumbing (that clients work, that each side's answers arrive whole, that
every read is accounted for), and never that the engine answers as PostgREST does. The equality is proven by
the recorded exchanges, in ``test_stand_in`` and in the conformance tests.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from postgrest import APIError, APIResponse, AsyncPostgrestClient, CountMethod, SyncPostgrestClient

from tests.e2e import programs
from tests.e2e.programs import Program
from tests.e2e.support import ACCOUNTS, assert_accounted, parse_metrics

MODES = ("upstream", "shadow", "engine")
TIMEOUT = 20.0
PERTH_FAST = "50000000-0000-4000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class Mode:
    """A proxy with every table in one mode, and the upstream behind it."""

    name: str
    running: Program
    upstream_url: str

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = requests.get(f"{self.running.admin_url}/status", timeout=TIMEOUT).json()
        return status


@pytest.fixture(scope="module", params=MODES)
def mode(
    request: pytest.FixtureRequest, directory: Path, engine_settings: dict[str, str], upstream_url: str
) -> Iterator[Mode]:
    file = directory / f"{request.param}.yaml"
    file.write_text(
        "listen: 127.0.0.1:0\n"
        "admin: 127.0.0.1:0\n"
        "ledger: sqlite://\n"
        f"upstream: {{url: {upstream_url}}}\n"
        f"defaults: {{reads: {request.param}}}\n",
        encoding="utf-8",
    )
    with programs.serving(file, directory, engine_settings) as running:
        yield Mode(request.param, running, upstream_url)


@pytest.fixture(scope="module")
def client(mode: Mode) -> Iterator[SyncPostgrestClient]:
    with SyncPostgrestClient(mode.running.url, schema="dlm") as client:
        yield client


def rows(answer: APIResponse) -> list[Any]:
    """The rows of an answer, of which the library's types say only that they are JSON."""
    assert isinstance(answer.data, list)
    return answer.data


def names(answer: APIResponse) -> list[str]:
    return [row["storage_name"] for row in rows(answer)]


class TestThePostgrestClient:
    def test_selects_columns_of_the_rows_that_equal_a_value(self, client: SyncPostgrestClient) -> None:
        answer = client.from_("storage").select("storage_name,storage_capacity").eq("storage_id", PERTH_FAST)
        assert answer.execute().data == [{"storage_name": "perth-fast", "storage_capacity": 1000000000000}]

    def test_keeps_integers_beyond_what_a_double_holds(self, client: SyncPostgrestClient) -> None:
        answer = client.from_("storage").select("storage_capacity").eq("storage_name", "perth-tape").execute()
        assert answer.data == [{"storage_capacity": 9007199254740993}]

    def test_renames_and_casts(self, client: SyncPostgrestClient) -> None:
        answer = client.from_("sample").select("nr:id,channel::text").eq("id", 1).execute()
        (row,) = rows(answer)
        assert list(row) == ["nr", "channel"]
        assert isinstance(row["channel"], str)

    def test_finds_the_rows_in_a_list_of_values(self, client: SyncPostgrestClient) -> None:
        answer = (
            client.from_("storage").select("storage_name").in_("storage_name", ["zürich_50%", "eu-bucket"])
        )
        assert sorted(names(answer.execute())) == ["eu-bucket", "zürich_50%"]

    def test_combines_filters(self, client: SyncPostgrestClient) -> None:
        query = (
            client.from_("storage").select("storage_name").or_("storage_type.eq.tape,storage_name.like.eu-*")
        )
        answer = query.not_.is_("storage_checked", "null").order("storage_name").execute()
        assert names(answer) == ["eu-bucket", "eu-glacier", "perth-tape", "uk-archive"]

    def test_orders_limits_and_skips(self, client: SyncPostgrestClient) -> None:
        query = client.from_("storage").select("storage_name")
        answer = query.order("storage_num_objects", desc=True, nullsfirst=False).limit(2).offset(1).execute()
        assert names(answer) == ["eu-bucket", "karoo-buffer"]

    def test_reads_a_range(self, client: SyncPostgrestClient) -> None:
        answer = client.from_("sample").select("id").order("id").range(10, 14).execute()
        assert answer.data == [{"id": number} for number in range(11, 16)]

    def test_counts_exactly(self, client: SyncPostgrestClient) -> None:
        answer = client.from_("sample").select("id", count=CountMethod.exact).limit(1).execute()
        assert (len(answer.data), answer.count) == (1, 5000)

    def test_counts_without_reading(self, client: SyncPostgrestClient) -> None:
        answer = client.from_("storage").select("*", count=CountMethod.exact, head=True).execute()
        assert (answer.data, answer.count) == ([], 8)

    def test_reads_a_single_row(self, client: SyncPostgrestClient) -> None:
        answer = client.from_("lone").select("*").single().execute()
        assert answer.data == {"id": 1, "label": "only row"}

    def test_says_that_a_single_row_is_not_there(self, client: SyncPostgrestClient) -> None:
        with pytest.raises(APIError) as raised:
            client.from_("empty_bin").select("*").single().execute()
        assert (raised.value.code, raised.value.details) == ("PGRST116", "The result contains 0 rows")

    def test_says_that_a_single_row_is_not_single(self, client: SyncPostgrestClient) -> None:
        with pytest.raises(APIError) as raised:
            client.from_("storage").select("*").single().execute()
        assert (raised.value.code, raised.value.details) == ("PGRST116", "The result contains 8 rows")

    def test_reads_a_row_that_may_be_there(self, client: SyncPostgrestClient) -> None:
        there = client.from_("lone").select("label").maybe_single().execute()
        assert there is not None
        assert there.data == {"label": "only row"}
        assert client.from_("empty_bin").select("*").maybe_single().execute() is None

    def test_reads_csv(self, client: SyncPostgrestClient) -> None:
        answer = client.from_("lone").select("*").csv().execute()
        assert str(answer.data) == 'id,label\n1,"only row"'

    def test_embeds_what_a_row_refers_to(self, client: SyncPostgrestClient) -> None:
        query = client.from_("storage").select("storage_name,location(location_name)")
        answer = query.eq("storage_name", "uk-archive").execute()
        assert answer.data == [{"storage_name": "uk-archive", "location": {"location_name": "manchester"}}]

    def test_reads_another_schema(self, client: SyncPostgrestClient) -> None:
        answer = client.schema("zoo").from_("Star Chart").select("*").limit(1).execute()
        assert "Chart No" in rows(answer)[0]

    @pytest.mark.parametrize(
        ("schema", "table", "columns", "code"),
        [
            pytest.param("nowhere", "lone", "*", "PGRST106", id="a schema that is not exposed"),
            pytest.param("dlm", "nothing", "*", "PGRST205", id="a table that is not there"),
            pytest.param("dlm", "lone", "nothing", "42703", id="a column that is not there"),
            pytest.param("dlm", "lone", "id,", "PGRST100", id="a select that cannot be parsed"),
            pytest.param("dlm", "inbox", "*", "42501", id="a table that may not be read"),
        ],
    )
    def test_is_told_errors_in_their_shape(
        self, client: SyncPostgrestClient, schema: str, table: str, columns: str, code: str
    ) -> None:
        with pytest.raises(APIError) as raised:
            client.schema(schema).from_(table).select(columns).execute()
        assert raised.value.code == code
        assert raised.value.message

    def test_is_told_a_value_that_does_not_fit(self, client: SyncPostgrestClient) -> None:
        with pytest.raises(APIError) as raised:
            client.from_("lone").select("*").eq("id", "x").execute()
        assert raised.value.code == "22P02"
        assert raised.value.message == 'invalid input syntax for type integer: "x"'

    async def test_works_asynchronously_too(self, mode: Mode) -> None:
        async with AsyncPostgrestClient(mode.running.url, schema="dlm") as client:
            answer = await client.from_("lone").select("*").execute()
        assert answer.data == [{"id": 1, "label": "only row"}]


REQUESTS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("GET", "/storage?select=storage_name,location(location_name)&order=storage_name", {}),
    ("GET", "/data_item?limit=3&order=uid", {"Prefer": "count=exact"}),
    ("GET", "/sample?order=id", {"Range-Unit": "items", "Range": "4990-", "Prefer": "count=exact"}),
    ("GET", "/sample?order=id", {"Range-Unit": "items", "Range": "6000-", "Prefer": "count=exact"}),
    ("GET", "/lone", {"Accept": "text/csv"}),
    ("GET", "/lone", {"Accept": "application/vnd.pgrst.object+json"}),
    ("GET", "/storage", {"Accept": "application/vnd.pgrst.object+json"}),
    ("GET", "/lone", {"Accept": "image/png"}),
    ("HEAD", "/storage?storage_type=eq.tape", {"Prefer": "count=exact"}),
    ("GET", "/Star%20Chart?limit=1", {"Accept-Profile": "zoo"}),
    ("GET", "/storage?storage_name=eq.z%C3%BCrich_50%25", {}),
    ("GET", "/nothing", {}),
    ("GET", "/lone?id=eq.x", {}),
    ("GET", "/lone", {"Authorization": "Bearer no.token.really"}),
)


class TestRequests:
    @pytest.mark.parametrize(("method", "target", "headers"), REQUESTS)
    def test_are_answered_as_the_upstream_answers_them_directly(
        self, mode: Mode, method: str, target: str, headers: dict[str, str]
    ) -> None:
        answers = []
        for url in (mode.upstream_url, mode.running.url):
            with requests.request(method, url + target, headers=headers, timeout=TIMEOUT) as answer:
                received = {name.lower(): value for name, value in answer.headers.items()}
                # Time and framing are each server's own.
                for name in ("date", "connection", "transfer-encoding", "content-length", "server"):
                    received.pop(name, None)
                answers.append((answer.status_code, received, answer.content))
        assert answers[0] == answers[1]

    def test_may_write_whatever_the_mode_and_the_upstream_does_it(self, mode: Mode) -> None:
        before = sum(row["writes"] for row in mode.status()["tally"])
        row = {"id": 2, "label": "never stays"}
        prefer = {"Prefer": "return=representation,tx=rollback"}
        url = f"{mode.running.url}/lone"
        with requests.post(url, json=row, headers=prefer, timeout=TIMEOUT) as answer:
            through = answer.status_code, answer.content
        with requests.post(f"{mode.upstream_url}/lone", json=row, headers=prefer, timeout=TIMEOUT) as answer:
            assert through == (answer.status_code, answer.content)
        assert sum(row["writes"] for row in mode.status()["tally"]) == before + 1


def test_the_reads_above_are_all_accounted_for_and_the_two_sides_agree(mode: Mode) -> None:
    with requests.get(f"{mode.running.url}/lone", timeout=TIMEOUT) as answer:
        assert answer.status_code == 200
    status = mode.status()
    deadline = time.monotonic() + TIMEOUT
    while any(row["pending"] for row in status["tally"]):
        assert time.monotonic() < deadline
        status = mode.status()
    metrics = requests.get(f"{mode.running.admin_url}/metrics", timeout=TIMEOUT).text
    assert_accounted(status, parse_metrics(metrics, *ACCOUNTS))
    tally = status["tally"]
    reads, engine_served = (sum(row[key] for row in tally) for key in ("reads", "engine_served"))
    fallbacks = sum(sum(row["fallbacks"].values()) for row in tally)
    judged = sum(sum(row["verdicts"].values()) for row in tally)
    disagreements = [one for one in status["disagreements"] if one["verdict"] in ("mismatch", "failed")]
    assert disagreements == []
    assert (engine_served + fallbacks, judged) == {
        "upstream": (0, 0),
        "shadow": (0, reads),
        "engine": (reads, 0),
    }[mode.name]

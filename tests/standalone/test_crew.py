"""Several processes answer as one: one admin server, one schema cache, one set of options, one end."""

import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.crew import LEAST_CONNECTIONS, MOST, ROOM, find_workers, share_out
from proxy.embedded.processes import child_processes
from tests.standalone.conftest import Place
from tests.standalone.support import Engine, bearer, engine, eventually, is_alive, run_here

ENOUGH = 100 * ROOM
CONTENT = {"Content-Type": "application/json"}


@given(st.integers(1, 500), st.integers(1, 128), st.floats(0, 2.0**45) | st.just(float("inf")))
def test_there_are_no_more_workers_than_there_is_room_for(
    connections: int, processors: int, memory: float
) -> None:
    workers = find_workers(connections, processors, memory)
    assert 1 <= workers <= min(MOST, processors)
    assert workers == 1 or (workers * LEAST_CONNECTIONS <= connections and workers * ROOM <= memory)


def test_postgrests_own_pool_on_a_machine_of_any_size_is_good_for_two() -> None:
    assert [find_workers(10, processors, ENOUGH) for processors in (1, 2, 64)] == [1, 2, 2]
    assert find_workers(64, 64, ENOUGH) == MOST


@given(st.integers(1, 500), st.integers(1, 64))
def test_all_connections_are_shared_out_and_nobody_is_without(connections: int, workers: int) -> None:
    shares = share_out(connections, workers)
    assert sum(shares) == connections
    assert len(shares) == min(connections, workers)
    assert 1 <= min(shares) <= max(shares) <= min(shares) + 1


def find_others(running: Engine) -> list[int]:
    return child_processes(running.process.pid)


@contextmanager
def stopped(*processes: int) -> Iterator[None]:
    """They do nothing meanwhile, so that only the others answer."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@contextmanager
def crew(settings: Mapping[str, str], workers: int, *arguments: str) -> Iterator[Engine]:
    with engine(settings, "--workers", str(workers), *arguments) as running:
        for number in range(2, workers + 1):
            running.said.wait_for(f"Worker {number} takes clients")
        assert len(find_others(running)) == workers - 1
        yield running


def test_others_answer_with_the_first_ones_options_and_log(place: Place) -> None:
    settings = {**place.settings, "PGRST_LOG_LEVEL": "info", "PGRST_DB_MAX_ROWS": "2"}
    with crew(settings, 2, "--server-header", "mine") as running:
        with stopped(running.process.pid):
            got = running.get("/items?order=id", {**bearer({"role": "author"}), "User-Agent": "me"})
            assert (got.status, got.headers["server"], len(got.json)) == (200, "mine", 2)
            assert running.get("/items?limit=0").status == 200
            # One process writes: of two that did, long lines would be torn.
            assert not [line for line in running.requests.all if "GET" in line]
        running.requests.wait_for(r'- author \[.+\] "GET /items\?order=id HTTP/1.1" 200 \d+ "" "me"')
        assert running.stop() == 0


def test_what_ends_while_they_leave_is_logged(place: Place) -> None:
    settings = {**place.settings, "PGRST_LOG_LEVEL": "info", "PGRST_DB_POOL": "16"}
    with crew(settings, 2) as running, ThreadPoolExecutor(8) as clients:
        with place.holding(7):
            jobs = [
                clients.submit(running.get, "/rpc/do_job", CONTENT, method="POST", body='{"id": 1}')
                for _ in range(8)
            ]
            place.wait_until("select 1 from pg_locks where locktype = 'advisory' having count(*) = 9")
            running.send(signal.SIGTERM)
            running.wait_for("Received termination")
        assert {job.result().status for job in jobs} == {204}
        assert running.wait_ended() == 0
        logged = [line for line in running.requests.end() if "POST /rpc/do_job" in line]
        assert len(logged) == 8


def test_a_new_schema_cache_and_new_options_reach_the_others(place: Place) -> None:
    with crew(place.settings, 2) as running:
        with stopped(running.process.pid):
            assert running.get("/later").status == 404
        place.run(
            "create table if not exists api.later (id integer)",
            "grant select on api.later to anon",
            "alter role login set pgrst.db_max_rows = '1'",
            "notify pgrst",
        )
        running.wait_loaded()
        with stopped(running.process.pid):
            assert running.get("/later").status == 200
            assert len(running.get("/items").json) == 1
        place.run("drop table api.later")


def test_one_that_hangs_holds_up_neither_a_reload_nor_the_admin_server(place: Place) -> None:
    with crew(place.settings, 2) as running, stopped(*find_others(running)):
        place.run("notify pgrst")
        running.wait_loaded()
        assert "pgrst_db_pool_max 10.0\n" in running.admin("/metrics").body.decode()


def test_the_admin_server_counts_for_all(place: Place) -> None:
    with crew(place.settings, 3) as running:
        for answering in (running.process.pid, *find_others(running)):
            silent = {running.process.pid, *find_others(running)} - {answering}
            with stopped(*silent):
                assert running.get("/items", bearer({"role": "author"})).status == 200
        text = running.admin("/metrics").body.decode()
        assert "pgrst_db_pool_max 10.0\n" in text
        assert "pgrst_jwt_cache_requests_total 3.0\n" in text
        assert 'pgrst_schema_cache_loads_total{status="SUCCESS"} 1.0\n' in text


def test_one_that_is_killed_is_told_of_and_replaced(place: Place) -> None:
    with crew(place.settings, 2) as running:
        (other,) = find_others(running)
        os.kill(other, signal.SIGKILL)
        running.wait_for("Crashed: worker: exit code -9")
        assert running.get("/items").status == 200
        running.wait_for("Worker 2 takes clients")
        assert find_others(running) != [other]
        with stopped(running.process.pid):
            assert running.get("/items").status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_none_outlives_the_first(place: Place, number: signal.Signals) -> None:
    with crew(place.settings, 3) as running:
        others = find_others(running)
        for process in others:
            os.kill(process, signal.SIGTERM)
        running.send(number)
        assert running.wait_ended() == (-9 if number is signal.SIGKILL else 0)
        eventually(lambda: not any(map(is_alive, others)))


@pytest.mark.parametrize(
    ("arguments", "variable"), [(["--workers", "0"], ""), ([], "65"), ([], "two"), ([], "-1")]
)
def test_no_such_number_of_workers(
    arguments: list[str], variable: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    done = run_here(arguments, {**place.settings, "UNDERSTUDY_WORKERS": variable}, capsys)
    assert done.code == 1
    assert "no whole number from 1 to 64" in done.err


def test_a_single_connection_is_for_a_single_process(place: Place) -> None:
    with engine({**place.settings, "PGRST_DB_POOL": "1"}, "--workers", "4") as running:
        assert running.get("/items").status == 200
        assert find_others(running) == []

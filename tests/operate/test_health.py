"""Readiness: whoever can answer clients is ready."""

import asyncio

import pytest

from proxy.events import ConfigReloaded, Crashed, SchemaLoaded
from proxy.operate.health import (
    FRESH,
    Condition,
    Health,
    LastReload,
    LastSchemaLoad,
    Reachability,
    Readiness,
    can_connect,
    judge_readiness,
)


@pytest.mark.parametrize(
    ("schema", "upstream", "serves", "mirrors", "expected"),
    [
        (True, True, False, True, Readiness(True)),
        (False, True, False, False, Readiness(True)),
        (
            False,
            True,
            False,
            True,
            Readiness(True, ("no schema cache is loaded: reads are not mirrored",)),
        ),
        (
            False,
            True,
            True,
            True,
            Readiness(True, ("no schema cache is loaded: the upstream answers for the engine",)),
        ),
        (True, False, False, True, Readiness(False, ("the upstream cannot be reached",))),
        (True, False, True, True, Readiness(True, ("the upstream cannot be reached",))),
        (True, None, True, False, Readiness(True)),
        (
            False,
            None,
            True,
            False,
            Readiness(False, ("no schema cache is loaded: the engine cannot answer",)),
        ),
    ],
)
def test_ready_is_who_can_answer_with_at_least_one_side(
    schema: bool, upstream: bool | None, serves: bool, mirrors: bool, expected: Readiness
) -> None:
    assert judge_readiness(Condition(schema, upstream, serves, mirrors)) == expected


def test_who_has_reached_the_upstream_stays_ready_while_it_is_gone_and_says_so() -> None:
    gone = ("the upstream cannot be reached",)
    assert judge_readiness(Condition(True, False, False, True, True)) == Readiness(True, gone)
    assert judge_readiness(Condition(True, False, False, True, False)) == Readiness(False, gone)


def test_who_stands_alone_is_not_ready_without_a_schema_cache_whatever_was_before() -> None:
    assert not judge_readiness(Condition(False, None, True, False)).ready


async def test_the_upstream_is_asked_once_a_second_and_remembered_for_ever() -> None:
    now, asked, answers = 0.0, [], iter([False, True, False])

    async def connect(url: str) -> bool:
        asked.append(url)
        return next(answers)

    reachability = Reachability(lambda: now, connect)
    assert not any(await asyncio.gather(*(reachability.ask("http://a") for _ in range(5))))
    assert (len(asked), reachability.was_reached) == (1, False)
    now = FRESH
    assert all(await asyncio.gather(*(reachability.ask("http://a") for _ in range(5))))
    now = 2 * FRESH
    assert not await reachability.ask("http://a")
    assert (len(asked), reachability.was_reached) == (3, True)


def test_the_last_reload_and_load_are_remembered_without_secrets() -> None:
    times = iter([1.0, 2.0, 3.0])
    health = Health(wall_clock=lambda: next(times))
    assert (health.last_reload, health.last_schema_load) == (None, None)
    health.listen(ConfigReloaded(False, "u.yaml:3: db-uri: found postgresql://a:hunter2@db/x"))
    health.listen(SchemaLoaded(True, 8, 0.1))
    health.listen(Crashed("x", "y"))
    assert health.last_reload == LastReload(1.0, False, "u.yaml:3: db-uri: found postgresql://***@db/x")
    assert health.last_schema_load == LastSchemaLoad(2.0, True, 8)


async def test_a_listening_port_can_be_connected_to_and_a_closed_one_cannot() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await can_connect(f"http://127.0.0.1:{port}/path")
    server.close()
    await server.wait_closed()
    assert not await can_connect(f"http://127.0.0.1:{port}")

"""The prover: who is asked, in which order, how often, and what it does when nobody answers."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import cycle
from types import MappingProxyType
from typing import Any

import pytest

from proxy.config import Config, EngineConfig, ShadowConfig
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Function, Schema
from proxy.errors import ApiError, EngineDown, Unsupported, UpstreamRefused
from proxy.messages import Answer, Request
from proxy.server.comparing import Comparer, Pair
from proxy.server.proof import AT_ONCE, MOST_ROUNDS, READINGS, REST, AwaitCalm, Proof, Prover, await_nothing
from proxy.server.state import Snapshot
from proxy.shadow.policy import Names
from proxy.shadow.proof import HALVINGS, QUIET_ROUNDS
from tests.server.virtual_time import now, run

ROWS = Answer(200, ((b"Content-Type", b"application/json"),), b'[{"id":1,"v":1}]')
OTHERS = ROWS._replace(body=b'[{"id":1,"v":2}]')
REQUEST = Request("GET", b"/storage?id=eq.1", ((b"Authorization", b"Bearer x"),))
SNAPSHOT = Snapshot(Config(shadow=ShadowConfig(timeout=5.0)), Names(), None)

Give = Callable[[], Awaitable[Answer]]


def giving(*answers: Answer) -> Give:
    """Gives ``answers`` in turn, again and again."""
    left = cycle(answers)

    async def give() -> Answer:
        return next(left)

    return give


def raising(error: Exception) -> Give:
    async def give() -> Answer:
        raise error

    return give


async def hung() -> Answer:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable")


@dataclass
class Scene:
    """Two sides and a database; ``asked`` is who was asked, in order."""

    upstream: Give = field(default_factory=lambda: giving(ROWS))
    engine: Give = field(default_factory=lambda: giving(OTHERS))
    quiet: Callable[[int], bool] = lambda _: True
    upstream_first: bool = True
    current: bool = True
    asked: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    readings: int = 0

    async def ask_upstream(self, request: Request, room: int) -> Answer:
        assert room == SNAPSHOT.config.shadow.max_body
        self.asked.append("upstream")
        self.requests.append(request)
        return await self.upstream()

    async def ask_engine(self, request: Request, snapshot: Snapshot) -> Answer:
        self.asked.append("engine")
        return await self.engine()

    async def read_snapshot(self) -> str:
        self.readings += 1
        return "quiet" if self.quiet(self.readings) else f"moved {self.readings}"

    def prover(self, await_calm: AwaitCalm = await_nothing) -> Prover:
        return Prover(
            self.ask_engine,
            self.ask_upstream,
            self.read_snapshot,
            Comparer(),
            clock=now,
            toss=lambda: not self.upstream_first,
            is_current=lambda _: self.current,
            await_calm=await_calm,
        )

    def prove(self, request: Request = REQUEST, snapshot: Snapshot = SNAPSHOT) -> Proof:
        async def main() -> Proof:
            return await self.prover()(request, Pair(ROWS, OTHERS), snapshot)

        return run(main())


def test_a_difference_in_quiet_moments_is_a_mismatch_with_its_answers() -> None:
    scene = Scene()
    proof = scene.prove()
    assert (proof.verdict, proof.rounds) == ("mismatch", QUIET_ROUNDS)
    assert [(item.path, item.upstream, item.engine) for item in proof.differences] == [("$[0].v", "1", "2")]
    assert proof.pair == Pair(ROWS, OTHERS)
    assert Counter(scene.asked) == {"upstream": 2 * QUIET_ROUNDS, "engine": QUIET_ROUNDS}


def test_the_upstream_is_asked_what_the_client_asked() -> None:
    scene = Scene()
    scene.prove()
    assert set(scene.requests) == {REQUEST}


def test_an_agreement_is_a_race_at_once() -> None:
    scene = Scene(engine=giving(ROWS))
    assert scene.prove() == Proof("race", rounds=1)
    assert scene.asked == ["upstream", "engine"]


def test_the_lot_decides_who_is_first() -> None:
    scene = Scene(engine=giving(ROWS), upstream_first=False)
    scene.prove()
    assert scene.asked == ["engine", "upstream"]


def test_an_upstream_that_disagrees_with_itself_is_volatile() -> None:
    scene = Scene(upstream=giving(ROWS, ROWS._replace(body=b'[{"id":1,"v":7}]')))
    assert scene.prove().verdict == "volatile"


def test_without_a_quiet_moment_only_rounds_count_and_the_upstream_is_asked_once_in_each() -> None:
    scene = Scene(quiet=lambda _: False)
    proof = scene.prove()
    assert proof.verdict == "mismatch"
    assert Counter(scene.asked) == {"upstream": proof.rounds, "engine": proof.rounds}
    # Two facts could show it: the value that only the one side has, and that which only the other has.
    assert proof.rounds == HALVINGS + 1


def test_a_moment_that_ends_while_the_upstream_is_asked_again_is_not_quiet() -> None:
    # Of the three readings of the snapshot in a round, the last one has moved.
    scene = Scene(quiet=lambda reading: reading % 3 != 0)
    assert scene.prove().rounds > QUIET_ROUNDS


def test_what_never_settles_is_inconclusive() -> None:
    numbers = [ROWS._replace(body=b'[{"id":1,"v":%d}]' % number) for number in range(200)]
    scene = Scene(upstream=giving(*numbers), engine=giving(*numbers[7:]), quiet=lambda _: False)
    proof = scene.prove()
    assert (proof.verdict, proof.rounds) == ("inconclusive", MOST_ROUNDS)


@pytest.mark.parametrize(
    ("sides", "detail"),
    [
        ({"upstream": raising(UpstreamRefused("gone"))}, "the upstream did not answer again"),
        ({"engine": raising(Unsupported("embedding"))}, "the engine did not answer again"),
        (
            {"engine": raising(EngineDown(ApiError(503, "PGRST000", "no")))},
            "the engine did not answer again",
        ),
        ({"engine": hung}, "no time left to prove it"),
        ({"upstream": hung}, "no time left to prove it"),
    ],
)
def test_a_side_that_does_not_answer_leaves_it_open(sides: dict[str, Any], detail: str) -> None:
    proof = Scene(**sides).prove()
    assert (proof.verdict, proof.detail, proof.differences) == ("inconclusive", detail, ())


def test_a_refusal_of_the_engine_is_an_answer() -> None:
    refused = ApiError(404, "PGRST205", "no such table")
    proof = Scene(engine=raising(refused)).prove()
    assert proof.verdict == "mismatch"
    assert proof.differences[0].aspect == "status"


def test_what_only_an_outdated_schema_cache_shows_is_no_mismatch() -> None:
    proof = Scene(current=False).prove()
    assert (proof.verdict, proof.detail) == ("inconclusive", "the schema changed meanwhile")


def test_a_busy_shape_that_always_differs_does_not_take_all_the_time() -> None:
    scene = Scene()

    async def main() -> None:
        prover = scene.prover()

        async def verdict(request: Request = REQUEST) -> str:
            return (await prover(request, Pair(ROWS, OTHERS), SNAPSHOT)).verdict

        assert await verdict() == "mismatch"
        assert await verdict(REQUEST._replace(target=b"/storage?id=eq.2")) == "inconclusive"
        assert await verdict(REQUEST._replace(target=b"/storage?v=eq.2")) == "mismatch"
        await asyncio.sleep(REST)
        assert await verdict() == "mismatch"

    run(main())


def test_before_each_round_it_waits_for_writes_that_are_known() -> None:
    scene = Scene()

    async def calm(request: Request, snapshot: Snapshot) -> None:
        scene.asked.append("calm")

    async def main() -> None:
        prover = scene.prover(await_calm=calm)
        await prover(REQUEST, Pair(ROWS, OTHERS), SNAPSHOT)

    run(main())
    assert scene.asked == ["calm", "upstream", "engine", "upstream"] * QUIET_ROUNDS


def test_a_volatile_function_is_not_called_again() -> None:
    options = EngineConfig(db_schemas=("api",))
    roll = Function("api", "roll", returns=("pg_catalog", "int4"))
    schema = Schema(functions=MappingProxyType({("api", "roll"): (roll,)}))
    scene = Scene()
    snapshot = replace(SNAPSHOT, engine=EngineSnapshot(options, schema))
    proof = scene.prove(Request("GET", b"/rpc/roll"), snapshot)
    assert (proof.verdict, scene.asked) == ("inconclusive", [])


def test_only_so_many_are_proven_at_once_and_the_others_have_no_more_time() -> None:
    async def main() -> None:
        scene = Scene(upstream=hung)
        prover = scene.prover()
        shapes = [REQUEST._replace(target=b"/storage?c%d=eq.1" % number) for number in range(AT_ONCE + 3)]
        waiting = [asyncio.create_task(prover(shape, Pair(ROWS, OTHERS), SNAPSHOT)) for shape in shapes]
        await asyncio.sleep(1.0)
        assert scene.asked.count("upstream") == AT_ONCE
        proofs = await asyncio.gather(*waiting)
        assert {proof.verdict for proof in proofs} == {"inconclusive"}
        assert now() == pytest.approx(5.0 * READINGS)

    run(main())


async def _prove_at_once(scene: Scene, count: int) -> list[Proof]:
    """So many differences of one shape, with another value each."""
    prover = scene.prover()
    requests = [REQUEST._replace(target=b"/storage?id=eq.%d" % number) for number in range(count)]
    return await asyncio.gather(*(prover(request, Pair(ROWS, OTHERS), SNAPSHOT) for request in requests))


def test_those_of_one_shape_wait_for_each_other_and_a_mismatch_settles_them_all() -> None:
    async def slow() -> Answer:
        await asyncio.sleep(0.1)
        return ROWS

    scene = Scene(upstream=slow)
    proofs = run(_prove_at_once(scene, 3))
    assert [proof.verdict for proof in proofs] == ["mismatch", "inconclusive", "inconclusive"]
    assert Counter(scene.asked) == {"upstream": 2 * QUIET_ROUNDS, "engine": QUIET_ROUNDS}


def test_that_one_was_a_race_says_nothing_of_the_others_of_its_shape() -> None:
    scene = Scene(engine=giving(ROWS))
    proofs = run(_prove_at_once(scene, 3))
    assert [proof.verdict for proof in proofs] == ["race"] * 3
    assert Counter(scene.asked) == {"upstream": 3, "engine": 3}


def test_the_times_of_both_sides_are_told() -> None:
    async def slow() -> Answer:
        await asyncio.sleep(0.25)
        return ROWS

    proof = Scene(engine=slow).prove()
    assert proof.engine_seconds == pytest.approx(0.25)
    assert proof.upstream_seconds == 0.0

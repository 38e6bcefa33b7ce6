"""The engine as a witness: what is too much for it rests, and weather is no property of a request."""

import asyncio
from dataclasses import dataclass, field

import pytest

from proxy.config import Config, ShadowConfig
from proxy.errors import ApiError, EngineDown, EngineOverflows, Unsupported
from proxy.messages import Answer, Request
from proxy.server.proof import Proof
from proxy.server.state import Snapshot
from proxy.server.witness import LONGEST_REST, REST, Witness
from proxy.shadow.policy import Names
from tests.server.virtual_time import now, run

ROWS = Answer(200, (), b"[]")
GONE = ApiError(503, "PGRST001", "Database client error.")
HEAVY = Request("GET", b"/storage?id=eq.1")
SAME_SHAPE = Request("GET", b"/storage?id=eq.2")
LIGHT = Request("GET", b"/storage?order=id")


@dataclass
class Engine:
    """Takes ``seconds`` for an answer, then raises ``fault`` if there is one; so does its database."""

    seconds: float = 0.0
    fault: Exception | None = None
    down: Exception | None = None
    hangs: bool = False
    asked: list[Request] = field(default_factory=list)

    async def ask(self, request: Request, snapshot: Snapshot) -> Answer:
        self.asked.append(request)
        await asyncio.sleep(self.seconds)
        if self.fault is not None:
            raise self.fault
        return ROWS

    async def read_snapshot(self) -> str:
        await asyncio.sleep(1000.0 if self.hangs else 0.01)
        if self.down is not None:
            raise self.down
        return "1:1:"

    def witness(self) -> Witness:
        return Witness(self.ask, self.read_snapshot, now, lambda: 0.0)


def limited(timeout: float = 5.0) -> Snapshot:
    return Snapshot(Config(shadow=ShadowConfig(timeout=timeout)), Names(), None)


def test_who_had_no_processor_cannot_tell_whether_the_engine_was_slow() -> None:
    engine = Engine(1000.0)

    async def ask(share: float) -> Answer | Proof | None:
        witness = Witness(engine.ask, engine.read_snapshot, now, lambda: share * now())
        said = await witness.ask(HEAVY, limited())
        assert witness.rests(HEAVY) == (said is not None)
        return said

    assert run(ask(0.6)) is None
    assert run(ask(0.4)) == Proof("failed", detail="timeout")


def test_an_answer_is_given_and_nothing_rests() -> None:
    async def main() -> None:
        witness = Engine(seconds=4.9).witness()
        assert await witness.ask(HEAVY, limited()) == ROWS
        assert not witness.rests(HEAVY)

    run(main())


@pytest.mark.parametrize(
    ("engine", "took", "detail"),
    [
        (Engine(2.0, EngineOverflows(GONE)), 2.0, "the answer is too large"),
        (Engine(1000.0), 5.01, "timeout"),
    ],
)
def test_a_shape_that_is_too_much_rests_ten_times_as_long_as_it_took(
    engine: Engine, took: float, detail: str
) -> None:
    async def main() -> None:
        witness = engine.witness()
        assert await witness.ask(HEAVY, limited()) == Proof("failed", detail=detail)
        assert now() == pytest.approx(took)
        assert witness.rests(HEAVY)
        assert witness.rests(SAME_SHAPE)
        assert not witness.rests(LIGHT)
        await asyncio.sleep(REST * min(took, 5.0) - 0.1)
        assert witness.rests(HEAVY)
        await asyncio.sleep(0.2)
        assert not witness.rests(HEAVY)

    run(main())


def test_no_shape_rests_for_long() -> None:
    async def main() -> None:
        witness = Engine(1000.0).witness()
        await witness.ask(HEAVY, limited(timeout=100.0))
        await asyncio.sleep(LONGEST_REST - 0.1)
        assert witness.rests(HEAVY)
        await asyncio.sleep(0.2)
        assert not witness.rests(HEAVY)

    run(main())


@pytest.mark.parametrize(
    "engine", [Engine(1000.0, down=EngineDown(GONE)), Engine(1000.0, hangs=True)], ids=["down", "hung"]
)
def test_where_the_database_does_not_answer_either_nothing_rests(engine: Engine) -> None:
    async def main() -> None:
        witness = engine.witness()
        assert await witness.ask(HEAVY, limited()) == Proof("failed", detail="timeout")
        assert not witness.rests(HEAVY)

    run(main())


@pytest.mark.parametrize(
    ("fault", "proof"),
    [
        (Unsupported("embedding"), Proof("unsupported", detail="embedding")),
        (EngineDown(GONE), Proof("failed", detail="EngineDown")),
        (ValueError("SELECT secret"), Proof("failed", detail="ValueError")),
    ],
)
def test_what_fails_at_once_is_asked_again(fault: Exception, proof: Proof) -> None:
    async def main() -> None:
        engine = Engine(fault=fault)
        witness = engine.witness()
        assert await witness.ask(HEAVY, limited()) == proof
        assert not witness.rests(HEAVY)

    run(main())

"""The self-test: how often, of what, and what is told."""

import asyncio
from datetime import date

import pytest

from proxy.config import CompareConfig, Config, IgnoreRule
from proxy.events import Event, SelfTested
from proxy.messages import Answer, Request
from proxy.server.comparing import Comparer, Pair
from proxy.server.selftest import KINDS, SelfTest
from proxy.server.state import Snapshot
from proxy.shadow.compare import MATCH
from proxy.shadow.policy import Names

ROWS = Answer(200, ((b"Content-Type", b"application/json"),), b'[{"id":1,"v":null},{"id":2,"v":3}]')
REQUEST = Request("GET", b"/storage?order=id")
NAMES = Names(("dlm",), frozenset({("dlm", "storage")}))


def run(
    kind: str, *, roll: float = 0.0, blind: bool = False, rules: tuple[IgnoreRule, ...] = ()
) -> list[Event]:
    """What is told when the lot says ``roll`` and ``kind``; ``blind``: the comparison finds nothing."""
    events: list[Event] = []
    comparer = Comparer(comparing=lambda *_: MATCH) if blind else Comparer()
    choices = iter([KINDS.index(kind), 0])
    selftest = SelfTest(comparer, events.append, roll=lambda: roll, choose=lambda _: next(choices))
    snapshot = Snapshot(Config(compare=CompareConfig(selftest=5.0, ignore=rules)), NAMES, None)
    asyncio.run(selftest(REQUEST, Pair(ROWS, ROWS), snapshot))
    return events


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_made_and_found(kind: str) -> None:
    assert run(kind) == [SelfTested(kind, detected=True)]


def test_a_comparison_that_finds_nothing_is_found_out() -> None:
    assert run("digit", blind=True) == [SelfTested("digit", detected=False)]


def test_only_the_configured_share_is_falsified() -> None:
    assert run("digit", roll=4.9) != []
    assert run("digit", roll=5.0) == []


def test_where_a_rule_might_excuse_it_nothing_is_falsified() -> None:
    rule = IgnoreRule("they count", date(2100, 1, 1), table="storage", path="v")
    assert run("digit", rules=(rule,)) == []

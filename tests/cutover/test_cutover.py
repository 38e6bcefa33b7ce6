"""The cutover in short, with fewer clients and without waiting for evidence: see ``make cutover``."""

from pathlib import Path

import pytest

from proxy.messages import Answer
from proxy.shadow.ramp import Step
from tests.cutover.crowd import Crowd, learn
from tests.cutover.faults import Fault, falsify
from tests.cutover.stage import depot_database, stage, upstream_on
from tests.cutover.story import Findings, Pace, change_mode, fail


@pytest.mark.parametrize("fault", ["errors", "lost database"])
async def test_a_table_is_held_when_the_engine_fails_and_no_client_sees_it(
    tmp_path: Path, fault: Fault
) -> None:
    findings, said = Findings(), list[str]()
    with depot_database() as url, upstream_on(url, tmp_path) as upstream:
        async with stage(url, upstream, tmp_path) as playing:
            expected = await learn(playing.upstream.url)
            async with Crowd(playing.url, expected, clients=10) as crowd:
                await change_mode(playing, Step(0.0, "engine"), force=True)
                await fail(playing, crowd, fault, said.append, Pace(fault=0.5), findings)
                assert sum(one.answers for one in crowd.seen) > 0
    # How long it took is for a machine that has nothing else to do: see make cutover.
    assert [one for one in findings.faults if "held after" not in one] == [], said


def test_a_falsified_answer_differs_in_one_byte() -> None:
    answer = Answer(200, (), b'[{"id":9,"price":1.50}]')
    assert falsify(answer).body == b'[{"id":9,"price":2.50}]'
    assert falsify(Answer(200, (), b"[]")).body == b"[]"

"""What takes long to read and to plan is worked on beside the event loop, so that others do not wait."""

import threading

import pytest

import proxy.database.answer
from proxy.config import EngineConfig
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.schema import Schema
from proxy.messages import Request


@pytest.mark.parametrize("stage", ["parse_request", "make_plan"])
@pytest.mark.parametrize(("filters", "beside"), [(3, False), (300, True)])
async def test_long_requests_are_worked_on_in_another_thread(
    monkeypatch: pytest.MonkeyPatch, stage: str, filters: int, beside: bool
) -> None:
    threads: list[int] = []
    work = getattr(proxy.database.answer, stage)

    def note(*given: object) -> object:
        threads.append(threading.get_ident())
        return work(*given)

    monkeypatch.setattr(proxy.database.answer, stage, note)
    options = EngineConfig(db_schemas=("api",), db_anon_role="anon")
    database = Database(options, connections=1, application_name="long")
    target = f"/nothing?{'&'.join(['or=(id.eq.1,id.gt.3)'] * filters)}"
    answered = await answer(Request("GET", target.encode()), EngineSnapshot(options, Schema()), database)
    assert answered.status == 404
    assert [thread != threading.get_ident() for thread in threads] == [beside]

"""Every listener hears the events of its kinds, whatever another one does."""

import logging

import pytest

from proxy.events import Crashed, Event, Listener, RuleHit
from proxy.operate.listeners import join_listeners

EVENT = Crashed("mirror", "secret value")


def test_a_listener_that_fails_is_nobody_elses_fault(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def failing(event: Event) -> None:
        raise OSError("secret value")

    with caplog.at_level(logging.ERROR):
        join_listeners({Crashed: heard.append}, {Crashed: failing}, {Crashed: heard.append})(EVENT)
    assert heard == [EVENT, EVENT]
    assert caplog.messages == ["listener failed: event=Crashed error=OSError"]
    assert "secret" not in caplog.text


def test_a_listener_hears_its_kinds_and_no_others() -> None:
    heard: list[object] = []
    listener = Listener({Crashed: heard.append})
    emit = join_listeners(listener.hearing, {RuleHit: lambda hit: heard.append(hit.rule)})
    emit(EVENT)
    emit(RuleHit("storage", "clock"))
    listener.listen(EVENT)
    listener.listen(RuleHit("storage", "clock"))
    assert heard == [EVENT, "clock", EVENT]

"""Every listener hears every event, whatever another one does."""

import logging

import pytest

from proxy.events import Crashed, Event
from proxy.operate.listeners import join_listeners

EVENT = Crashed("mirror", "secret value")


def test_a_listener_that_fails_is_nobody_elses_fault(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def failing(event: Event) -> None:
        raise OSError("secret value")

    with caplog.at_level(logging.ERROR):
        join_listeners(heard.append, failing, heard.append)(EVENT)
    assert heard == [EVENT, EVENT]
    assert caplog.messages == ["listener failed: event=Crashed error=OSError"]
    assert "secret" not in caplog.text

"""Tell every event to all who hear of its kind, so that one listener's fault is nobody else's."""

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from proxy.events import Emit, Event, Hearing

logger = logging.getLogger("understudy")


def join_listeners(*hearings: Hearing) -> Emit:
    """One ``Emit`` that calls what hears of an event, in order. It never raises; faults are logged."""
    heard: defaultdict[type[Any], list[Callable[[Any], None]]] = defaultdict(list)
    for hearing in hearings:
        for kind, hear in hearing.items():
            heard[kind].append(hear)

    def emit(event: Event) -> None:
        for hear in heard.get(type(event), ()):
            try:
                hear(event)
            except Exception as error:
                # Without the traceback and the message: both may quote values.
                logger.error("listener failed: event=%s error=%s", type(event).__name__, type(error).__name__)

    return emit

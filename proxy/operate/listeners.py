"""Hand every event to every listener, so that one listener's fault is nobody else's."""

import logging
from collections.abc import Callable

from proxy.events import Emit, Event

Listener = Callable[[Event], None]

logger = logging.getLogger("understudy")


def join_listeners(*listeners: Listener) -> Emit:
    """One ``Emit`` that calls ``listeners`` in order. It never raises; a fault is logged by its kind."""

    def emit(event: Event) -> None:
        for listener in listeners:
            try:
                listener(event)
            except Exception as error:
                # Without the traceback and the message: both may quote values.
                logger.error("listener failed: event=%s error=%s", type(event).__name__, type(error).__name__)

    return emit

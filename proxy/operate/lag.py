"""Measure how late the event loop is: the one number that tells whether anything blocks it."""

from collections.abc import Awaitable, Callable

INTERVAL_SECONDS = 0.5


async def measure_lag(
    observe: Callable[[float], None],
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[object]],
    interval: float = INTERVAL_SECONDS,
) -> None:
    """Tell ``observe``, every ``interval`` seconds, how many seconds late the loop was. Ends when cancelled.

    ``clock`` counts seconds; ``sleep`` is ``asyncio.sleep``, or what a test puts there.
    """
    while True:
        due = clock() + interval
        await sleep(interval)
        observe(max(0.0, clock() - due))

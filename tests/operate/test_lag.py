"""How late the event loop is."""

import pytest

from proxy.operate.lag import measure_lag


class Stopped(Exception):
    """Raised in the place of a cancellation."""


async def test_lateness_is_what_a_sleep_took_too_long() -> None:
    now = 100.0
    late = iter([0.0, 0.25, -0.001])
    observed: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        extra = next(late, None)
        if extra is None:
            raise Stopped
        now += seconds + extra

    with pytest.raises(Stopped):
        await measure_lag(observed.append, lambda: now, sleep, interval=0.5)
    assert observed == pytest.approx([0.0, 0.25, 0.0])

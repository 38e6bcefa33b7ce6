"""How the programs run: on which event loop, uvloop where it is to be had, and how deep they may call."""

import asyncio
import sys
from collections.abc import Callable

try:
    import uvloop
except ImportError:
    FAST_LOOP: Callable[[], asyncio.AbstractEventLoop] | None = None
else:
    FAST_LOOP = uvloop.new_event_loop
"""For ``asyncio.Runner(loop_factory=…)``; None means asyncio's own."""

DEEPEST = 6000
"""Frames that Python may stack: PostgREST answers requests that nest some hundred levels."""

TURN = 0.0005
"""Seconds that a thread may keep others waiting.

The metrics of a large schema take half a second to write, in a thread beside the loop. By Python's own 5 ms
every request would wait so long, again and again, meanwhile.
"""


def prepare_interpreter() -> None:
    """Have Python run as our programs need it."""
    sys.setrecursionlimit(DEEPEST)
    sys.setswitchinterval(TURN)

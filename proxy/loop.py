"""How the programs run: on which event loop, uvloop where it is to be had, and how deep they may call."""

import asyncio
import gc
import sys
import threading
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

STACK = 16 * 1024 * 1024
"""Bytes that a thread has for them, whatever the system gives it, which may be a hundred kilobytes."""

TURN = 0.0005
"""Seconds that a thread may keep others waiting.

The metrics of a large schema take half a second to write, in a thread beside the loop. By Python's own 5 ms
every request would wait so long, again and again, meanwhile.
"""


_YOUNG = 10_000
"""How many objects may be made before Python looks for cycles among them.

A request makes some hundred and leaves none. By Python's own 700 it looked after every few requests.
"""


def prepare_interpreter() -> None:
    """Have Python run as our programs need it. What is there already is never looked at for garbage again."""
    sys.setrecursionlimit(DEEPEST)
    threading.stack_size(STACK)
    sys.setswitchinterval(TURN)
    gc.freeze()
    gc.enable()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])

"""How the programs run: on which event loop, uvloop where it is to be had, and how deep they may call."""

import asyncio
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

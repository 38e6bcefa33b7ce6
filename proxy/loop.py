"""Which event loop runs the servers: uvloop where it is to be had."""

import asyncio
from collections.abc import Callable

try:
    import uvloop
except ImportError:
    FAST_LOOP: Callable[[], asyncio.AbstractEventLoop] | None = None
else:
    FAST_LOOP = uvloop.new_event_loop
"""For ``asyncio.Runner(loop_factory=…)``; None means asyncio's own."""

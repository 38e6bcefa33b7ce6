"""A call on the engine: request, answer within its time, value or error."""

import asyncio
from typing import Any

from proxy.access.call import Call, make_request, read_answer
from proxy.access.engine import Engine
from proxy.access.errors import CallTimeout
from proxy.messages import Headers


async def ask_engine(engine: Engine, call: Call, headers: Headers, timeout: float | None) -> Any:
    """The JSON that comes back; None for none. Raises AccessError, and ValueError for what is no JSON."""
    request = make_request(call, headers)
    try:
        async with asyncio.timeout(timeout):
            answer = await engine.ask(request)
    except TimeoutError as error:
        raise CallTimeout(call.url, call.method, call.params) from error
    return read_answer(call, answer)

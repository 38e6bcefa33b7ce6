"""The floor of the proxy: aiohttp's low-level server with a handler that only answers.

``python -m tests.bench.bare PORT FILE`` answers every request with the content of FILE as JSON.
"""

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from proxy.loop import FAST_LOOP


async def serve(port: int, body: bytes) -> None:
    """Answer until cancelled."""
    headers = {"Content-Type": "application/json; charset=utf-8"}

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, headers=headers)

    runner = web.ServerRunner(web.Server(answer), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=FAST_LOOP) as loop_runner:
        loop_runner.run(serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))

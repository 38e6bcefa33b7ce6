"""The access class for code with an event loop of its own, on which the engine runs too."""

import asyncio
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from proxy.access.call import Call, Params, encode_headers
from proxy.access.engine import Engine
from proxy.access.engine_calls import ask_engine
from proxy.access.http import HttpCalls
from proxy.access.place import find_place


class AsyncPostgRESTAccess:
    """``PostgRESTAccess`` with methods to be awaited, all on one event loop.

    Arguments, values and errors are the same. Calls over HTTP run in threads. Close it at the end, or use it
    by ``async with``: connections cannot be closed when the loop is gone.
    """

    def __init__(
        self,
        api_url: str | None = None,
        timeout: float | None = 10,
        headers: Mapping[str, Any] | None = None,
        *,
        schema: str | None = None,
        role: str | None = None,
        connections: int | None = None,
        use_sqlalchemy: bool | None = None,
    ) -> None:
        place = find_place(
            api_url,
            os.environ,
            schema=schema,
            role=role,
            connections=connections,
            use_sqlalchemy=use_sqlalchemy,
        )
        self.api_url = place.shown
        self._timeout = timeout
        self._headers = encode_headers(headers)
        self._engine: Engine | None = None
        self._http: HttpCalls | None = None
        if place.read_options is None:
            self._http = HttpCalls(headers, timeout, connections or 10)
        else:
            self._engine = Engine(place.read_options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def insert(self, table: str, *, json: Any) -> Any:
        """Add the row ``json``, or each of a list; gives the rows that are there now."""
        return await self._call("POST", table, None, json)

    async def update(self, table: str, *, json: Any, params: Params = None) -> Any:
        """Change the rows that ``params`` leave; gives them as they are now."""
        return await self._call("PATCH", table, params, json)

    async def select(self, table: str, *, params: Params = None) -> Any:
        """The rows that ``params`` leave."""
        return await self._call("GET", table, params)

    async def delete(self, table: str, *, params: Params = None) -> None:
        """Remove the rows that ``params`` leave."""
        await self._call("DELETE", table, params)

    async def reload(self) -> None:
        """Read anew what the database's tables are; over HTTP that is the server's affair."""
        if self._engine is not None:
            await self._engine.reload()

    async def close(self) -> None:
        """Close every connection."""
        if self._engine is not None:
            await self._engine.close()
        if self._http is not None:
            self._http.close()

    async def _call(self, method: str, table: str, params: Params, json: Any = None) -> Any:
        call = Call(f"{self.api_url}/{table}", method, table, params, json)
        if self._engine is None:
            assert self._http is not None
            return await asyncio.to_thread(self._http.call, call)
        return await ask_engine(self._engine, call, self._headers, self._timeout)

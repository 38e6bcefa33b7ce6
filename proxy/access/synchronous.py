"""The access class for code that waits: any number of threads may use one object."""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from proxy.access.background import Background
from proxy.access.call import Call, Params, encode_headers
from proxy.access.engine import Engine
from proxy.access.engine_calls import ask_engine
from proxy.access.http import HttpCalls
from proxy.access.place import find_place


class PostgRESTAccess:
    """Rows of tables and views by PostgREST's requests, from a database or over HTTP; see ``find_place``.

    Nothing is connected to before the first call. ``timeout`` are the seconds that a call may take, None for
    ever; ``headers`` are those of every request, in place of the default ones. ``role`` is whose rights count
    for calls without a token, ``schema`` and ``connections`` are as in ``find_place``.

    Every method raises DBQueryError, DBConflictError or DBStatusError for what PostgREST would refuse,
    CallTimeout, and over HTTP also what ``requests`` raises.
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
        self._background: Background | None = None
        self._http: HttpCalls | None = None
        if place.read_options is None:
            self._http = HttpCalls(headers, timeout, connections or 10)
        else:
            read_options = place.read_options
            self._background = Background(lambda: Engine(read_options))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def insert(self, table: str, *, json: Any) -> Any:
        """Add the row ``json``, or each of a list; gives the rows that are there now."""
        return self._call("POST", table, None, json)

    def update(self, table: str, *, json: Any, params: Params = None) -> Any:
        """Change the rows that ``params`` leave; gives them as they are now."""
        return self._call("PATCH", table, params, json)

    def select(self, table: str, *, params: Params = None) -> Any:
        """The rows that ``params`` leave."""
        return self._call("GET", table, params)

    def delete(self, table: str, *, params: Params = None) -> None:
        """Remove the rows that ``params`` leave."""
        self._call("DELETE", table, params)

    def reload(self) -> None:
        """Read anew what the database's tables are; over HTTP that is the server's affair."""
        if self._background is not None:
            self._background.run(Engine.reload)

    def close(self) -> None:
        """Close every connection. The next call would open new ones."""
        if self._background is not None:
            self._background.close()
        if self._http is not None:
            self._http.close()

    def _call(self, method: str, table: str, params: Params, json: Any = None) -> Any:
        call = Call(f"{self.api_url}/{table}", method, table, params, json)
        if self._background is None:
            assert self._http is not None
            return self._http.call(call)
        return self._background.run(lambda engine: ask_engine(engine, call, self._headers, self._timeout))

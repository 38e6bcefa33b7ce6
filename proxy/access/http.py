"""The same calls over HTTP: to PostgREST, to a proxy in front of it, or to an engine alone.

This is ``requests`` as the callers' own class used it, so that going back is going back to what there was.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from proxy.access.call import DEFAULT_HEADERS, Call, read_answer
from proxy.messages import Answer

if TYPE_CHECKING:
    import requests
else:
    try:
        import requests
    except ImportError:
        requests = None


class HttpCalls:
    """Makes calls over HTTP; ``connections`` are kept open at most. A forked process has its own.

    Raises ImportError where ``requests`` is not installed.
    """

    def __init__(self, headers: Mapping[str, Any] | None, timeout: float | None, connections: int) -> None:
        if requests is None:
            raise ImportError("calls over HTTP need the package requests: install understudy[access]")
        self._headers = dict(headers or DEFAULT_HEADERS)
        self._timeout = timeout
        self._connections = connections
        self._pid = os.getpid()
        self._session = self._open()

    def call(self, call: Call) -> Any:
        """The JSON that comes back; None for none. Raises AccessError, and what ``requests`` raises."""
        if self._pid != os.getpid():
            self._session, self._pid = self._open(), os.getpid()
        response = self._session.request(
            call.method,
            call.url,
            params=call.params,
            json=call.json,
            timeout=self._timeout,
        )
        return read_answer(call, Answer(response.status_code, body=response.content), response)

    def close(self) -> None:
        """Close every connection; the next call opens new ones."""
        self._session.close()

    def _open(self) -> "requests.Session":
        session = requests.Session()
        session.headers = self._headers
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=self._connections)
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter)
        return session

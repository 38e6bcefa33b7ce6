"""A class as its callers have it today: PostgREST over HTTP by ``requests``, with their own errors.

The signatures, the default headers, and which status becomes which error are those of the first users' class.
"""

from types import TracebackType
from typing import Any, Self

import requests

TIMEOUT = 30.0


class QueryError(Exception):
    """400."""

    def __init__(self, url: str, method: str, params: Any, json: Any) -> None:
        super().__init__(url)
        self.url, self.method, self.params, self.json = url, method, params, json


class ExistingAccess:
    """insert, update, select, delete; any other refusal is raised as ``requests`` raises it."""

    def __init__(self, api_url: str, timeout: float = TIMEOUT, headers: dict[str, str] | None = None) -> None:
        self.api_url = api_url
        self._timeout = timeout
        self._session = requests.Session()
        headers = headers or {"Prefer": "missing=default, return=representation"}
        self._session.headers = dict(headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def insert(self, table: str, *, json: Any) -> Any:
        return self._query(table, "POST", json=json)

    def update(self, table: str, *, json: Any, params: Any = None) -> Any:
        return self._query(table, "PATCH", params=params, json=json)

    def select(self, table: str, *, params: Any = None) -> Any:
        return self._query(table, "GET", params=params)

    def delete(self, table: str, *, params: Any = None) -> None:
        self._query(table, "DELETE", params=params)

    def _query(self, table: str, method: str, params: Any = None, json: Any = None) -> Any:
        url = f"{self.api_url}/{table}"
        try:
            answer = self._session.request(method, url, params=params, json=json, timeout=self._timeout)
            answer.raise_for_status()
        except requests.HTTPError as error:
            if error.response.status_code != 400:
                raise
            raise QueryError(url=url, method=method, params=params, json=error.response.json()) from error
        return answer.json()

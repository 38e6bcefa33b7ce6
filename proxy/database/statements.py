"""Statements as they are sent, and those of one request collected for the log (``log-query``)."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from hashlib import sha256

from proxy.database.wire import Step

_SHORT = 16 * 1024
"""Characters; a thousand of such statements are kept as they are sent."""

_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


@contextmanager
def collect_statements() -> Iterator[list[str]]:
    """The texts of the statements that are run inside, without their values, as they come."""
    statements: list[str] = []
    token = _collected.set(statements)
    try:
        yield statements
    finally:
        _collected.reset(token)


def note_statement(sql: str) -> str:
    """``sql`` itself, noted if somebody collects."""
    statements = _collected.get()
    if statements is not None:
        statements.append(sql)
    return sql


def make_step(sql: str, values: bytes, role: str) -> Step:
    """``sql`` as ``role`` sends it, noted if somebody collects."""
    note_statement(sql)
    return Step(_recall_marked(sql, role) if len(sql) <= _SHORT else _mark(sql, role), values)


def _mark(sql: str, role: str) -> str:
    """``sql`` with what keeps the prepared statements of roles apart.

    Where PostgreSQL plans a call of a function in SQL, it may put the function's body in its place; who may
    call it is then asked once, of the role that the plan is made for. Another role must not get that plan.
    """
    return f"{sql} /* {sha256(role.encode('utf-8', 'surrogateescape')).hexdigest()[:32]} */"


_recall_marked = lru_cache(maxsize=1024)(_mark)
"""The same text each time, which knows its hash: it is looked up among the prepared ones."""

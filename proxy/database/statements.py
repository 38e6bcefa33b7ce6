"""The statements of one request, collected for whoever wants to log them (``log-query``)."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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

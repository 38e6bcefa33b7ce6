"""Translate what the driver raises, once, at the border. Source: PostgREST 14, reference 9.3 and 9.6."""

from typing import Any

import asyncpg

from proxy.database.pipeline import AnswerTooLarge
from proxy.engine.dialect import PRESENT, Dialect
from proxy.engine.sqlstate import make_database_error
from proxy.errors import ApiError, EngineDown, EngineOverflows

FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""What the driver raises, and what a connection does that breaks."""

_BROKEN = (
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
    *(ConnectionResetError, BrokenPipeError),
)


_LOST = "no connection to the server\n"
"""What PostgREST's client library says of every connection that broke, in its words (reference 9.6)."""


def translate_fault(
    error: Exception, *, authenticated: bool, dialect: Dialect = PRESENT
) -> ApiError | EngineDown:
    """The client's error for a driver's exception. Texts of the operating system stay out of it."""
    # What the driver itself says of a connection that broke has an SQLSTATE too, but no severity.
    if isinstance(error, asyncpg.PostgresError | asyncpg.PostgresWarning) and error.severity_en:
        texts = str(error.message or ""), error.detail, error.hint
        refusal = make_database_error(error.sqlstate, *texts, authenticated=authenticated, dialect=dialect)
        return EngineDown(refusal) if _is_fatal(error) else refusal
    if isinstance(error, _BROKEN):
        down = EngineOverflows if isinstance(error, AnswerTooLarge) else EngineDown
        return down(ApiError(503, "PGRST001", "Database client error. Retrying the connection.", _LOST))
    return EngineDown(ApiError(503, "PGRST000", dialect.no_connection))


def is_refusal(error: BaseException) -> bool:
    """Whether the server refused a statement, and the connection is still there."""
    return isinstance(error, asyncpg.PostgresError) and error.severity_en == "ERROR"


def _is_fatal(error: Any) -> bool:
    """Whether the server ended the connection; a function may raise the same SQLSTATEs as mere errors."""
    return error.severity_en in ("FATAL", "PANIC")

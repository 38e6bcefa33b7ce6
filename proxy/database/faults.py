"""Translate what the driver raises, once, at the border. Source: PostgREST 14, reference 9.3 and 9.6."""

from typing import Any

import asyncpg

from proxy.engine.sqlstate import make_database_error
from proxy.errors import ApiError, EngineDown


def translate_fault(error: Exception, *, authenticated: bool) -> ApiError | EngineDown:
    """The client's error for a driver's exception. Texts of the operating system stay out of it."""
    if isinstance(error, asyncpg.PostgresError | asyncpg.PostgresWarning) and error.sqlstate:
        texts = str(error.message or ""), error.detail, error.hint
        refusal = make_database_error(error.sqlstate, *texts, authenticated=authenticated)
        return EngineDown(refusal) if _is_fatal(error) else refusal
    if isinstance(error, asyncpg.InterfaceError | ConnectionResetError | BrokenPipeError):
        return EngineDown(ApiError(503, "PGRST001", "Database client error. Retrying the connection."))
    return EngineDown(ApiError(503, "PGRST000", "Database connection error."))


def _is_fatal(error: Any) -> bool:
    """Whether the server ended the connection; a function may raise the same SQLSTATEs as mere errors."""
    return error.severity_en in ("FATAL", "PANIC")

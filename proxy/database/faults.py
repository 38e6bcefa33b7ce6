"""Translate what the driver raises, once, at the border. Source: PostgREST 14, reference 9.3 and 9.6."""

import asyncpg

from proxy.engine.sqlstate import make_database_error
from proxy.errors import ApiError


def translate_fault(error: Exception, *, authenticated: bool) -> ApiError:
    """The client's error for a driver's exception. Texts of the operating system stay out of it."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
        text = str(error.message or "")
        return make_database_error(
            error.sqlstate, text, error.detail, error.hint, authenticated=authenticated
        )
    if isinstance(error, asyncpg.InterfaceError | ConnectionResetError | BrokenPipeError):
        return ApiError(503, "PGRST001", "Database client error. Retrying the connection.")
    return ApiError(503, "PGRST000", "Database connection error.")

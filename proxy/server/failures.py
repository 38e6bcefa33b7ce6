"""Failures of the engine's background work, told in one line for operators."""

import json

from proxy.errors import ApiError, EngineDown


def tell_failure(error: Exception) -> str:
    """``error`` in PostgREST's shape if it is the database's, with what the driver says for details."""
    if isinstance(error, EngineDown):
        refusal, cause = error.error, error.__cause__
    elif isinstance(error, ApiError):
        refusal, cause = error, None
    else:
        return f"{type(error).__name__}: {error}"
    details = refusal.details if refusal.details is not None or cause is None else str(cause)
    told = {
        "code": refusal.code,
        "details": details,
        "hint": refusal.hint,
        "message": refusal.message,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))

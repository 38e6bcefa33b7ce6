"""Failures of the engine: which of its errors are answers, and the others in one line."""

import json

from proxy.errors import ApiError, EngineDown, render_error
from proxy.messages import UNAVAILABLE, Answer, Request
from proxy.server.state import AskEngine, Snapshot

MAX_DETAIL = 120


async def hear_engine(ask_engine: AskEngine, request: Request, snapshot: Snapshot) -> Answer:
    """The engine's answer; what it refuses a client is one.

    Raises EngineDown where that only says that it cannot answer now, and what the engine raises besides.
    """
    try:
        return await ask_engine(request, snapshot)
    except ApiError as error:
        if error.status in UNAVAILABLE:
            raise EngineDown(error) from error
        return render_error(error)


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


def describe(error: BaseException) -> str:
    """What kind of error it is and what caused it: class names only, since messages may quote values."""
    names = [type(error).__name__]
    cause = error.__cause__
    if cause is not None:
        names.append(type(cause).__name__)
    return " from ".join(names)[:MAX_DETAIL]

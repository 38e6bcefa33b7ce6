"""The answers of an engine behind which nobody stands: its troubles become answers too.

Source: PostgREST 14, reference 0.2 (layers), 0.3 (order of checks) and 9.6 (connection trouble).
"""

import time

from proxy.config import EngineConfig
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.auth.claims import identify
from proxy.engine.dialect import find_dialect
from proxy.engine.edge import add_origin, add_trace, answer_preflight
from proxy.errors import ApiError, EngineDown, OutcomeUnknown, Unsupported, render_error
from proxy.messages import Answer, Request


async def answer_alone(
    request: Request, options: EngineConfig, snapshot: EngineSnapshot | None, database: Database
) -> Answer:
    """What PostgREST would answer to ``request``, also while the schema cache or the database is away.

    ``options`` count while there is no ``snapshot``. What the engine does not do is a 501. Raises
    OutcomeUnknown, and nothing else that a request can cause.
    """
    if snapshot is not None:
        options = snapshot.options
    try:
        if snapshot is not None:
            return await answer(request, snapshot, database)
        preflight = answer_preflight(request, options)
        if preflight is not None:
            return add_trace(preflight, request, options)
        # A bad token is told before anything else (reference 10.9).
        identify(request, options, time.time())
        refusal = ApiError(503, "PGRST002", "Could not query the database for the schema cache. Retrying.")
    except ApiError as error:
        refusal = error
    except OutcomeUnknown:
        raise
    except EngineDown as error:
        refusal = error.error
    except Unsupported as error:
        refusal = ApiError(501, "PGRST127", "Feature not implemented", error.feature)
    return answer_trouble(refusal, request, options)


def answer_trouble(trouble: ApiError, request: Request, options: EngineConfig) -> Answer:
    """The answer to ``request`` that tells of ``trouble``, with what lies around every answer."""
    told = render_error(trouble, proxy_status=find_dialect(options.compat).proxy_status)
    if request.method == "HEAD":
        told = told._replace(body=b"")
    return add_trace(add_origin(told, request, options), request, options)

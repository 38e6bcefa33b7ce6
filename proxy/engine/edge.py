"""What lies around every answer: cross-origin headers and the trace header.

Source: PostgREST 14, reference 0.2 and 8.6.
"""

from proxy.config import EngineConfig
from proxy.messages import Answer, Header, Request

_METHODS = frozenset({b"GET", b"POST", b"PATCH", b"PUT", b"DELETE", b"OPTIONS", b"HEAD"})
_ALLOW_METHODS = b"GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"
_ALWAYS_ALLOWED = (b"Accept", b"Accept-Language", b"Content-Language")
_EXPOSED = (
    b"Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, "
    b"Transfer-Encoding, Range-Unit"
)


def _allow_origin(request: Request, options: EngineConfig) -> tuple[Header, ...] | None:
    """The headers that let the request's origin in; None where there is no origin or it is not let in."""
    origin = request.header(b"origin")
    if origin is None:
        return None
    if options.server_cors_allowed_origins is None:
        return ((b"Access-Control-Allow-Origin", b"*"),)
    if origin.decode("latin-1") not in options.server_cors_allowed_origins:
        return None
    return ((b"Access-Control-Allow-Origin", origin), (b"Access-Control-Allow-Credentials", b"true"))


def answer_preflight(request: Request, options: EngineConfig) -> Answer | None:
    """The answer to a CORS preflight; None if ``request`` is none, or an origin that is not let in."""
    if request.method != "OPTIONS":
        return None
    allowed = _allow_origin(request, options)
    if allowed is None or request.header(b"access-control-request-method") not in _METHODS:
        return None
    headers: list[Header] = [*allowed, (b"Access-Control-Allow-Methods", _ALLOW_METHODS)]
    wanted = request.header(b"access-control-request-headers")
    if wanted is not None:
        names = [b"Authorization", *filter(None, (name.strip() for name in wanted.split(b",")))]
        given = {name.lower() for name in names}
        names += (name for name in _ALWAYS_ALLOWED if name.lower() not in given)
        headers.append((b"Access-Control-Allow-Headers", b", ".join(names)))
    return Answer(200, (*headers, (b"Access-Control-Max-Age", b"86400")))


def add_trace(answer: Answer, request: Request, options: EngineConfig) -> Answer:
    """``answer`` with the trace header in front, where one is configured."""
    if options.server_trace_header is None:
        return answer
    name = options.server_trace_header.encode()
    return answer._replace(headers=((name, request.header(name.lower()) or b""), *answer.headers))


def add_origin(answer: Answer, request: Request, options: EngineConfig) -> Answer:
    """``answer`` with the cross-origin headers behind, for an origin that is let in.

    An OPTIONS request that is no preflight gets those of the application only.
    """
    if request.method == "OPTIONS":
        return answer
    allowed = _allow_origin(request, options)
    if allowed is None:
        return answer
    exposed = (b"Access-Control-Expose-Headers", _EXPOSED)
    return answer._replace(headers=(*answer.headers, *allowed, exposed))

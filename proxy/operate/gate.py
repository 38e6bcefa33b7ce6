"""What stands before every answer of the admin port: admission, and the headers that browsers go by."""

from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from proxy.config import Operator
from proxy.operate.admission import Admitted, Asked, Denied, admit

ADMITTED: web.RequestKey[Admitted] = web.RequestKey("admitted", Admitted)
"""Who asks, in each request that has come as far as a handler."""

_SECURITY = {
    "Cache-Control": "no-store",
    # What is no page of the console is nothing to be shown, whatever a function of the database made it.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer, under which a browser keeps from us whose page has sent a form.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def make_gate(operators: Callable[[], Sequence[Operator]], *, loopback: bool) -> Middleware:
    """A middleware that lets pass what ``admit`` does; ``operators`` gives those in force."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = Asked(request.method, request.path, request.headers)
        match admit(asked, operators(), loopback=loopback):
            case Denied(401, words):
                raise web.HTTPUnauthorized(
                    reason=words, headers={"WWW-Authenticate": 'Basic realm="Understudy", charset="UTF-8"'}
                )
            case Denied(421, words):
                raise web.HTTPMisdirectedRequest(reason=words)
            case Denied(_, words):
                raise web.HTTPForbidden(reason=words)
            case Admitted() as admitted:
                request[ADMITTED] = admitted
        return await handler(request)

    return gate


async def add_security_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add what an answer does not say itself: a signal of the application (``on_response_prepare``)."""
    for name, value in _SECURITY.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "understudy"

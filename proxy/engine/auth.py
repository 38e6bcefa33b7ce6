"""Who is asking. Source: PostgREST 14, reference 10.1 and 10.5."""

from proxy.config import EngineConfig
from proxy.errors import ApiError, Unsupported
from proxy.messages import Request


def find_role(request: Request, options: EngineConfig) -> str:
    """The role of a request without a token: the anonymous one.

    Raises ApiError PGRST302 where there is none, PGRST300 for a token that cannot be checked, and
    Unsupported for any other token.
    """
    scheme, _, _ = (request.header(b"authorization") or b"").partition(b" ")
    if scheme.strip().lower() == b"bearer":
        if options.jwt_secret is None:
            raise ApiError(500, "PGRST300", "Server lacks JWT secret")
        raise Unsupported("JSON web token")
    if options.db_anon_role is None:
        challenge = ((b"WWW-Authenticate", b"Bearer"),)
        raise ApiError(401, "PGRST302", "Anonymous access is disabled", headers=challenge)
    return options.db_anon_role

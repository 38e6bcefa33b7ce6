"""The engine as a library: the access class that callers of PostgREST already have, without PostgREST.

    from proxy.access import PostgRESTAccess

    with PostgRESTAccess("postgresql://dlm@db/ska_dlm", schema="dlm") as access:
        access.insert("data_item", json={"item_name": "one"})

synchronous, asynchronous  the class, for threads and for event loops
place                      where to go: a database, or a server that speaks PostgREST's HTTP
call                       one call as a request, and what came of it as a value or an error
errors                     what a call can end with besides rows
engine                     the engine on a database
background                 an event loop for threads that have none
http                       the same calls over HTTP

Nothing here needs a web server or its libraries; ``requests`` is needed for calls over HTTP only.
"""

from proxy.access.asynchronous import AsyncPostgRESTAccess
from proxy.access.errors import AccessError, CallTimeout, DBConflictError, DBQueryError, DBStatusError
from proxy.access.synchronous import PostgRESTAccess

__all__ = [
    "AccessError",
    "AsyncPostgRESTAccess",
    "CallTimeout",
    "DBConflictError",
    "DBQueryError",
    "DBStatusError",
    "PostgRESTAccess",
]

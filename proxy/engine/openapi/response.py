"""The root document, or its refusal, as an answer. Source: PostgREST 14, reference 5.2 and 11.4."""

from proxy.config import EngineConfig
from proxy.engine.openapi.document import make_document
from proxy.engine.openapi.inspection import Inspection
from proxy.engine.openapi.render import render
from proxy.engine.parse.media import OPENAPI
from proxy.engine.parse.request import ApiRequest
from proxy.engine.schema import Schema
from proxy.errors import ApiError
from proxy.messages import Answer, Headers

_ACCEPTABLE = ("openapi", "json", "any")


def refuse_media_types(request: ApiRequest) -> None:
    """Raises ApiError PGRST107 if the client accepts nothing that the document can be sent as."""
    if not any(media.kind in _ACCEPTABLE for media in request.accept):
        names = ", ".join(media.name for media in request.accept)
        raise ApiError(406, "PGRST107", f"None of these media types are available: {names}")


def make_root_response(
    request: ApiRequest, schema: Schema, options: EngineConfig, inspection: Inspection
) -> Answer:
    """The answer to a GET or HEAD of the root: for HEAD neither a body nor its length."""
    headers: Headers = ((b"Content-Type", OPENAPI.content_type.encode()),)
    body = b""
    if not request.head:
        document = make_document(schema, request.schema, options, inspection)
        body = render(document).encode("utf-8", "surrogateescape")
        headers = (*headers, (b"Content-Length", str(len(body)).encode()))
    if request.profile:
        headers = (*headers, (b"Content-Profile", request.schema.encode("utf-8", "surrogateescape")))
    return Answer(200, headers, body)

"""Answer every client request with one function: an engine that stands alone, or its admin server.

What the proxy's handler does besides (modes, mirror, accounts) has no part here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from proxy.config import Limits
from proxy.errors import ApiError, render_error
from proxy.events import Crashed, Emit
from proxy.messages import READ_METHODS, Answer, Request
from proxy.server import refusals
from proxy.server.client import ClientGone, ClientRequest, Reply
from proxy.server.heads import Fields, RequestHead, ResponseHead

Ask: TypeAlias = Callable[[Request], Awaitable[Answer]]

_LARGEST_PARAMETER = 1024 * 1024 * 1024
"""Bytes; PostgreSQL takes no longer value, so what is longer need not be held in memory."""

_CONTINUE = ResponseHead(100, b"Continue", 1, Fields((), (), None, 0, None, frozenset(), False, 0))


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that has been answered. ``minor`` is the x of HTTP/1.x, ``peer`` the client's address."""

    request: Request
    answer: Answer
    minor: int
    peer: str


Note: TypeAlias = Callable[[Visit], None]


def forget(visit: Visit) -> None:
    """Take no note of ``visit``."""


def want_none(answer: Answer) -> bool:
    """No request need be noted that has this ``answer``."""
    return False


class LoneHandler:
    """Called with each request that the front door has read; returns when its reply is written.

    Each answer of ``ask`` that somebody ``wants`` is noted. ``server`` is the ``Server`` header of every
    answer; empty for none.
    """

    def __init__(
        self,
        ask: Ask,
        emit: Emit,
        *,
        server: bytes,
        wants: Callable[[Answer], bool] = want_none,
        note: Note = forget,
    ) -> None:
        self._ask = ask
        self._emit = emit
        self._lead = b"Server: %b\r\n" % server if server else b""
        self._wants = wants
        self._note = note

    async def __call__(self, client: ClientRequest) -> Reply:
        try:
            if client.head is None:
                refusal = client.refusal or refusals.internal()
                await client.reply.answer(render_error(refusal), self._lead)
            else:
                await self._answer(client, client.head)
        except ClientGone:
            client.reply.abort()
        return client.reply

    async def _answer(self, client: ClientRequest, head: RequestHead) -> None:
        request = Request(head.method, head.target, head.fields.headers)
        try:
            if head.method == "CONNECT":
                raise refusals.unsupported_method("CONNECT")
            request = await _complete(request, client, head)
            answer = await self._ask(request)
        except ApiError as refusal:
            answer = render_error(refusal)
        except ClientGone:
            raise
        except Exception as error:
            # The text of an exception may hold a token or a value from the database.
            self._emit(Crashed("engine", type(error).__name__))
            answer = render_error(refusals.internal())
        if self._wants(answer):
            self._note(Visit(request, answer, head.minor, client.peer))
        await client.reply.answer(answer, self._lead)


async def _complete(request: Request, client: ClientRequest, head: RequestHead) -> Request:
    """``request`` with its body, where the method gives one a meaning (RFC 9110, section 9.3.1)."""
    if not head.has_body or head.method in READ_METHODS:
        return request
    if head.fields.expects_continue and not client.body.complete:
        client.reply.interim(_CONTINUE)
    client.body.limit(_LARGEST_PARAMETER, Limits().body_timeout)
    if (head.fields.length or 0) > _LARGEST_PARAMETER:
        raise refusals.body_too_large(_LARGEST_PARAMETER)
    return request._replace(body=await client.body.buffer(None) or b"")

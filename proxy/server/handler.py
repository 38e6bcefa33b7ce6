"""Answer one client request: choose a side, pass its answer on, and account for what happened.

The order of things keeps the promises: the client's answer is complete before the mirror hears of it
(promise 2), and whatever goes wrong on our side of a read, the upstream answers instead (promise 5).
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeAlias

from proxy.config import Config
from proxy.engine.touch import find_touched
from proxy.errors import ApiError, EngineDown, Unsupported, UpstreamError, UpstreamTimeout, render_error
from proxy.events import (
    Crashed,
    Emit,
    Event,
    FallbackReason,
    FellBack,
    Served,
    Side,
    SideAnswered,
    Skipped,
    SkipReason,
)
from proxy.messages import READ_METHODS, Answer, Exchange, Request
from proxy.server import refusals
from proxy.server.client import ClientGone, ClientRequest, Reply
from proxy.server.connection import TakeInterim, UpstreamAnswer
from proxy.server.heads import Fields, RequestHead, ResponseHead
from proxy.server.request_body import RequestBody
from proxy.server.state import AskEngine, Snapshot, State
from proxy.shadow.policy import Decision, FindTouched, Names, QualifiedName, decide

Decide: TypeAlias = Callable[[Request, Config, Names, float, FindTouched], Decision]

_PLAIN = Decision("other", "upstream", False, "upstream", "mode")
_CONTINUE = ResponseHead(100, b"Continue", 1, Fields((), (), None, 0, None, frozenset(), False, 0))


class SendsRequests(Protocol):
    """The upstream as the handler needs it; see ``proxy.server.upstream``."""

    async def send(self, head: RequestHead, body: RequestBody, interim: TakeInterim) -> UpstreamAnswer:
        """Send a request and wait for the head of its answer."""


class TakesOffers(Protocol):
    """The mirror as the handler needs it."""

    def offer(self, decision: Decision, exchange: Exchange, snapshot: Snapshot) -> None:
        """Take a read that the upstream has answered; never waits and never raises."""


@dataclass(slots=True)
class _Visit:
    """What is known so far about the request being answered; settled once, at its end."""

    client: ClientRequest
    head: RequestHead
    snapshot: Snapshot
    request: Request
    decision: Decision
    started: float
    answered_by: Side = "proxy"
    code: int = 0
    upstream_started: float | None = None
    upstream_finished: float | None = None
    engine_started: float | None = None
    engine_finished: float | None = None
    answer_head: ResponseHead | None = None
    parts: list[bytes] = field(default_factory=list)
    too_large: bool = False
    skip: SkipReason | None = None


class Handler:
    """Called with each request that the front door has read; returns when its reply is written.

    ``clock`` gives seconds that only grow, ``roll`` a number in [0, 100) that settles sampling.
    Without an ``upstream`` the engine answers everything.
    """

    def __init__(
        self,
        state: State,
        upstream: SendsRequests | None,
        ask_engine: AskEngine,
        mirror: TakesOffers,
        emit: Emit,
        clock: Callable[[], float],
        roll: Callable[[], float],
        decide: Decide = decide,
    ) -> None:
        self._state = state
        self._upstream = upstream
        self._ask_engine = ask_engine
        self._mirror = mirror
        self._emit = emit
        self._clock = clock
        self._roll = roll
        self._decide = decide

    async def __call__(self, client: ClientRequest) -> Reply:
        started = self._clock()
        if client.head is None:
            return await self._refuse(client, started)
        visit = self._begin(client, client.head, started)
        try:
            await self._answer(visit)
        except ClientGone:
            self._note_departure(visit)
            client.reply.abort()
        except asyncio.CancelledError:
            self._note_departure(visit)
            raise
        finally:
            self._settle(visit)
        return client.reply

    def _begin(self, client: ClientRequest, head: RequestHead, started: float) -> _Visit:
        snapshot = self._state.current
        request = Request(head.method, head.target, head.fields.headers)
        try:
            find = partial(_find_touched, snapshot)
            decision = self._decide(request, snapshot.config, snapshot.names, self._roll(), find)
        except Exception as error:
            self._tell(_crash("policy", error))
            decision = _PLAIN
        visit = _Visit(client, head, snapshot, request, decision, started, skip=decision.skip)
        client.body.limit(snapshot.config.limits.body)
        return visit

    async def _answer(self, visit: _Visit) -> None:
        limit = visit.snapshot.config.limits.body
        try:
            if visit.head.method == "CONNECT":
                raise refusals.unsupported_method("CONNECT")
            if limit is not None and (visit.head.fields.length or 0) > limit:
                raise refusals.body_too_large(limit)
            if self._upstream is None:
                await self._serve_alone(visit)
            elif visit.decision.serve == "upstream" or not await self._serve_engine(visit):
                await self._serve_upstream(visit, self._upstream)
        except ApiError as refusal:
            await self._say(visit, refusal)
        except ClientGone:
            raise
        except Exception as error:
            self._tell(_crash("handler", error))
            await self._say(visit, refusals.internal())

    async def _serve_upstream(self, visit: _Visit, upstream: SendsRequests) -> None:
        client = visit.client
        room = visit.snapshot.config.shadow.max_body
        mirrored = visit.skip is None
        if mirrored and visit.head.has_body:
            client.body.keep(room)
        visit.upstream_started = self._clock()
        try:
            answer = await upstream.send(visit.head, client.body, client.reply.interim)
        except UpstreamError as error:
            visit.upstream_finished = self._clock()
            visit.skip = visit.skip or "upstream_error"
            raise self._blame(visit, error) from error
        try:
            await self._pass_on(visit, answer, room if mirrored else -1)
        except UpstreamError:
            visit.skip = visit.skip or "upstream_error"
            client.reply.abort()
        finally:
            visit.upstream_finished = answer.finished_at if answer.complete else self._clock()
            answer.close()

    async def _pass_on(self, visit: _Visit, answer: UpstreamAnswer, room: int) -> None:
        """Write the upstream's answer to the client, and keep a copy of at most ``room`` bytes of body."""
        reply = visit.client.reply
        head = await answer.wait_head()
        reply.begin(head)
        visit.answered_by, visit.code = "upstream", head.status
        while True:
            part = answer.take()
            if part and room >= 0:
                room -= len(part)
                visit.parts.append(part)
                if room < 0:
                    visit.too_large = True
                    visit.parts.clear()
            if answer.complete:
                await reply.finish(part)
                break
            await reply.write(part)
            await answer.wait_more()
        visit.answer_head = head

    async def _serve_engine(self, visit: _Visit) -> bool:
        """Let the engine answer; False if it cannot, and the upstream has to (promise 5)."""
        visit.engine_started = self._clock()
        outcome = await self._try_engine(visit)
        if isinstance(outcome, Answer):
            await self._say_engine(visit, outcome)
            return True
        visit.engine_started = None
        visit.skip = "fell_back"
        self._tell(FellBack(visit.decision.table, outcome))
        return False

    async def _try_engine(self, visit: _Visit) -> Answer | FallbackReason:
        shadow = visit.snapshot.config.shadow
        if visit.snapshot.engine is None:
            return "no_schema"
        try:
            async with asyncio.timeout(shadow.timeout):
                request = await self._whole_request(visit, shadow.max_body)
                return await self._ask(request, visit.snapshot)
        except Unsupported:
            return "unsupported"
        except TimeoutError:
            return "timeout"
        except EngineDown:
            # The database's trouble, not a fault of ours.
            return "failed"
        except (ClientGone, refusals.Refusal):
            raise
        except asyncio.CancelledError as error:
            # A cancellation inside the engine is a failure like others; only our own means that we stop.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._tell(_crash("engine", error))
        except Exception as error:
            self._tell(_crash("engine", error))
        return "failed"

    async def _serve_alone(self, visit: _Visit) -> None:
        """Let the engine answer, with nobody behind it."""
        visit.skip = visit.skip or "mode"
        visit.engine_started = self._clock()
        try:
            answer = await self._ask(await self._whole_request(visit, None), visit.snapshot)
        except Unsupported as error:
            raise refusals.not_implemented(error.feature) from error
        await self._say_engine(visit, answer)

    async def _ask(self, request: Request, snapshot: Snapshot) -> Answer:
        try:
            return await self._ask_engine(request, snapshot)
        except ApiError as error:
            return render_error(error)

    async def _whole_request(self, visit: _Visit, room: int | None) -> Request:
        """The request with its body, where the method gives one a meaning (RFC 9110, section 9.3.1)."""
        head, request = visit.head, visit.request
        if not head.has_body or head.method in READ_METHODS:
            return request
        client = visit.client
        if head.fields.expects_continue and not client.body.complete:
            client.reply.interim(_CONTINUE)
        body = await client.body.buffer(room)
        if body is None:
            raise Unsupported("large request body")
        return Request(request.method, request.target, request.headers, body)

    async def _say_engine(self, visit: _Visit, answer: Answer) -> None:
        visit.engine_finished = self._clock()
        visit.skip = visit.skip or "mode"
        await visit.client.reply.answer(answer)
        visit.answered_by, visit.code = "engine", answer.status

    async def _say(self, visit: _Visit, refusal: ApiError) -> None:
        """Tell the client in our own name; if an answer was begun, break it off instead."""
        reply = visit.client.reply
        if refusal.status == 413:
            visit.skip = visit.skip or "too_large"
        if reply.status:
            visit.code = reply.status
            reply.abort()
            return
        await reply.answer(render_error(refusal))
        visit.answered_by, visit.code = "proxy", refusal.status

    async def _refuse(self, client: ClientRequest, started: float) -> Reply:
        """Answer what was no request."""
        refusal = client.refusal or refusals.internal()
        try:
            await client.reply.answer(render_error(refusal))
        finally:
            seconds = self._clock() - started
            self._tell(Served("other", "other", "upstream", False, "proxy", refusal.status, seconds, seconds))
        return client.reply

    def _blame(self, visit: _Visit, error: UpstreamError) -> ApiError:
        if not isinstance(error, UpstreamTimeout):
            return refusals.upstream_refused()
        if visit.client.body.starved:
            return refusals.client_timeout()
        return refusals.upstream_timeout()

    def _note_departure(self, visit: _Visit) -> None:
        visit.skip = visit.skip or "client_gone"
        visit.code = 499

    def _settle(self, visit: _Visit) -> None:
        """Account for the request: each read ends in exactly one offer to the mirror or one ``Skipped``."""
        decision, seconds = visit.decision, self._clock() - visit.started
        upstream = _between(visit.upstream_started, visit.upstream_finished)
        engine = _between(visit.engine_started, visit.engine_finished)
        self._tell(
            Served(
                decision.table,
                visit.head.method,
                decision.mode,
                decision.read,
                visit.answered_by,
                visit.code,
                seconds,
                max(0.0, seconds - upstream - engine),
            )
        )
        if visit.answer_head is not None:
            self._tell(SideAnswered(decision.table, "upstream", upstream))
        elif visit.answered_by == "engine":
            self._tell(SideAnswered(decision.table, "engine", engine))
        if not decision.read:
            return
        if visit.skip is None:
            visit.skip = self._offer(visit, upstream)
        if visit.skip is not None:
            self._tell(Skipped(decision.table, visit.skip))

    def _offer(self, visit: _Visit, seconds: float) -> SkipReason | None:
        """Give the exchange to the mirror; the reason if it cannot be given."""
        head, request = visit.answer_head, visit.request
        if head is None:
            return "upstream_error"
        if visit.too_large:
            return "too_large"
        if visit.head.has_body:
            body = visit.client.body.kept
            if body is None:
                return "too_large"
            request = Request(request.method, request.target, request.headers, body)
        answer = Answer(head.status, head.fields.headers, b"".join(visit.parts), head.reason)
        try:
            self._mirror.offer(visit.decision, Exchange(request, answer, seconds), visit.snapshot)
        except Exception as error:
            self._tell(_crash("mirror", error))
        return None

    def _tell(self, event: Event) -> None:
        """Emit; a listener's fault is told to the other listeners, and ends here."""
        try:
            self._emit(event)
        except Exception as error:
            try:
                self._emit(_crash("emit", error))
            except Exception:
                return


def _between(start: float | None, end: float | None) -> float:
    return 0.0 if start is None or end is None else end - start


def _crash(where: str, error: BaseException) -> Crashed:
    # The text of an exception may hold a token or a value from the database (promise 10).
    return Crashed(where, type(error).__name__)


def _find_touched(snapshot: Snapshot, request: Request) -> Iterable[QualifiedName]:
    engine = snapshot.engine
    return () if engine is None else find_touched(request, engine.options, engine.schema)

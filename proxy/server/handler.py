"""Answer one client request: choose a side, pass its answer on, and account for what happened.

The order of things keeps the promises: the client's answer is complete before the mirror hears of it
(promise 2), and whatever goes wrong on our side of a read, the upstream answers instead (promise 5).
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol, TypeAlias
from uuid import uuid4

from proxy.config import Config
from proxy.engine.touch import find_touched
from proxy.errors import (
    ApiError,
    UpstreamError,
    UpstreamTimeout,
    render_error,
)
from proxy.events import (
    Emit,
    Event,
    FellBack,
    OutcomeLost,
    Served,
    SideAnswered,
    Skipped,
    SkipReason,
    Unrehearsed,
)
from proxy.messages import UNAVAILABLE, Answer, Exchange, Request
from proxy.server import refusals
from proxy.server.client import ClientGone, ClientRequest, Reply
from proxy.server.connection import UpstreamAnswer
from proxy.server.engine_side import EngineSide, describe_crash
from proxy.server.heads import RequestHead, with_request_id
from proxy.server.parts import Rehearses, SendsRequests, TakesOffers
from proxy.server.rehearsal import Rehearsal
from proxy.server.request_body import LARGEST_HELD
from proxy.server.state import AskEngine, Snapshot, State
from proxy.server.visit import Visit
from proxy.server.writes import Touched, Write, Writes, find_names
from proxy.shadow.canary import identify_client
from proxy.shadow.deadlines import find_upstream_deadline
from proxy.shadow.policy import Decision, FindClient, FindTouched, Holds, Names, QualifiedName, decide
from proxy.trace import TraceParent

Traces: TypeAlias = Callable[[Request], TraceParent | None]
"""Gives the span that a request gets; None where it is not traced."""

_PLAIN = Decision("other", "upstream", False, "upstream", "mode")


def trace_nothing(_: Request) -> None:
    """The tracing of a proxy that does none."""


class Decides(Protocol):
    """What becomes of a request; see ``proxy.shadow.policy``."""

    def __call__(
        self,
        request: Request,
        config: Config,
        names: Names,
        roll: float,
        find_touched: FindTouched,
        find_client: FindClient,
        holds: Holds,
        /,
    ) -> Decision: ...


class Handler:
    """Called with each request that the front door has read; returns when its reply is written.

    ``clock`` gives seconds that only grow, ``roll`` a number in [0, 100) that settles sampling.
    While there is no upstream, by the configuration at its beginning, the engine answers a request.
    ``trace`` is asked for the span of each request.
    """

    def __init__(
        self,
        state: State,
        upstream: SendsRequests,
        ask_engine: AskEngine,
        mirror: TakesOffers,
        rehearsals: Rehearses,
        writes: Writes,
        emit: Emit,
        clock: Callable[[], float],
        roll: Callable[[], float],
        decide: Decides = decide,
        *,
        trace: Traces = trace_nothing,
        make_request_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self._state = state
        self._upstream = upstream
        self._engine = EngineSide(ask_engine, self._tell, clock)
        self._mirror = mirror
        self._rehearsals = rehearsals
        self._writes = writes
        self._emit = emit
        self._clock = clock
        self._roll = roll
        self._decide = decide
        self._trace = trace
        self._make_request_id = make_request_id

    async def close(self) -> None:
        """Let writes whose clients have left end, for a moment."""
        await self._engine.close()

    def ask_engine_again(self) -> None:
        """Leave the engine alone no longer: a person has re-armed a table."""
        self._engine.close_circuit()

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

    def _begin(self, client: ClientRequest, head: RequestHead, started: float) -> Visit:
        snapshot = self._state.current
        log = snapshot.config.log
        if log.add_request_id:
            head = with_request_id(head, log.request_id, self._make_request_id)
        request = Request(head.method, head.target, head.fields.headers)
        try:
            decision = self._decide(
                request,
                snapshot.config,
                snapshot.names,
                self._roll(),
                partial(_find_touched, snapshot),
                lambda: identify_client(request, client.peer),
                snapshot.holds,
            )
        except Exception as error:
            self._tell(describe_crash("policy", error))
            decision = _PLAIN
        visit = Visit(client, head, snapshot, request, decision, started, skip=decision.skip)
        visit.trace = self._open_trace(request)
        if visit.writes:
            visit.write = self._writes.begin(self._find_names(visit))
        client.body.limit(self._find_largest(snapshot), snapshot.config.limits.body_timeout)
        return visit

    def _find_largest(self, snapshot: Snapshot) -> int | None:
        """How large a body may be: where the engine stands alone, it is held in memory."""
        return snapshot.config.limits.body or (LARGEST_HELD if snapshot.config.upstream is None else None)

    def _open_trace(self, request: Request) -> TraceParent | None:
        try:
            return self._trace(request)
        except Exception as error:
            self._tell(describe_crash("trace", error))
            return None

    def _find_names(self, visit: Visit) -> Touched:
        try:
            return find_names(visit.request, visit.snapshot)
        except Exception as error:
            self._tell(describe_crash("writes", error))
            return None

    async def _answer(self, visit: Visit) -> None:
        limit = self._find_largest(visit.snapshot)
        try:
            if visit.head.method == "CONNECT":
                raise refusals.unsupported_method("CONNECT")
            if limit is not None and (visit.head.fields.length or 0) > limit:
                raise refusals.body_too_large(limit)
            if visit.snapshot.config.upstream is None:
                visit.skip = visit.skip or "mode"
                visit.engine_started = self._clock()
                await self._say_engine(visit, await self._engine.answer_alone(visit))
            elif visit.decision.serve == "upstream" or not await self._serve_engine(visit):
                if visit.decision.rehearse:
                    await self._rehearse(visit)
                await self._serve_upstream(visit)
        except ApiError as refusal:
            await self._say(visit, refusal)
        except ClientGone:
            raise
        except Exception as error:
            self._tell(describe_crash("handler", error))
            await self._say(visit, refusals.internal())

    async def _rehearse(self, visit: Visit) -> None:
        """Let the engine do the write and undo it. A client that leaves meanwhile withdraws its write."""
        if visit.head.fields.expects_continue and not visit.client.body.complete:
            # Whether the client is to go on is for the upstream to say, before it has the body.
            visit.unrehearsed = "expects_continue"
            return
        try:
            outcome = await self._rehearsals.attempt(visit.decision.table, visit.snapshot, visit.complete)
        except (ClientGone, refusals.Refusal):
            raise
        except Exception as error:
            self._tell(describe_crash("rehearsal", error))
            outcome = "crashed"
        if isinstance(outcome, Rehearsal):
            visit.rehearsal = outcome
        else:
            visit.unrehearsed = outcome

    async def _serve_upstream(self, visit: Visit) -> None:
        client = visit.client
        if visit.skip is None and visit.head.has_body:
            client.body.keep(visit.room)
        visit.upstream_started = self._clock()
        try:
            answer = await self._send(visit)
        except UpstreamError as error:
            visit.upstream_finished = self._clock()
            visit.skip = visit.skip or "upstream_error"
            raise self._blame(visit, error) from error
        try:
            await self._pass_on(visit, answer, visit.room)
        except UpstreamError:
            visit.skip = visit.skip or "upstream_error"
            client.reply.abort()
        finally:
            visit.upstream_finished = answer.finished_at if answer.complete else self._clock()
            answer.close()

    async def _send(self, visit: Visit) -> UpstreamAnswer:
        """Ask the upstream; after the engine has taken its time, within what is left of the client's."""
        client = visit.client
        if visit.skip != "fell_back":
            return await self._upstream.send(visit.head, client.body, client.reply.interim)
        seconds = find_upstream_deadline(visit.snapshot.config, self._clock() - visit.started)
        try:
            async with asyncio.timeout(seconds):
                return await self._upstream.send(visit.head, client.body, client.reply.interim)
        except TimeoutError as error:
            raise UpstreamTimeout("no answer in what was left of the client's time") from error

    async def _pass_on(self, visit: Visit, answer: UpstreamAnswer, room: int) -> None:
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
        if head.status in UNAVAILABLE:
            visit.skip = visit.skip or "upstream_error"

    async def _serve_engine(self, visit: Visit) -> bool:
        """Let the engine answer; False if it cannot, and the upstream has to (promise 5)."""
        visit.engine_started = self._clock()
        outcome = await (self._engine.write(visit) if visit.writes else self._engine.read(visit))
        if isinstance(outcome, Answer):
            await self._say_engine(visit, outcome)
            return True
        visit.engine_started = None
        visit.skip = "fell_back"
        self._tell(FellBack(visit.decision.table, outcome))
        return False

    async def _say_engine(self, visit: Visit, answer: Answer) -> None:
        visit.engine_finished = self._clock()
        visit.engine_answer = answer
        await visit.client.reply.answer(answer)
        visit.answered_by, visit.code = "engine", answer.status

    async def _say(self, visit: Visit, refusal: ApiError) -> None:
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

    def _blame(self, visit: Visit, error: UpstreamError) -> ApiError:
        timed_out = isinstance(error, UpstreamTimeout)
        if timed_out and visit.client.body.starved:
            return refusals.client_timeout()
        if visit.writes and error.sent:
            self._tell(OutcomeLost(visit.decision.table, "upstream"))
            return refusals.upstream_lost(timed_out)
        return refusals.upstream_timeout() if timed_out else refusals.upstream_refused()

    def _note_departure(self, visit: Visit) -> None:
        visit.skip = visit.skip or "client_gone"
        visit.code = 499

    def _settle(self, visit: Visit) -> None:
        """Account for the request: each read ends in exactly one offer to the mirror or one ``Skipped``."""
        decision = visit.decision
        self._tell(visit.served(self._clock()))
        if visit.answer_head is not None:
            self._tell(SideAnswered(decision.table, "upstream", visit.upstream_seconds))
        elif visit.answered_by == "engine":
            self._tell(SideAnswered(decision.table, "engine", visit.engine_seconds))
        if decision.rehearse:
            self._settle_rehearsal(visit)
        if visit.write is not None:
            self._end(visit.write, visit.ongoing)
        if not decision.read:
            return
        if visit.skip is None:
            visit.skip = self._offer(visit)
        if visit.skip is not None:
            self._tell(Skipped(decision.table, visit.skip))

    def _end(self, write: Write, ongoing: "asyncio.Task[Any] | None") -> None:
        """The write has ended, or it will when the engine is done with it though its client has left."""
        if ongoing is None or ongoing.done():
            self._writes.end(write)
        else:
            ongoing.add_done_callback(lambda _: self._writes.end(write))

    def _settle_rehearsal(self, visit: Visit) -> None:
        """Account for a write in rehearsal: it is compared, or ends in exactly one ``Unrehearsed``."""
        rehearsal, answer, reason = visit.rehearsal, visit.answer(), visit.unrehearsed
        if rehearsal is None:
            reason = reason or ("client_gone" if visit.code == 499 else "refused")
        elif visit.answer_head is None:
            reason = "client_gone" if visit.code == 499 else "upstream_error"
        elif answer is None:
            reason = "too_large"
        else:
            assert visit.write is not None
            overlapped = self._writes.overlapped(visit.write.names, rehearsal.since, besides=visit.write)
            self._rehearsals.settle(rehearsal, answer, visit.upstream_seconds, overlapped=overlapped)
            return
        if rehearsal is not None:
            self._rehearsals.drop(rehearsal)
        self._tell(Unrehearsed(visit.decision.table, reason))

    def _offer(self, visit: Visit) -> SkipReason | None:
        """Give the exchange to the mirror; the reason if it cannot be given."""
        exchange = visit.exchange()
        if not isinstance(exchange, Exchange):
            return exchange
        try:
            self._mirror.offer(visit.decision, exchange, visit.snapshot)
        except Exception as error:
            self._tell(describe_crash("mirror", error))
        return None

    def _tell(self, event: Event) -> None:
        """Emit; a listener's fault is told to the other listeners, and ends here."""
        try:
            self._emit(event)
        except Exception as error:
            try:
                self._emit(describe_crash("emit", error))
            except Exception:
                return


def _find_touched(snapshot: Snapshot, request: Request) -> Iterable[QualifiedName]:
    engine = snapshot.engine
    return () if engine is None else find_touched(request, engine.options, engine.schema)

"""What is known so far about one client request, from its head to the end of its answer."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from proxy.errors import Unsupported
from proxy.events import Interval, Served, Side, SkipReason, UnrehearsedReason
from proxy.messages import READ_METHODS, WRITE_METHODS, Answer, Exchange, Request
from proxy.server.client import ClientRequest
from proxy.server.heads import Fields, RequestHead, ResponseHead
from proxy.server.rehearsal import Rehearsal
from proxy.server.state import Snapshot
from proxy.server.writes import Write
from proxy.shadow.policy import Decision
from proxy.trace import TraceParent

_CONTINUE = ResponseHead(100, b"Continue", 1, Fields((), (), None, 0, None, frozenset(), False, 0))


@dataclass(slots=True)
class Visit:
    """A request that is being answered; settled once, at its end.

    ``parts`` are the copy of the answer's body, of which there is none when it is ``too_large``. ``ongoing``
    is the engine's work on a write, which does not end when its client leaves. ``trace`` is the request's
    span, where it is traced.
    """

    client: ClientRequest
    head: RequestHead
    snapshot: Snapshot
    request: Request
    decision: Decision
    started: float
    trace: TraceParent | None = None
    answered_by: Side = "proxy"
    code: int = 0
    upstream_started: float | None = None
    upstream_finished: float | None = None
    engine_started: float | None = None
    engine_finished: float | None = None
    answer_head: ResponseHead | None = None
    engine_answer: Answer | None = None
    parts: list[bytes] = field(default_factory=list)
    too_large: bool = False
    skip: SkipReason | None = None
    write: Write | None = None
    ongoing: "asyncio.Task[Any] | None" = None
    rehearsal: Rehearsal | None = None
    unrehearsed: UnrehearsedReason | None = None

    @property
    def writes(self) -> bool:
        """Whether the request may change something, as far as its method and target tell."""
        return self.head.method in WRITE_METHODS and not self.decision.read

    @property
    def room(self) -> int:
        """How many bytes of the upstream's answer are to be kept; -1 for none at all."""
        if self.rehearsal is not None:
            return self.snapshot.config.rehearsal.max_body
        return self.snapshot.config.shadow.max_body if self.skip is None else -1

    @property
    def upstream_seconds(self) -> float:
        return _between(self.upstream_started, self.upstream_finished)

    @property
    def engine_seconds(self) -> float:
        return _between(self.engine_started, self.engine_finished)

    async def complete(self, room: int | None) -> Request:
        """The request with its body, where the method gives one a meaning (RFC 9110, section 9.3.1).

        Raises ``Unsupported`` for more than ``room`` bytes, and what reading from the client raises.
        """
        head, request, client = self.head, self.request, self.client
        if not head.has_body or head.method in READ_METHODS:
            return request
        if head.fields.expects_continue and not client.body.complete:
            client.reply.interim(_CONTINUE)
        body = await client.body.buffer(room)
        if body is None:
            raise Unsupported("large request body")
        self.request = Request(request.method, request.target, request.headers, body)
        return self.request

    def answer(self) -> Answer | None:
        """The upstream's answer as it was kept; None unless it came whole and was kept whole."""
        if self.answer_head is None or self.too_large:
            return None
        head = self.answer_head
        return Answer(head.status, head.fields.headers, b"".join(self.parts), head.reason)

    def exchange(self) -> Exchange | SkipReason:
        """What the mirror is to be given, or why it cannot be."""
        if self.engine_answer is not None:
            return self._engine_exchange(self.engine_answer)
        request, answer = self.request, self.answer()
        if self.answer_head is None:
            return "upstream_error"
        if answer is None:
            return "too_large"
        if self.head.has_body:
            body = self.client.body.kept
            if body is None:
                return "too_large"
            request = Request(request.method, request.target, request.headers, body)
        return Exchange(request, answer, self.upstream_seconds, self.trace)

    def served(self, now: float) -> Served:
        """What became of the request for its client, whose answer ended ``now``."""
        decision, seconds, engine = self.decision, now - self.started, self.engine_seconds
        if self.rehearsal is not None:
            engine += self.rehearsal.waited
        served = Served(
            decision.table,
            self.head.method,
            decision.mode,
            decision.read,
            self.answered_by,
            self.code,
            seconds,
            max(0.0, seconds - self.upstream_seconds - engine),
            self.request,
        )
        return served if self.trace is None else self._traced(served, self.trace)

    def _traced(self, served: Served, trace: TraceParent) -> Served:
        engine = self._interval(self.engine_started, self.engine_finished)
        if self.rehearsal is not None:
            begun = self.rehearsal.since
            engine = self._interval(begun, begun + self.rehearsal.waited)
        upstream = self._interval(self.upstream_started, self.upstream_finished)
        return served._replace(upstream=upstream, engine=engine, trace=trace)

    def _interval(self, start: float | None, end: float | None) -> Interval | None:
        return None if start is None or end is None else (start - self.started, end - self.started)

    def _engine_exchange(self, answer: Answer) -> Exchange | SkipReason:
        if len(answer.body) > self.snapshot.config.shadow.max_body:
            return "too_large"
        return Exchange(self.request, answer, self.engine_seconds, self.trace)


def _between(start: float | None, end: float | None) -> float:
    return 0.0 if start is None or end is None else end - start

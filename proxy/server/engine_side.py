"""The engine on stage: what it answers for a client, and what it means that it cannot.

A read that fails is the upstream's to answer. A write is so only where the engine has surely done nothing:
anything else the client is told, because the upstream would do the write a second time. A client that leaves
does not take its write back.
"""

import asyncio
from collections.abc import Callable

from proxy.database.alone import answer_trouble
from proxy.database.snapshot import EngineSnapshot
from proxy.errors import ApiError, EngineDown, OutcomeUnknown, Unsupported, render_error
from proxy.events import CircuitChanged, Crashed, Event, FallbackReason, OutcomeLost
from proxy.messages import Answer, Request
from proxy.server import refusals
from proxy.server.client import ClientGone
from proxy.server.orders import Orders
from proxy.server.request_body import LARGEST_HELD
from proxy.server.state import AskEngine, Snapshot
from proxy.server.visit import Visit
from proxy.shadow.circuit import Circuit
from proxy.shadow.deadlines import find_engine_deadline


class EngineSide:
    """Asks the engine on behalf of a client. ``tell`` takes events and never raises.

    An engine that fails again and again is left alone for a while: else every request would have to wait for
    its time limit before the upstream is asked. ``clock`` gives seconds that only grow.
    """

    def __init__(self, ask: AskEngine, tell: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self._ask_engine = ask
        self._tell = tell
        self._orders = Orders()
        self._clock = clock
        self._circuit = Circuit()

    async def read(self, visit: Visit) -> Answer | FallbackReason:
        """The answer to what changes nothing, or why the upstream has to give it."""
        if visit.snapshot.engine is None:
            return "no_schema"
        if not self._may_ask():
            return "circuit"
        outcome = await self._try_read(visit)
        if outcome != "unsupported":
            self._note(well=isinstance(outcome, Answer))
        return outcome

    def close_circuit(self) -> None:
        """Ask the engine again at once: somebody says that it is sound."""
        self._turn(Circuit())

    def _may_ask(self) -> bool:
        """Whether the engine is to be asked now, by the circuit breaker."""
        if self._circuit.opened_at is None:
            return True
        goes, circuit = self._circuit.ask(self._clock())
        self._turn(circuit)
        return goes

    def _note(self, *, well: bool) -> None:
        """Tell the circuit breaker how the engine did."""
        self._turn(self._circuit.succeed() if well else self._circuit.fail(self._clock()))

    def _turn(self, circuit: Circuit) -> None:
        was_open = self._circuit.opened_at is not None
        self._circuit = circuit
        if was_open != (circuit.opened_at is not None):
            self._tell(CircuitChanged(not was_open))

    async def _try_read(self, visit: Visit) -> Answer | FallbackReason:
        config = visit.snapshot.config
        try:
            async with asyncio.timeout(find_engine_deadline(config)):
                return await self._ask(await visit.complete(config.shadow.max_body), visit.snapshot)
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
            self._take_cancellation(error)
        except Exception as error:
            self._tell(describe_crash("engine", error))
        return "failed"

    async def write(self, visit: Visit) -> Answer | FallbackReason:
        """The answer to a write, or why the upstream has to do it: the engine has not and never will."""
        config, engine = visit.snapshot.config, visit.snapshot.engine
        if engine is None:
            return "no_schema"
        if not self._may_ask():
            return "circuit"
        try:
            request = await visit.complete(config.limits.body or LARGEST_HELD)
        except Unsupported:
            return "unsupported"
        visit.ongoing = task = self._orders.begin(self._write(visit, request, engine))
        return await asyncio.shield(task)

    async def _write(self, visit: Visit, request: Request, engine: EngineSnapshot) -> Answer | FallbackReason:
        upstream = visit.snapshot.config.upstream
        seconds = None if upstream is None else upstream.timeout
        try:
            async with asyncio.timeout(seconds):
                answer = await self._ask(request, visit.snapshot)
            self._note(well=True)
            return answer
        except Unsupported:
            return "unsupported"
        except TimeoutError:
            # The transaction is undone: else the engine would have said that its outcome is unknown.
            trouble = refusals.engine_timeout()
        except OutcomeUnknown as error:
            trouble = self._lose(visit, error)
        except EngineDown as error:
            trouble = error.error
        except asyncio.CancelledError as error:
            self._take_cancellation(error)
            trouble = self._lose(visit, OutcomeUnknown())
        except Exception as error:
            # A fault of ours, of which nobody knows whether it came before the end of the transaction.
            self._tell(describe_crash("engine", error))
            trouble = self._lose(visit, OutcomeUnknown())
        self._note(well=False)
        return answer_trouble(trouble, visit.request, engine.options)

    async def answer_alone(self, visit: Visit) -> Answer:
        """The answer where nobody stands behind the engine. Raises ApiError for what it does not do."""
        request = await visit.complete(None)
        if not visit.writes:
            return await self._answer_alone(visit, request)
        visit.ongoing = task = self._orders.begin(self._answer_alone(visit, request))
        return await asyncio.shield(task)

    async def close(self, grace: float = 1.0) -> None:
        """Let writes whose clients have left end for ``grace`` seconds, then give them up."""
        await self._orders.close(grace)

    async def _answer_alone(self, visit: Visit, request: Request) -> Answer:
        try:
            return await self._ask(request, visit.snapshot)
        except Unsupported as error:
            raise refusals.not_implemented(error.feature) from error
        except OutcomeUnknown as error:
            trouble = self._lose(visit, error)
        return answer_trouble(trouble, visit.request, visit.snapshot.config.engine)

    async def _ask(self, request: Request, snapshot: Snapshot) -> Answer:
        try:
            return await self._ask_engine(request, snapshot)
        except ApiError as error:
            return render_error(error)

    def _lose(self, visit: Visit, error: OutcomeUnknown) -> ApiError:
        self._tell(OutcomeLost(visit.decision.table, "engine"))
        return error.error

    def _take_cancellation(self, error: asyncio.CancelledError) -> None:
        """A cancellation inside the engine is a failure like others; only our own means that we stop."""
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise error
        self._tell(describe_crash("engine", error))


def describe_crash(where: str, error: BaseException) -> Crashed:
    """The event of a fault; the text of an exception may hold a token or a value (promise 10)."""
    return Crashed(where, type(error).__name__)

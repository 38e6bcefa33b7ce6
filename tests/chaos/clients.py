"""Clients of each mode: they read and write one after the other, and judge every answer."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Literal, TypeAlias

from proxy.messages import Answer, Request
from tests.chaos.cells import MODES, Mode, Outcome
from tests.chaos.stage import table_of
from tests.faults.client import TROUBLE, Client
from tests.faults.relay import HUGE

READERS = 3
PATIENCE = 12.0
"""Seconds after which a client gives up: longer than the proxy has for any answer."""

PAUSE = 0.03

Kind: TypeAlias = Literal["reads", "writes"]
_ERROR = {"code", "message", "details", "hint"}
UNKNOWN = "08007"
"""The code that tells a client that nobody knows whether its write was done."""


@dataclass(slots=True)
class Notes:
    """What the clients of one mode have seen since ``begin``, and what they know of their writes."""

    seen: dict[Kind, Counter[str]] = field(default_factory=lambda: {"reads": Counter(), "writes": Counter()})
    in_a_row: Counter[Kind] = field(default_factory=Counter)
    slowest: float = 0.0
    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    done: set[str] = field(default_factory=set)
    not_done: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)

    def begin(self) -> None:
        """Begin anew with what is seen."""
        self.seen = {"reads": Counter(), "writes": Counter()}
        self.in_a_row.clear()
        self.slowest = 0.0

    def note(self, kind: Kind, outcome: str, seconds: float) -> None:
        """Take down what came of one request."""
        self.seen[kind][outcome] += 1
        self.in_a_row[kind] = self.in_a_row[kind] + 1 if outcome == "right" else 0
        self.slowest = max(self.slowest, seconds)


class Crowd:
    """``READERS`` readers and a writer for each mode, until ``leave``."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._leaving = asyncio.Event()
        self._phase = 0
        self._keys = count(1000)
        self.notes: defaultdict[Mode, Notes] = defaultdict(Notes)

    async def live(self) -> None:
        """Ask until ``leave``."""
        async with asyncio.TaskGroup() as group:
            for mode in MODES:
                for number in range(READERS):
                    group.create_task(self._go_on(mode, "reads", number))
                group.create_task(self._go_on(mode, "writes", READERS))

    def leave(self) -> None:
        """Let each client end with what it is at."""
        self._leaving.set()

    def begin(self) -> None:
        """Begin anew with what is seen: by requests that are sent from now on."""
        self._phase += 1
        for mode in MODES:
            self.notes[mode].begin()

    def has(self, enough: Callable[[Notes, Kind], bool]) -> bool:
        """Whether the clients of each mode have seen enough, reading and writing."""
        return all(enough(self.notes[mode], kind) for mode in MODES for kind in ("reads", "writes"))

    async def _go_on(self, mode: Mode, kind: Kind, number: int) -> None:
        dice, loop, notes = Random(number), asyncio.get_running_loop(), self.notes[mode]
        # A client and shape of a canary has one side; the readers are to have both.
        header = (b"X-Forwarded-For", b"192.0.2.%d" % number)
        client = Client(self._port, keep=number % 2 == 0, timeout=PATIENCE)
        while not self._leaving.is_set():
            started, phase = loop.time(), self._phase
            if kind == "reads":
                outcome = await self._read(client, mode, header, dice)
            else:
                outcome = await self._write(client, mode, header)
            if phase == self._phase:
                notes.note(kind, outcome, loop.time() - started)
            await asyncio.sleep(PAUSE)
        await client.aclose()

    async def _read(self, client: Client, mode: Mode, header: tuple[bytes, bytes], dice: Random) -> str:
        key = dice.randint(1, 100)
        column = dice.choice(("id,name", "name,id", "name", "id"))
        target = f"/{table_of(mode)}?select={column}&id=eq.{key}"
        wanted = {name: {"id": key, "name": f"row {key}"}[name] for name in column.split(",")}
        request = Request("GET", target.encode(), ((b"Host", b"chaos"), header))
        answer = await self._ask(client, mode, request)
        if isinstance(answer, str):
            return answer
        if answer.status == 200 and _parse(answer.body) == [wanted]:
            return "right"
        return name_outcome(answer)

    async def _write(self, client: Client, mode: Mode, header: tuple[bytes, bytes]) -> str:
        number, notes = next(self._keys), self.notes[mode]
        name = f"{mode}-{number}"
        row = {"id": number, "name": name}
        body = json.dumps(row).encode()
        headers = (
            (b"Host", b"chaos"),
            header,
            (b"Content-Type", b"application/json"),
            (b"Content-Length", b"%d" % len(body)),
            (b"Prefer", b"return=representation"),
        )
        target = f"/{table_of(mode)}?select=id,name".encode()
        answer = await self._ask(client, mode, Request("POST", target, headers, body))
        if isinstance(answer, str):
            notes.doubtful.add(name)
            return answer
        if answer.status == 201 and _parse(answer.body) == [row]:
            notes.done.add(name)
            return "right"
        told = _parse(answer.body)
        unknown = not isinstance(told, dict) or told.get("code") == UNKNOWN
        (notes.doubtful if unknown else notes.not_done).add(name)
        return name_outcome(answer)

    async def _ask(self, client: Client, mode: Mode, request: Request) -> "Answer | Outcome":
        notes = self.notes[mode]
        notes.sent += 1
        try:
            answer = await client.ask(request)
        except TimeoutError:
            return "late"
        except TROUBLE:
            return "cut"
        notes.statuses[answer.status] += 1
        return answer


def name_outcome(answer: Answer) -> str:
    """What an answer is that is not the right one; anything that is not foreseen shows itself whole."""
    if answer.status == 200 and len(answer.body) == HUGE and not answer.body.strip(b"x"):
        return "theirs"
    told = _parse(answer.body)
    if answer.status >= 400 and isinstance(told, dict) and told.keys() == _ERROR:
        return str(answer.status)
    return f"{answer.status} {answer.body[:60]!r}"


def _parse(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None

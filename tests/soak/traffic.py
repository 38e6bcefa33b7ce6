"""Clients that know what each answer has to be, by a model of the data that is neither side's."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from proxy.messages import Answer, Request
from tests.faults.client import TROUBLE, Client
from tests.soak.stage import ANONYMOUS, READER, make_token

FACTS, SHELVES, CHANGING = 500, 20, 50
TABLES = ("fact_upstream", "fact_shadow", "fact_canary", "fact_engine")
STORMY = frozenset({500, 502, 503, 504})
"""What may be answered while the database is being restarted, and nothing but that."""

_HOST = (b"Host", b"soak")
_JSON = (b"Content-Type", b"application/json")


@dataclass(slots=True)
class Weather:
    """What may be expected now. ``storms`` is how often the database has been taken away so far."""

    stormy: bool = False
    altering: bool = False
    storms: int = 0
    alterations: int = 0


@dataclass(slots=True)
class Seen:
    """What all clients have seen together."""

    requests: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    wrong: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)

    def note_wrong(self, text: str) -> None:
        if len(self.wrong) < 50:
            self.wrong.append(text[:300])
        else:
            self.wrong[-1] = "and more"


@dataclass(frozen=True, slots=True)
class Read:
    """A read, what judges its body, and the errors that it may meet while the schema or roles change."""

    target: str
    is_right: Callable[[bytes], bool]
    token: str = ""
    altering: frozenset[int] = frozenset()
    always: frozenset[int] = frozenset()


class Traffic:
    """``clients`` clients, at ``rate`` requests per second together, until ``leave``."""

    def __init__(self, port: int, *, clients: int, rate: float) -> None:
        self._port = port
        self._clients = clients
        self._rate = rate
        self._leaving = False
        self._numbers = count(1)
        self._token = make_token(READER)
        self.weather = Weather()
        self.seen = Seen()

    async def flow(self) -> None:
        """Ask until ``leave``."""
        started = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for number in range(self._clients):
                group.create_task(self._live(number, started))

    def leave(self) -> None:
        """Let every client end with what it is at."""
        self._leaving = True

    async def _live(self, number: int, started: float) -> None:
        dice, loop = Random(number), asyncio.get_running_loop()
        client = Client(self._port, keep=number % 8 != 0)
        while not self._leaving:
            ahead = self.seen.requests / self._rate - (loop.time() - started)
            if ahead > 0:
                await asyncio.sleep(min(ahead, 0.5))
            if dice.random() < 0.03:
                await self._write(client)
            else:
                await self._read(client, self._draw(dice))
        await client.aclose()

    def _draw(self, dice: Random) -> Read:
        draw = dice.random()
        if draw < 0.80:
            return draw_fact(dice)
        if draw < 0.86:
            return Read("/rpc/whoami", lambda body: body == f'"{ANONYMOUS}"'.encode())
        if draw < 0.92:
            return Read("/rpc/whoami", lambda body: body == f'"{READER}"'.encode(), token=self._token)
        if draw < 0.94:
            return Read("/guarded?select=id", lambda body: body == b'[{"id":1}]', always=frozenset({401}))
        if draw < 0.95:
            return Read("/fleeting", lambda body: body == b"[]", always=frozenset({404}))
        if draw < 0.96:
            return Read("/no_such_table", lambda _: False, always=frozenset({404}))
        key = dice.randint(1, CHANGING)
        wanted = {"id": key, "name": f"row {key}"}
        if draw < 0.98:
            return Read(f"/changing?select=id,name&id=eq.{key}", lambda body: json.loads(body) == [wanted])
        # What columns there are beside is not known from one moment to the next.
        return Read(
            f"/changing?id=eq.{key}",
            lambda body: len(rows := json.loads(body)) == 1 and wanted.items() <= rows[0].items(),
            altering=frozenset({400}),
        )

    async def _ask(self, client: Client, request: Request) -> Answer | None:
        """The answer, or None if there is none and may be none."""
        storms, stormy = self.weather.storms, self.weather.stormy
        self.seen.requests += 1
        try:
            answer = await client.ask(request)
        except TROUBLE as error:
            self.seen.lost += 1
            self.seen.note_wrong(f"{request.method} {request.target!r}: {error!r}")
            return None
        self.seen.answers[answer.status] += 1
        stormy |= self.weather.stormy or self.weather.storms != storms
        if answer.status in STORMY and stormy:
            return None
        return answer

    async def _read(self, client: Client, read: Read) -> None:
        alterations = self.weather.alterations
        headers = [_HOST]
        if read.token:
            headers.append((b"Authorization", f"Bearer {read.token}".encode()))
        answer = await self._ask(client, Request("GET", read.target.encode(), tuple(headers)))
        if answer is None or answer.status in read.always:
            return
        altered = self.weather.altering or self.weather.alterations != alterations
        if altered and answer.status in read.altering:
            return
        if answer.status != 200 or not read.is_right(answer.body):
            self.seen.note_wrong(f"{read.target}: {answer.status} {answer.body[:150]!r}")

    async def _write(self, client: Client) -> None:
        """Write a note, read it again, and let go of every other one."""
        number = next(self._numbers)
        key = f"note-{number}"
        body = json.dumps({"key": key, "body": f"body {number}"}).encode()
        made = await self._send(client, "POST", "/note", body, 201)
        if made is None:
            self.seen.doubtful.add(key)
            return
        self.seen.acknowledged.add(key)
        await self._read(
            client,
            Read(f"/note?key=eq.{key}", lambda found: json.loads(found) == [json.loads(body)]),
        )
        if number % 2:
            self.seen.acknowledged.discard(key)
            if await self._send(client, "DELETE", f"/note?key=eq.{key}", b"", 204) is None:
                self.seen.doubtful.add(key)

    async def _send(
        self, client: Client, method: str, target: str, body: bytes, status: int
    ) -> Answer | None:
        headers = (_HOST, _JSON, (b"Content-Length", b"%d" % len(body)))
        answer = await self._ask(client, Request(method, target.encode(), headers, body))
        if answer is not None and answer.status != status:
            self.seen.note_wrong(f"{method} {target}: {answer.status} {answer.body[:150]!r}")
            return None
        return answer


def draw_fact(dice: Random) -> Read:
    """One of the reads whose answer never changes."""
    table = dice.choice(TABLES)
    key = dice.randint(1, FACTS)
    match dice.randint(1, 4):
        case 1:
            wanted: object = [fact(key)]
            target = f"/{table}?id=eq.{key}"
        case 2:
            wanted = [{"id": n, "price": fact(n)["price"]} for n in range(key, min(FACTS, key + 9) + 1)]
            target = f"/{table}?select=id,price&id=gte.{key}&order=id&limit=10"
        case 3:
            wanted = [{"tags": {"n": key, "list": [key, "x"]}}]
            target = f"/{table}?select=tags&name=eq.fact%20{key}%20%E2%80%93%20%C3%BC"
        case _:
            if table not in ("fact_upstream", "fact_engine"):
                return draw_fact(dice)
            wanted = [{"name": fact(key)["name"], "shelf": {"place": f"place {1 + key % SHELVES}"}}]
            target = f"/{table}?select=name,shelf(place)&id=eq.{key}"
    return Read(target, lambda body: json.loads(body) == wanted)


def fact(key: int) -> dict[str, object]:
    """The row with this key."""
    return {
        "id": key,
        "shelf_id": 1 + key % SHELVES,
        "name": f"fact {key} – ü",
        "price": key * 1.25,
        "tags": {"n": key, "list": [key, "x"]},
    }

"""Clients that check every answer against what it has to be, and writers beside them."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import aiohttp

CLIENTS = 50
WRITERS = 3
PAUSE = 1.0
"""Seconds that a client waits between an answer and its next request, on average."""

_HEADERS = ("Content-Type", "Content-Range")
_SHELVES, _ITEMS = 20, 200


@dataclass(frozen=True, slots=True)
class Expected:
    """What a read has to answer: status, headers that mean something, and the body's bytes."""

    status: int
    headers: tuple[str | None, ...]
    body: bytes


@dataclass(slots=True)
class Seen:
    """What one client saw."""

    answers: int = 0
    errors: int = 0
    wrong: int = 0
    slowest: float = 0.0
    problems: Counter[str] = field(default_factory=Counter)


_ITEM_READS = (
    "/item?id=eq.{}",
    "/item?select=id,name,price&id=lte.{}&order=id.desc&limit=5",
    "/item?select=id,made,shelf(id,place)&id=eq.{}",
)
_SHELF_READS = (
    "/item?select=id,name&shelf_id=eq.{}&id=lte.200&order=id",
    "/shelf?select=place,item(id,price)&id=eq.{}&item.id=lte.200&item.order=id",
    "/shelf?id=eq.{}",
)
_PAIR_READ = "/shelf?id=in.({},{})&order=id"
"""Reads whose answers never change, by the number of an item, of a shelf, or of two."""


def list_reads() -> list[str]:
    """All of them."""
    shelves = range(1, _SHELVES + 1)
    return [
        *(read.format(item) for read in _ITEM_READS for item in range(1, _ITEMS + 1)),
        *(read.format(shelf) for read in _SHELF_READS for shelf in shelves),
        *(_PAIR_READ.format(one, other) for one in shelves for other in shelves),
    ]


def draw_read(dice: Random) -> str:
    """One of them; each form is as likely as the others."""
    form = dice.choice((*_ITEM_READS, *_SHELF_READS, _PAIR_READ))
    most = _ITEMS if form in _ITEM_READS else _SHELVES
    return form.format(dice.randint(1, most), dice.randint(1, most))


def model(target: str) -> object:
    """What a read means, by the rows of schema.sql: an independent word on what the upstream says."""
    path, _, query = target.partition("?")
    wanted = dict(pair.split("=", 1) for pair in query.split("&"))
    if wanted.get("id", "").startswith("in."):
        shelves = sorted({int(one) for one in wanted["id"].removeprefix("in.").strip("()").split(",")})
        return [{"id": shelf, "place": f"place {shelf}"} for shelf in shelves]
    number = int(wanted.get("id", wanted.get("shelf_id", "")).rpartition(".")[2]) if "id" in wanted else 0
    if path == "/shelf":
        shelf = {"id": number, "place": f"place {number}"}
        if "select" not in wanted:
            return [shelf]
        items = [one for one in range(1, _ITEMS + 1) if 1 + one % 20 == number]
        return [{"place": shelf["place"], "item": [{"id": one, "price": _price(one)} for one in items]}]
    if "shelf_id" in wanted:
        shelf_id = int(wanted["shelf_id"].removeprefix("eq."))
        return [{"id": n, "name": f"item {n}"} for n in range(1, _ITEMS + 1) if 1 + n % 20 == shelf_id]
    if "limit" in wanted:
        return [
            {"id": n, "name": f"item {n}", "price": _price(n)} for n in range(number, max(0, number - 5), -1)
        ]
    made = f"2026-01-{2 + (3 + number) // 24:02d}T{(3 + number) % 24:02d}:04:05+00:00"
    place = 1 + number % 20
    if "select" in wanted:
        return [{"id": number, "made": made, "shelf": {"id": place, "place": f"place {place}"}}]
    return [
        {"id": number, "shelf_id": place, "name": f"item {number}", "price": _price(number), "made": made}
    ]


def _price(number: int) -> float:
    return round(number * 1.1, 2)


async def learn(url: str) -> Mapping[str, Expected]:
    """What every read has to answer, by the upstream, each confirmed by the model."""
    expected: dict[str, Expected] = {}
    async with aiohttp.ClientSession() as session:
        for target in list_reads():
            async with session.get(url + target) as answer:
                body = await answer.read()
                if answer.status != 200 or json.loads(body) != model(target):
                    raise AssertionError(f"{target}: {body!r} instead of {model(target)!r}")
                expected[target] = Expected(answer.status, _headers(answer), body)
    return expected


def _headers(answer: aiohttp.ClientResponse) -> tuple[str | None, ...]:
    return tuple(answer.headers.get(name) for name in _HEADERS)


class Crowd:
    """Clients and writers, until the block is left. ``seen`` is what each client saw since ``begin``, and
    ``total`` before that."""

    def __init__(self, url: str, expected: Mapping[str, Expected], *, clients: int = CLIENTS) -> None:
        self._url = url
        self._expected = expected
        self.seen = [Seen() for _ in range(clients)]
        self.total = [Seen() for _ in range(clients)]
        self.written = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._session: Any = None

    async def __aenter__(self) -> "Crowd":
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector)
        ids = count(100_000)
        self._tasks = [
            *(asyncio.create_task(self._read(number)) for number in range(len(self.seen))),
            *(asyncio.create_task(self._write(ids)) for _ in range(WRITERS)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    def begin(self) -> None:
        """Begin anew with what is seen; ``total`` keeps it."""
        for whole, part in zip(self.total, self.seen, strict=True):
            whole.answers += part.answers
            whole.errors += part.errors
            whole.wrong += part.wrong
            whole.slowest = max(whole.slowest, part.slowest)
        self.seen = [Seen() for _ in self.seen]

    async def _read(self, number: int) -> None:
        dice = Random(number)
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PAUSE * 2 * dice.random())
            target = draw_read(dice)
            started = loop.time()
            try:
                async with self._session.get(self._url + target, headers=headers) as answer:
                    got = Expected(answer.status, _headers(answer), await answer.read())
            except aiohttp.ClientError as error:
                self._note(number, type(error).__name__)
                continue
            seen = self.seen[number]
            seen.answers += 1
            seen.slowest = max(seen.slowest, loop.time() - started)
            if got.status >= 500:
                self._note(number, str(got.status))
            elif got != self._expected[target]:
                seen.wrong += 1

    def _note(self, number: int, problem: str) -> None:
        self.seen[number].errors += 1
        self.seen[number].problems[problem] += 1

    async def _write(self, ids: "count[int]") -> None:
        """Insert, change and delete rows that no client reads; each write has to succeed."""
        while True:
            key = next(ids)
            row = {"id": key, "shelf_id": 1 + key % 20, "name": "x", "price": 1, "made": "2026-01-01"}
            for method, target, body, status in (
                ("POST", "/item", row, 201),
                ("PATCH", f"/item?id=eq.{key}", {"price": 2}, 204),
                ("DELETE", f"/item?id=eq.{key}", None, 204),
            ):
                async with self._session.request(method, self._url + target, json=body) as answer:
                    assert answer.status == status, f"{method} {target}: {answer.status}"
                self.written += 1
                await asyncio.sleep(0.2)

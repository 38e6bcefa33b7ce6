"""Writers on the tables that are read: ``python -m tests.verdicts.writers URL RATE SEED`` until it is ended.

Every write is a transaction of its own. Most put a value where it was a moment ago, which is what can
deceive somebody who only compares twice.
"""

import asyncio
import random
import sys
import time

import asyncpg

CONNECTIONS = 2
STRANGERS = range(2001, 2200)
"""Keys of rows that come and go."""

FLIP = "update shop.item set flag = not flag where id = $1"
COUNT_UP = "update shop.item set qty = qty + 1, price = price + 0.25 where id = $1"
COUNT_DOWN = "update shop.item set qty = qty - 1, price = price - 0.25 where id = $1"
NOTE = "update shop.item set note = case when note is null then '' end where id = $1"
COME = """
  insert into shop.item select $1, 'stranger', $1 % 40, 1, null, 0, true, null, 1, code, tags, meta, raw,
    made, day, span, within from shop.item where id = 1 on conflict do nothing
"""
GO = "delete from shop.item where id = $1"
PART_COMES = "insert into shop.part values (10000 + $1, $1, 99, null) on conflict do nothing"
PART_GOES = "delete from shop.part where id = 10000 + $1"


VACUUM = "vacuum shop.item, shop.part"
VACUUM_EVERY = 5.0
"""Seconds: the embedded server has no autovacuum, and by a thousand writes a second tables of a thousand rows
would soon be read as slowly as such of a million."""


def draw_write(chance: random.Random) -> tuple[str, int]:
    """A statement with its argument."""
    kind = chance.random()
    if kind < 0.2:
        return chance.choice((COME, GO)), chance.choice(STRANGERS)
    statement = chance.choice((FLIP, FLIP, COUNT_UP, COUNT_DOWN, NOTE, PART_COMES, PART_GOES))
    # A few rows are written far more often than the others.
    return statement, chance.randint(981, 1000) if chance.random() < 0.3 else chance.randint(1, 1000)


async def write(url: str, rate: float, seed: int) -> None:
    """Write ``rate`` times a second, as far as the database keeps up, and say each second how often."""
    chance = random.Random(seed)
    pool = await asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS)
    done = 0
    started = told = time.monotonic()

    async def work() -> None:
        nonlocal done, told
        async with pool.acquire() as connection:
            while True:
                due = done / rate - (time.monotonic() - started)
                if due > 0:
                    await asyncio.sleep(due)
                done += 1
                statement, argument = draw_write(chance)
                try:
                    await connection.execute(statement, argument)
                except asyncpg.PostgresError:
                    # Two connections may lock each other; the write is then simply not made.
                    continue
                if time.monotonic() - told > 1:
                    told = time.monotonic()
                    print(f"{done / (told - started):.0f}", flush=True)

    async def vacuum() -> None:
        connection = await asyncpg.connect(url)
        while True:
            await asyncio.sleep(VACUUM_EVERY)
            await connection.execute(VACUUM)

    await asyncio.gather(vacuum(), *(work() for _ in range(CONNECTIONS)))


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))

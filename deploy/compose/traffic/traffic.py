"""Clients for the demonstration: a few requests a second, of every kind, until stopped.

Usage: ``python traffic.py URL [--seconds N] [--rate N]``. Needs nothing beside Python.
"""

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterator
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

REQUESTS = (
    "/shelf?select=id,room&order=id",
    "/shelf?id=eq.{shelf}",
    "/shelf?select=room,climate-%3Ecelsius&capacity=gte.40&order=room",
    "/part?id=eq.{part}",
    "/part?select=name,weight_kg&order=weight_kg.desc,id&limit=10",
    "/part?select=name,shelf(room)&tags=cs.%7Boptics%7D&order=id&limit=20&offset={offset}",
    "/part?name=like.*{part}&order=name",
    "/loan?select=borrower,part(name)&returned_at=is.null&order=id&limit=5",
    "/loan?borrower=eq.Vera",
    "PATCH /loan?id=eq.{loan}",
    "/overdue?order=lent_at,id&limit=5",
    "/overdue?limit=3",
    "/rpc/heaviest?most={few}",
    "/part?shelf_id=eq.none",
    "/nothing",
)
RETURNED = b'{"returned_at": "2026-06-01T12:00:00Z"}'
"""What the one write says: a part came back. Doing it twice changes nothing."""


def choose_requests(url: str, seed: int = 1) -> Iterator[Request]:
    """Requests without end, each kind as often as the others."""
    dice = random.Random(seed)
    for text in itertools.cycle(REQUESTS):
        path = text.format(
            shelf=dice.randint(1, 5),
            part=dice.randint(1, 400),
            loan=3 * dice.randint(1, 40),
            offset=20 * dice.randint(0, 5),
            few=dice.randint(1, 5),
        )
        method, space, target = path.partition(" ")
        if space:
            head = {"Content-Type": "application/json"}
            yield Request(url + target, RETURNED, head, method=method)
        else:
            yield Request(url + path)


def main() -> int:
    """Send requests to the URL that the command line names."""
    parser = argparse.ArgumentParser(description="Send requests to the demonstration's proxy.")
    parser.add_argument("url", help="where clients connect, such as http://127.0.0.1:3000")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many seconds")
    parser.add_argument("--rate", type=float, default=5.0, help="requests per second")
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    for request in choose_requests(options.url):
        if time.monotonic() >= end:
            return 0
        try:
            with urlopen(request, timeout=10) as answer:
                answer.read()
        except HTTPError as error:
            # Two of the requests are wrong on purpose: errors are compared, too.
            error.read()
        except (URLError, OSError) as error:
            print(f"traffic: {error}", file=sys.stderr)
        time.sleep(1 / options.rate)
    return 0


if __name__ == "__main__":
    sys.exit(main())

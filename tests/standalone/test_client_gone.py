"""A client that leaves before it is answered."""

import socket

from tests.standalone.conftest import Place
from tests.standalone.support import engine

WAITING = "select pid::text from pg_locks where locktype = 'advisory' and not granted"


def test_what_a_client_asked_to_be_done_is_done_though_it_leaves(place: Place) -> None:
    with engine({**place.settings, "PGRST_DB_POOL": "2"}) as running:
        with place.holding(7):
            host, _, port = running.place.rpartition(":")
            with socket.create_connection((host, int(port))) as client:
                body = b'{"id": 1}'
                head = f"POST /rpc/do_job HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
                client.sendall(head.encode() + body)
                place.wait_until(WAITING)
            assert running.get("/items").status == 200
            assert place.fetch(WAITING)
        place.wait_until("select id::text from api.jobs where id = 1")

"""A mirrored read leaves nothing behind, though a function with every right in the database tries."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from proxy.config import EngineConfig
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.messages import Answer, Request
from tests.attack.conftest import Vault

REFUSED = (
    *("insert", "read_write", "set_transaction", "characteristics", "commit", "truncate", "create"),
    *("copy_from_program", "nextval", "setval", "lock_row", "prepared_transaction"),
    "advisory_lock_and_fail",
)
UNDONE = (
    *("large_object", "notify", "listen", "advisory_lock", "temporary_table", "session_setting"),
    *("cursor", "session_role", "application_name"),
)

TRACES = """
SELECT (SELECT count(*) FROM vault.item), (SELECT count(*) FROM vault.secret),
       (SELECT last_value || ' ' || is_called FROM vault.counter),
       to_regclass('vault.made'), (SELECT count(*) FROM pg_largeobject_metadata),
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
       (SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname = 'item'),
       (SELECT count(*) FROM pg_prepared_xacts)
"""
OWN = """
SELECT current_setting('timezone'), current_setting('search_path'), current_setting('role'),
       current_user::text,
       current_setting('default_transaction_read_only'),
       (SELECT count(*) FROM pg_listening_channels()), (SELECT count(*) FROM pg_cursors WHERE is_holdable)
"""


class Mirror:
    """The engine as the mirror has it, on one connection that every request gets."""

    def __init__(self, database: Database, snapshot: EngineSnapshot, direct: asyncpg.Connection) -> None:
        self.database = database
        self.snapshot = snapshot
        self.direct = direct
        self.heard: list[object] = []

    async def attempt(self, what: str, method: str) -> Answer:
        if method == "GET":
            request = Request("GET", f"/rpc/attempt?what={what}".encode())
        else:
            request = Request("POST", b"/rpc/attempt", (), b'{"what":"%b"}' % what.encode())
        return await answer(request, self.snapshot, self.database)

    async def look(self) -> tuple[object, object]:
        """What there is to see from outside, and on the connection itself."""
        outside = tuple(await self.direct.fetchrow(TRACES))
        return outside, tuple(await self.database.run(lambda connection: connection.fetchrow(OWN)))


@pytest.fixture
async def mirror(vault: Vault) -> AsyncIterator[Mirror]:
    options = EngineConfig(db_uri=vault.login, db_schemas=("vault",), db_anon_role="vault_clerk")
    database = Database(options, connections=1, application_name="mirror", read_only=True)
    direct = await asyncpg.connect(vault.url)
    try:
        mirror = Mirror(database, EngineSnapshot(options, await database.load_schema(options)), direct)
        await direct.add_listener("vault", lambda *heard: mirror.heard.append(heard))
        yield mirror
    finally:
        await direct.close()
        await database.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_functions_try_in_mirrored_reads_is_refused_or_undone(mirror: Mirror, method: str) -> None:
    before = await mirror.look()
    for what in (*REFUSED, *UNDONE):
        answered = await mirror.attempt(what, method)
        assert answered.status >= 400 or what in UNDONE, (what, answered)
        assert await mirror.look() == before, what
    # A round trip on the listener's own connection: what was notified before it has come by then.
    await mirror.direct.fetchval("SELECT 1")
    assert mirror.heard == []
    plain = await answer(Request("GET", b"/item?select=label"), mirror.snapshot, mirror.database)
    assert (plain.status, plain.body) == (200, b'[{"label":"lamp"}]')


async def test_what_is_undone_is_done_where_it_may_be(mirror: Mirror) -> None:
    """Else the test above would not show anything."""
    serving = Database(mirror.snapshot.options, connections=1, application_name="serving")
    try:
        for what in ("notify", "advisory_lock", "session_setting"):
            request = Request("POST", b"/rpc/attempt", (), b'{"what":"%b"}' % what.encode())
            assert (await answer(request, mirror.snapshot, serving)).status == 200
        await mirror.direct.fetchval("SELECT 1")
        assert len(mirror.heard) == 1
        zone = "SELECT current_setting('timezone')"
        assert await serving.run(lambda connection: connection.fetchval(zone)) == "Pacific/Chatham"
    finally:
        await serving.close()

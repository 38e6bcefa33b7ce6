"""``understudy tape replay``, joined with the engine: on the database of a configuration, without HTTP."""

import argparse
import asyncio
import base64
import json
import sys
from functools import partial

from proxy.config import Config, EngineConfig
from proxy.database.answer import answer
from proxy.database.connection import Database
from proxy.database.snapshot import EngineSnapshot
from proxy.errors import ApiError, EngineDown, render_error
from proxy.messages import Answer, Request
from proxy.tape.replay import replay_tape
from proxy.tape.request import RequestSettings


def run(options: argparse.Namespace, config: Config | None) -> int:
    """Replay against ``--url``, or else against the engine of ``config``.

    Tokens are signed with the secret of ``config``. Exit code 0: all pass, 1: differences, 2: wrong usage.
    """
    if config is None:
        return asyncio.run(replay_tape(options))
    try:
        settings = RequestSettings(b"localhost", token_secret=find_secret(config.engine))
    except ValueError as error:
        print(f"understudy tape replay: {error}", file=sys.stderr)
        return 2
    if options.url is not None:
        return asyncio.run(replay_tape(options, settings=settings))
    return asyncio.run(_replay_on_engine(options, config, settings))


async def _replay_on_engine(options: argparse.Namespace, config: Config, settings: RequestSettings) -> int:
    """In transactions that the database holds read only: a tape never changes anything here."""
    database = Database(
        config.engine,
        connections=options.concurrency,
        application_name="understudy tape replay",
        read_only=True,
    )
    try:
        schema = await database.load_schema(config.engine)
        ask = partial(_ask, snapshot=EngineSnapshot(config.engine, schema), database=database)
        return await replay_tape(options, ask, settings=settings)
    except (ApiError, EngineDown) as error:
        print(f"understudy tape replay: the database cannot be read: {error}", file=sys.stderr)
        return 2
    finally:
        await database.close()


async def _ask(request: Request, snapshot: EngineSnapshot, database: Database) -> Answer:
    try:
        return await answer(request, snapshot, database)
    except ApiError as error:
        return render_error(error)


def find_secret(options: EngineConfig) -> bytes | None:
    """The secret that tokens are signed with; None without one. Raises ValueError for a set of keys."""
    if options.jwt_secret is None:
        return None
    secret = options.jwt_secret.encode("utf-8", "surrogateescape")
    if options.jwt_secret_is_base64:
        return base64.b64decode(secret.strip().translate(bytes.maketrans(b"_-.", b"/+=")))
    try:
        is_key = isinstance(json.loads(secret), dict)
    except ValueError:
        return secret
    if is_key:
        raise ValueError("jwt-secret is a key set; tokens of a tape can be signed with a plain secret only")
    return secret

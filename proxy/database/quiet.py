"""A read that runs nothing but what is built in (``proxy.engine.plan.quiet``): one statement, and no more.

It needs no transaction around it, and no settings but those that stand on the connection.
"""

from proxy.database.faults import is_refusal
from proxy.database.pipeline import Pipeline, Refused
from proxy.database.statements import make_step
from proxy.database.wire import Fields
from proxy.engine.sql.session import Session

_FALSE = b"f"
_FINAL = ("53", "57")
"""The classes of SQLSTATEs by which a server has no room or time, or ends: it is not asked again."""


async def read_quietly(pipeline: Pipeline, session: Session, sql: str, values: bytes) -> list[Fields] | None:
    """The rows; None where it takes a transaction, or something is not as it was.

    PostgreSQL's errors are told by the transaction, as what they tell may depend on its settings.
    """
    settings, standing = session.standing, pipeline.standing
    if settings is None or standing is None or not standing.usable:
        return None
    opening = standing.make(settings)
    try:
        found = await pipeline.run((*opening, make_step(sql, values, session.role)), len(opening))
    except Refused as error:
        if is_refusal(error.message) and not error.message.sqlstate.startswith(_FINAL):
            return None
        raise
    standing.keep(settings)
    if found[0][-1] != _FALSE:
        standing.usable = False
        return None
    return found

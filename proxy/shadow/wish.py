"""What a person wants of one table of a running proxy, and what came of it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from proxy.shadow.ramp import Promoted

Action: TypeAlias = Literal["promote", "rollback", "rearm"]
Result: TypeAlias = Literal["done", "refused", "not_writable", "unreachable"]


@dataclass(frozen=True, slots=True)
class Wish:
    """``action`` on ``table``, by ``who`` and ``why``.

    Promoting goes ``to`` a canary with a ``share`` in percent (None: as usual), or to the engine; ``force``
    does without evidence, and takes a ``why``, as re-arming does.
    """

    action: Action
    table: str
    who: str
    why: str = ""
    to: Promoted = "canary"
    share: float | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """``done``: what was done, in ``words``; else why it was not, a reason each.

    ``not_writable``: the file cannot be changed by the proxy; ``patch`` is what to apply where it is kept, as
    a text for people. ``unreachable``: the ledger, in which holds are kept, cannot be written now.
    """

    result: Result
    words: tuple[str, ...]
    patch: str = ""

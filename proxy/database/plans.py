"""Plans that have been made, kept: those used last, under one snapshot."""

from collections.abc import Callable, Hashable
from typing import TypeAlias, TypeVar

from proxy.database.last_used import LastUsed
from proxy.database.snapshot import EngineSnapshot
from proxy.engine.parse.payload import Payload
from proxy.engine.parse.request import ApiRequest, read_payload
from proxy.engine.plan.whole import Plan
from proxy.engine.prepare import Outline, Prepared, parse_outline, prepare, take_literals
from proxy.engine.sql.session import Session
from proxy.errors import ApiError, Unsupported
from proxy.messages import Headers, Request

_MOST = 512
_LONGEST_TARGET = 2048
_LONGEST_BODY = 64 * 1024
"""What is longer is seldom asked twice, and takes so long that it is read off the event loop."""

_WITHOUT_PAYLOAD = frozenset({"GET", "HEAD", "DELETE"})

_Likeness: TypeAlias = tuple[Outline, frozenset[str], bool]
"""What requests have in common that one plan serves; of a payload its keys, and whether it is one object."""

_NO_KEYS: frozenset[str] = frozenset()

_Key = TypeVar("_Key", bound=Hashable)
_Made = TypeVar("_Made")


class Plans:
    """Remembers plans. What is in it changes how long an answer takes, never the answer."""

    def __init__(self) -> None:
        self._snapshot: EngineSnapshot | None = None
        self._heads: LastUsed[Outline, ApiRequest | None] = LastUsed(_MOST)
        self._plans: LastUsed[_Likeness, Prepared | None] = LastUsed(_MOST)
        self._sessions: LastUsed[tuple[int, Headers], tuple[Plan, Session]] = LastUsed(_MOST)

    def clear(self) -> None:
        """Forget everything."""
        self._heads.clear()
        self._plans.clear()
        self._sessions.clear()

    def find(self, request: Request, snapshot: EngineSnapshot) -> Prepared | None:
        """What is to be run for ``request``; None if it has to be parsed and planned for itself.

        None as well if it is in error, but for its payload: raises ApiError as parsing that does.
        """
        if len(request.target) > _LONGEST_TARGET or len(request.body) > _LONGEST_BODY:
            return None
        known = self._snapshot
        if known is None or snapshot.schema is not known.schema or snapshot.options is not known.options:
            self.clear()
            self._snapshot = snapshot
        outline, literals = take_literals(request)
        payload = None
        if request.method not in _WITHOUT_PAYLOAD:
            head = _recall(self._heads, outline, lambda: _parse(outline, snapshot))
            if head is None:
                return None
            payload = read_payload(head, request.body)
        likeness = (outline, _NO_KEYS, False) if payload is None else (outline, payload.keys, payload.single)
        prepared = _recall(self._plans, likeness, lambda: _prepare(outline, payload, snapshot))
        return None if prepared is None else prepared.fill(literals, payload)

    def recall_session(self, plan: Plan, headers: Headers, make: Callable[[], Session]) -> Session:
        """The session that ``make`` gives, for ``plan`` as it was found and a client's headers.

        Both tell all that it depends on: a plan is for one method and path, and headers say who asks.
        """
        key = (id(plan), headers)
        try:
            return self._sessions[key][1]
        except KeyError:
            session = make()
            # With the plan, so that its number is given to no other.
            self._sessions.put(key, (plan, session))
            return session


def _recall(kept: LastUsed[_Key, _Made | None], key: _Key, make: Callable[[], _Made | None]) -> _Made | None:
    try:
        return kept[key]
    except KeyError:
        try:
            made = make()
        except (ApiError, Unsupported, RecursionError):
            made = None
        kept.put(key, made)
        return made


def _parse(outline: Outline, snapshot: EngineSnapshot) -> ApiRequest | None:
    wanted = parse_outline(outline, snapshot.options)
    return None if wanted is None or wanted.action == "info" or wanted.resource == "root" else wanted


def _prepare(outline: Outline, payload: Payload | None, snapshot: EngineSnapshot) -> Prepared | None:
    wanted = _parse(outline, snapshot)
    return None if wanted is None else prepare(wanted, payload, snapshot.schema, snapshot.options)

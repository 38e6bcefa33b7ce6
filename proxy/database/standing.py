"""The settings that stand on a connection between transactions, for reads that need no others.

A read that runs nothing but what is built in (see ``proxy.engine.plan.quiet``) is one statement without a
transaction around it, where role and search path stand already: those of the last such read, mostly.
"""

import time
from collections.abc import Callable, Set
from functools import lru_cache
from itertools import chain

from proxy.database.wire import Step, encode_values
from proxy.engine.sql.elements import quote
from proxy.engine.sql.session import Settings

_TRUSTED = 1.0
"""Seconds after which they are made anew, so that a role that was taken away is not kept."""

_ALWAYS_SET = frozenset({"search_path", "role"})
"""What every other transaction makes for itself."""

_RESET_ROLE = Step("RESET role")


class Standing:
    """What stands on one connection. ``clock`` gives seconds that only grow.

    It is not ``usable`` any more where a read has found that the schema cache is behind: until there is a new
    one, and with it a new connection.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.usable = True
        self._settings: Settings | None = None
        self._names: Set[str] = frozenset()
        self._until = 0.0

    def make(self, settings: Settings) -> tuple[Step, ...]:
        """What has ``settings`` stand and no others, together with a read; nothing while they do."""
        if settings == self._settings and self._clock() < self._until:
            return ()
        names = {name for name, _ in settings}
        steps = self._reset(self._names - names, own=len(names) > len(_ALWAYS_SET))
        self._settings = None
        self._names |= names
        return (*steps, set_all(settings, local=False))

    def keep(self, settings: Settings) -> None:
        """The read has succeeded, and so has what ``make`` gave for it."""
        if self._settings is None:
            self._settings = settings
            self._names = {name for name, _ in settings}
            self._until = self._clock() + _TRUSTED

    def leave(self, *, own: bool) -> tuple[Step, ...]:
        """What a transaction has to begin with that may do anything, also to what stands.

        ``own``: its role has settings of its own, besides those that every transaction makes.
        """
        steps = self._reset(self._names - _ALWAYS_SET, own=own)
        self._settings = None
        # A function may have its role stand, too.
        self._names |= _ALWAYS_SET
        return steps

    def clear(self) -> tuple[Step, ...]:
        """What has nothing stand any more."""
        steps = self._reset(self._names, own=False)
        self._settings, self._names = None, frozenset()
        return steps

    def _reset(self, names: Set[str], *, own: bool) -> tuple[Step, ...]:
        """Take back ``names``; and the role first, which may not be allowed to, nor to make its ``own``."""
        if not self._names or not (names or own):
            return ()
        others = sorted(names - {"role"})
        return (_RESET_ROLE, *(Step(f"RESET {quote(*name.split('.'))}") for name in others))


@lru_cache(maxsize=512)
def set_all(settings: Settings, *, local: bool) -> Step:
    """A statement that makes ``settings``, for its transaction only if they are ``local``."""
    return Step(_call_all(len(settings), local), encode_values(tuple(chain.from_iterable(settings))))


@lru_cache(maxsize=64)
def _call_all(count: int, local: bool) -> str:
    how = "true" if local else "false"
    calls = (f"set_config(${2 * number + 1}, ${2 * number + 2}, {how})" for number in range(count))
    return f"SELECT {', '.join(calls)}"

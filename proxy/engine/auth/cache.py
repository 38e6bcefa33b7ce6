"""Tokens whose signature has been verified, kept. Source: PostgREST 14, reference 10.5 and 12.4."""

from collections import OrderedDict
from typing import Any, TypeAlias

from proxy.engine.auth.keys import Key
from proxy.engine.auth.token import read_token

_Entry: TypeAlias = tuple[bytes, tuple[Key, ...]]


class TokenCache:
    """Remembers the claims of tokens, the ones used last; errors are found anew each time.

    ``lookups``, ``hits`` and ``evictions`` count since the start. What is in it changes how long an answer
    takes, never the answer.
    """

    def __init__(self) -> None:
        self._claims: OrderedDict[_Entry, dict[str, Any]] = OrderedDict()
        self.lookups = 0
        self.hits = 0
        self.evictions = 0

    def read(self, token: bytes, keys: tuple[Key, ...], size: int) -> dict[str, Any]:
        """As ``read_token``, with at most ``size`` tokens kept; 0 turns the cache off."""
        if size == 0:
            return read_token(token, keys)
        self.lookups += 1
        entry = (token, keys)
        claims = self._claims.get(entry)
        if claims is not None:
            self.hits += 1
            self._claims.move_to_end(entry)
            return claims
        claims = self._claims[entry] = read_token(token, keys)
        while len(self._claims) > size:
            self._claims.popitem(last=False)
            self.evictions += 1
        return claims


TOKENS = TokenCache()
"""The cache of this process: whoever has the same token and keys, gets the same claims."""

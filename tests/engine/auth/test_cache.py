"""The cache of tokens: it counts, it is bounded, and it never changes an answer."""

import jwt
import pytest

from proxy.engine.auth.cache import TokenCache
from proxy.engine.auth.keys import read_keys
from proxy.errors import ApiError

SECRET, OTHER = "a-secret-of-thirty-two-bytes-or-more", "another-secret-of-32-bytes-or-more"
KEYS, OTHER_KEYS = read_keys(SECRET, False), read_keys(OTHER, False)


def token(number: int, secret: str = SECRET) -> bytes:
    return jwt.encode({"role": "r", "n": number}, secret, "HS256").encode()


def counts(cache: TokenCache) -> tuple[int, int, int]:
    return cache.lookups, cache.hits, cache.evictions


def test_a_token_is_verified_once() -> None:
    cache = TokenCache()
    for _ in range(3):
        assert cache.read(token(1), KEYS, 10) == {"role": "r", "n": 1}
    assert counts(cache) == (3, 2, 0)


def test_the_token_that_was_used_least_lately_goes_first() -> None:
    cache = TokenCache()
    for number in (1, 2, 1, 3, 1, 2):
        cache.read(token(number), KEYS, 2)
    assert counts(cache) == (6, 2, 2)


def test_a_smaller_size_counts_from_the_next_token_on() -> None:
    cache = TokenCache()
    for number in range(5):
        cache.read(token(number), KEYS, 10)
    cache.read(token(5), KEYS, 1)
    assert cache.evictions == 5


def test_without_a_size_nothing_is_kept_or_counted() -> None:
    cache = TokenCache()
    for _ in range(2):
        assert cache.read(token(1), KEYS, 0)["n"] == 1
    assert counts(cache) == (0, 0, 0)


def test_errors_are_not_kept() -> None:
    cache = TokenCache()
    for _ in range(2):
        with pytest.raises(ApiError):
            cache.read(token(1, OTHER), KEYS, 10)
    assert counts(cache) == (2, 0, 0)


def test_another_secret_does_not_accept_what_the_old_one_did() -> None:
    cache = TokenCache()
    cache.read(token(1), KEYS, 10)
    with pytest.raises(ApiError):
        cache.read(token(1), OTHER_KEYS, 10)

"""The token by which it is known that a form came from the console."""

from proxy.config import Operator
from proxy.web.forms import DAY, derive_key, is_token, make_token

KEY, NOW = b"k" * 32, 20_000 * DAY + 100.0


def test_a_token_is_good_today_and_on_the_day_after() -> None:
    token = make_token(KEY, "ada", NOW)
    assert is_token(token, KEY, "ada", NOW)
    assert is_token(token, KEY, "ada", NOW + DAY)
    assert not is_token(token, KEY, "ada", NOW + 2 * DAY)
    assert not is_token(token, KEY, "ada", NOW - DAY)


def test_it_is_one_operators_under_one_key() -> None:
    token = make_token(KEY, "ada", NOW)
    assert not is_token(token, KEY, "bob", NOW)
    assert not is_token(token, b"other", "ada", NOW)
    for given in ("", "x", token[:-1], token.upper(), "\udcff"):
        assert not is_token(given, KEY, "ada", NOW)


def test_replicas_with_the_same_operators_have_the_same_key() -> None:
    ada, bob = Operator("ada", "a-secret-of-ada-1"), Operator("bob", "a-secret-of-bob-2")
    assert derive_key((ada, bob), b"one") == derive_key((bob, ada), b"other")
    assert derive_key((ada,), b"one") != derive_key((bob,), b"one")
    assert derive_key((), b"one") == b"one"
    assert ada.secret.encode() not in derive_key((ada,), b"one")

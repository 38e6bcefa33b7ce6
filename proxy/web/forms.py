"""What operators send, and the token by which it is known that it was their own page that sent it.

The token is a digest of who they are and of the day, under a key that nobody else has. It stands in every
form, and a page of another site cannot read it. All replicas that know the same operators take each other's.
"""

import hashlib
import hmac
from collections.abc import Iterable

from proxy.config import Operator

DAY = 86_400.0


def derive_key(operators: Iterable[Operator], own: bytes) -> bytes:
    """The key of tokens: from the operators' secrets, or where there are none the process's ``own``."""
    secrets = sorted(operator.secret for operator in operators)
    if not secrets:
        return own
    return hashlib.sha256("\0".join(("understudy console", *secrets)).encode()).digest()


def make_token(key: bytes, operator: str, now: float) -> str:
    """The token of ``operator`` at ``now``, in seconds since 1970."""
    return _sign(key, operator, int(now // DAY))


def is_token(given: str, key: bytes, operator: str, now: float) -> bool:
    """Whether ``given`` is a token of ``operator``'s, of today or of the day before."""
    day = int(now // DAY)
    sent = given.encode("utf-8", "backslashreplace")
    return any(hmac.compare_digest(sent, _sign(key, operator, one).encode()) for one in (day, day - 1))


def _sign(key: bytes, operator: str, day: int) -> str:
    return hmac.new(key, f"{day}\0{operator}".encode(), hashlib.sha256).hexdigest()

"""The current time as HTTP writes it."""

import time
from email.utils import formatdate
from functools import lru_cache


def http_date() -> bytes:
    """Now, as an IMF-fixdate (RFC 9110, section 5.6.7)."""
    return _format_second(int(time.time()))


@lru_cache(maxsize=1)
def _format_second(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode("ascii")

"""The name of a fault: mismatches that are alike have one signature, whatever rows they were seen in."""

import re
from collections.abc import Iterable

from proxy.difference import Aspect, Difference
from proxy.messages import Answer, Request

MAX_PLACES = 4
"""A fault that shows in more places than this is named by the first ones."""

ASPECTS: tuple[Aspect, ...] = ("status", "body", "order", "headers")
"""In the order in which they say most."""

INDEX = re.compile(r"\[[0-9]+\]")
POSITION = re.compile(r"@[0-9]+")


def generalise(path: str) -> str:
    """``path`` with every index as ``[*]`` and every position in bytes as ``@``."""
    return POSITION.sub("@", INDEX.sub("[*]", path))


def read_family(request: Request, upstream: Answer) -> str:
    """What kind of answer it is: method, the class of its status, and its media type."""
    media_type = (upstream.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    kind = media_type.decode("ascii", "replace").rpartition("/")[2].removeprefix("vnd.pgrst.") or "empty"
    return f"{request.method} {upstream.status // 100}xx {kind}"


def sign(table: str, request: Request, upstream: Answer, differences: Iterable[Difference]) -> str:
    """The signature of a mismatch: table, family, and each place with its aspect and kind.

    Places inside a row are told by their path, so that one column is one fault in whatever row and list it
    shows. Empty without differences.
    """
    found = {(ASPECTS.index(one.aspect), generalise(one.path), one.kind) for one in differences}
    if not found:
        return ""
    places = [" ".join(filter(None, (ASPECTS[aspect], path, kind))) for aspect, path, kind in sorted(found)]
    more = [f"+{len(places) - MAX_PLACES}"] if len(places) > MAX_PLACES else []
    return f"{table} {read_family(request, upstream)}: " + "; ".join([*places[:MAX_PLACES], *more])

"""Compare two answers to one request: the verdict, and where they differ.

Status codes are compared, reason phrases are not (RFC 9112, section 4: a client ignores them). Bodies are
compared as bytes first. JSON that differs in its bytes is compared token by token, CSV field by field, the
root document without the version of the server that it names. Execution plans are each server's own and are
not compared; anything else is different. What the request leaves open of the rows' order, and of their
choice, is its reading's to say.
"""

from dataclasses import dataclass

from proxy.difference import Difference
from proxy.events import Verdict
from proxy.messages import Answer, Request
from proxy.reading import BOUND, Reading
from proxy.shadow.bodies import DifferentBytes, DifferentValues, Equal, Incomparable, read_bodies
from proxy.shadow.coding import decode_body, read_codings
from proxy.shadow.headers import compare_headers
from proxy.shadow.ignore import NOTHING, Ignoring
from proxy.shadow.rows import are_misordered, find_misordered, find_row_differences, share_different_rows
from proxy.shadow.tokens import MAX_DIFFERENCES, find_differences, find_parting, shorten

BEFORE_PARTING = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing came to. ``differences`` are at most ``MAX_DIFFERENCES``, none unless a mismatch.

    ``ignored`` are the rules that took out something in which the answers differ.
    """

    verdict: Verdict
    differences: tuple[Difference, ...] = ()
    ignored: frozenset[str] = frozenset()


MATCH = Comparison("match")


def compare(
    request: Request, upstream: Answer, engine: Answer, reading: Reading = BOUND, ignoring: Ignoring = NOTHING
) -> Comparison:
    """Compare the two sides' answers to ``request``.

    ``reading`` is what the request promises about the rows, ``ignoring`` what is not to be compared. The
    verdict is ``match``, ``equivalent``, ``indeterminate``, ``mismatch``, or ``inconclusive`` when the bodies
    cannot be compared. It does not depend on which answer is called the upstream's. Never raises.
    """
    body = _compare_bodies(upstream, engine, reading, ignoring)
    opaque = upstream.body == engine.body and not _decodable(upstream, engine)
    head = request.method == "HEAD"
    headers, hits = ignoring.split_headers(compare_headers(upstream, engine, head=head, opaque=opaque))
    ignored = body.ignored | hits
    differences = [*_compare_status(upstream, engine), *headers, *body.differences]
    if differences:
        return Comparison("mismatch", tuple(differences[:MAX_DIFFERENCES]), ignored)
    return Comparison(body.verdict, (), ignored) if ignored or body.verdict != "match" else MATCH


def _compare_status(upstream: Answer, engine: Answer) -> list[Difference]:
    if upstream.status == engine.status:
        return []
    return [Difference("status", "", str(upstream.status), str(engine.status))]


def _decodable(upstream: Answer, engine: Answer) -> bool:
    """Whether a difference between the content codings is one of representation only."""
    if read_codings(upstream) == read_codings(engine):
        return True
    return decode_body(upstream) is not None and decode_body(engine) is not None


def _compare_bodies(upstream: Answer, engine: Answer, reading: Reading, ignoring: Ignoring) -> Comparison:
    bodies = read_bodies(upstream, engine, reading, ignoring)
    match bodies:
        case Equal():
            return MATCH
        case Incomparable():
            return Comparison("inconclusive")
        case DifferentBytes(first, second):
            return Comparison("mismatch", (_byte_difference(first, second),))
        case DifferentValues():
            return _compare_values(bodies)


def _compare_values(values: DifferentValues) -> Comparison:
    if values.upstream == values.engine:
        return Comparison("match", (), values.ignored)
    reading, lists = values.reading, values.lists
    if values.agree("promised"):
        rows = len(lists[0]) if lists else 1
        depends = reading.order == "open" and reading.cuts(rows, values.total)
        return Comparison("indeterminate" if depends else "equivalent", (), values.ignored)
    if (
        not reading.settled
        and values.agree("paged")
        and not (lists and share_different_rows(*lists, reading))
    ):
        return Comparison("indeterminate", (), values.ignored)
    if lists is None:
        found = find_differences(values.upstream, values.engine)
    else:
        found = find_row_differences(*lists, reading)
        if found and are_misordered(*lists, reading):
            found.insert(0, _order_difference("$"))
    if not found or (lists is None and values.rows and values.agree("any")):
        paths = dict.fromkeys(find_misordered(values.upstream, values.engine, reading))
        found = [_order_difference(path) for path in paths or "$"]
    return Comparison("mismatch", tuple(found[:MAX_DIFFERENCES]), values.ignored)


def _order_difference(path: str) -> Difference:
    return Difference("order", path, "the same rows", "in another order", "order")


def _byte_difference(first: bytes, second: bytes) -> Difference:
    position = find_parting(first, second)
    start = max(0, position - BEFORE_PARTING)
    return Difference("body", f"@{position}", _excerpt(first, start), _excerpt(second, start), "bytes")


def _excerpt(body: bytes, start: int) -> str:
    return shorten(body[start : start + 4 * BEFORE_PARTING].decode("utf-8", "backslashreplace"))

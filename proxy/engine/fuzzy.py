"""Which known name a client may have meant. Source: PostgREST 14, reference 6.7 (fuzzy search)."""

from collections import Counter
from collections.abc import Iterable
from math import sqrt


def find_similar(text: str, names: Iterable[str], least: float) -> list[tuple[float, str]]:
    """Names similar to ``text`` with their score, best first; scores below ``least`` are left out.

    A name equal but for case scores 1 and is then the only one.
    """
    known = {name.lower(): name for name in names}
    wanted = text.lower()
    if wanted in known:
        return [(1.0, known[wanted])]
    for size in (3, 2):
        grams = _grams(wanted, size)
        length = sqrt(sum(count * count for count in grams.values()))
        near = []
        for folded in known:
            other = _grams(folded, size)
            shared = sum(count * grams[gram] for gram, count in other.items() if gram in grams)
            if shared:
                near.append((shared / (length * sqrt(sum(c * c for c in other.values()))), folded))
        near.sort(key=lambda pair: -pair[0])
        # Where lengths differ too much already, no distance is small enough, and counting it is slow.
        close = (folded for _, folded in near[:50] if _nearness(wanted, folded) >= least)
        scored = [
            (1 - _distance(wanted, folded) / max(len(wanted), len(folded)), known[folded]) for folded in close
        ]
        found = sorted((pair for pair in scored if pair[0] >= least), key=lambda pair: -pair[0])
        if found:
            return found
    return []


def _grams(text: str, size: int) -> Counter[str]:
    kept = "-" + "".join(c for c in text if c.isalnum() or c.isspace() or c == ",") + "-"
    kept = kept.ljust(size, "-")
    return Counter(kept[at : at + size] for at in range(len(kept) - size + 1))


def _nearness(one: str, other: str) -> float:
    """The best score that two texts of these lengths could have."""
    return min(len(one), len(other)) / max(len(one), len(other))


def _distance(one: str, other: str) -> int:
    """The Levenshtein distance."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]

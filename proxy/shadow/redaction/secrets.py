"""What a secret is: by its name, by how it looks, or because it is a column that is configured."""

import re
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field

from proxy.config import RedactConfig
from proxy.shadow.scrub import HIDDEN, scrub

SHORTEST = 4
"""Characters that a hidden value must have to be looked for elsewhere; less would be found everywhere."""

MOST = 10_000
"""How many hidden values are looked for elsewhere; who has more keeps nothing of what may hold them."""

MANY = 50
"""From so many hidden values on, they are looked for in two steps."""

HARMLESS = frozenset({"null", "true", "false", "unknown", "not_null"})
"""Words of the dialect that stand where values do."""

_WORDS = re.compile(r"[\w$]+")
_SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase)|(?:^|[^a-z])(?:pass|pwd|jwt|pin|otp|cvv)(?:$|[^a-z])|secret|token|credential"
    r"|(?:api|access|private|signing|encryption|service)[-_ ]?key|apikey|auth(?:oriz|enticat)|cookie|bearer"
    r"|(?:^|[-_])(?:auth|session|signature|sig)(?:$|[-_](?:id|key)$)|connection[-_ ]?string|(?:^|[-_])dsn$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is hidden. ``columns`` are names of columns, whatever table they are of."""

    columns: frozenset[str] = frozenset()

    def hides(self, name: str) -> bool:
        """Whether values of this name, be it a column, parameter or header, are hidden."""
        return name in self.columns or _SECRET_NAME.search(name) is not None

    def is_named_in(self, text: str) -> bool:
        """Whether anything hidden is named in ``text``, which is no value of its own."""
        return any(map(self.hides, set(_WORDS.findall(text)))) or any(name in text for name in self.columns)

    def with_names(self, names: Iterable[str]) -> "Redaction":
        """The same, with more ``names``."""
        return Redaction(self.columns.union(names))


def make_redaction(config: RedactConfig) -> Redaction:
    """What ``config`` hides.

    Names may hold dots, so that without a schema cache nobody knows where a table's name ends: every name
    that the column may have is hidden.
    """
    parts = [key.split(".") for key in config.columns]
    return Redaction(
        frozenset(
            ".".join(words[start:]) for words in parts for start in range(min(1, len(words) - 1), len(words))
        )
    )


@dataclass(slots=True)
class Found:
    """The hidden values of one exchange, collected to be looked for everywhere in it.

    ``changed`` tells whether anything was hidden at all.
    """

    values: set[str] = field(default_factory=set)
    changed: bool = False

    def add(self, value: str) -> None:
        """Note a value that was hidden where it stood."""
        self.changed = True
        if len(value) >= SHORTEST and HIDDEN not in value and value.lower() not in HARMLESS:
            self.values.add(value)

    @property
    def too_many(self) -> bool:
        return len(self.values) > MOST

    def sweep(self, text: str) -> str:
        """``text`` without any value noted, and without what looks like a secret."""
        return self.sweeper(text)(text)

    def sweeper(self, text: str) -> Callable[[str], str]:
        """What sweeps ``text``, or any line of it; made once for the many lines of a large text."""
        suspicious = scrub(text) != text
        present = _find_present(self.values, text)
        if not (suspicious or present):
            return _keep
        values = re.compile("|".join(map(re.escape, present)) if present else r"(?!)")

        def sweep(part: str) -> str:
            swept = scrub(values.sub(HIDDEN, part))
            if swept != part:
                self.changed = True
            return swept

        return sweep


def _keep(text: str) -> str:
    return text


def _find_present(values: Set[str], text: str) -> list[str]:
    """Those of ``values`` that occur in ``text``, the longest first, so that no part of one is left over."""
    candidates: Iterable[str] = values
    if len(values) > MANY:
        # Most values occur nowhere else, and that is seen sooner by their pieces than by looking for each.
        pieces = {text[at : at + SHORTEST] for at in range(len(text) - SHORTEST + 1)}
        candidates = [value for value in values if value[:SHORTEST] in pieces and value[-SHORTEST:] in pieces]
    return sorted((value for value in candidates if value in text), key=lambda value: (-len(value), value))

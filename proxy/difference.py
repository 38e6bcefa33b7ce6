"""How two answers differ: a value that the second opinion makes and everyone shows."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Aspect: TypeAlias = Literal["status", "headers", "body", "order"]
Kind: TypeAlias = Literal[
    "value", "format", "null", "type", "missing", "extra", "count", "keys", "order", "bytes"
]
"""How two values differ: ``format`` is one value written in two ways, ``null`` is null against another value,
``missing`` is what only the upstream has, ``extra`` what only the engine has, ``keys`` their order."""

Severity: TypeAlias = Literal["low", "medium", "high"]
_SEVERITIES: dict[Kind, Severity] = {
    **dict.fromkeys(("format", "keys"), "low"),
    **dict.fromkeys(("value", "order", "bytes"), "medium"),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which two answers differ: where, in which aspect, how, and both values, shortened."""

    aspect: Aspect
    path: str
    upstream: str
    engine: str
    kind: Kind = "value"

    @property
    def severity(self) -> Severity:
        """What a client is likely to make of it: low where only one that compares texts would notice."""
        return "high" if self.aspect == "status" else _SEVERITIES.get(self.kind, "high")

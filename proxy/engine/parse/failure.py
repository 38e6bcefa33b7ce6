"""What a parser complains about, and how that reads: letter by letter like Parsec's own messages.

Source: PostgREST 14, reference 1.10.
"""

from functools import lru_cache
from typing import NamedTuple, TypeAlias

SYSTEM_UNEXPECTED, UNEXPECTED, EXPECTED, MESSAGE = range(4)
Message: TypeAlias = tuple[int, str]


class Fault(NamedTuple):
    """An error, or what would have been one: where, and what was found and hoped for there."""

    at: int
    messages: tuple[Message, ...]


class ParseError(Exception):
    """The text does not follow the grammar. ``line`` and ``column`` start at 1."""

    def __init__(self, text: str, fault: Fault) -> None:
        self.line, self.column = _locate(text, fault.at)
        self.details = _describe(fault.messages)
        super().__init__(self.details)


def _locate(text: str, at: int) -> tuple[int, int]:
    line, column = 1, 1
    for character in text[:at]:
        if character == "\n":
            line, column = line + 1, 1
        elif character == "\t":
            column += 8 - (column - 1) % 8
        else:
            column += 1
    return line, column


def _describe(messages: tuple[Message, ...]) -> str:
    if not messages:
        return "unknown parse error"

    def texts(kind: int) -> list[str]:
        return list(dict.fromkeys(text for k, text in messages if k == kind and text))

    lines = []
    system = [text for kind, text in messages if kind == SYSTEM_UNEXPECTED]
    named = any(kind == UNEXPECTED for kind, _ in messages)
    if system and not named:
        lines.append(f"unexpected {system[0] or 'end of input'}")
    if texts(UNEXPECTED):
        lines.append(f"unexpected {_alternatives(texts(UNEXPECTED))}")
    if texts(EXPECTED):
        lines.append(f"expecting {_alternatives(texts(EXPECTED))}")
    if texts(MESSAGE):
        lines.append(_alternatives(texts(MESSAGE)))
    return " ".join(dict.fromkeys(lines)).replace("\n", " ").strip()


def _alternatives(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"


@lru_cache(maxsize=1024)
def show_string(text: str) -> str:
    """``text`` as Haskell's ``show`` prints a string: in double quotes, with its escapes."""
    return '"' + _escape(text, '"') + '"'


def show_character(character: str) -> str:
    """One character as Haskell's ``show`` prints it: in single quotes, with its escapes."""
    return "'" + _escape(character, "'") + "'"


_CONTROL = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "a", "b", "t", "n", "v", "f", "r", "SO", "SI"),
    *(
        "DLE",
        "DC1",
        "DC2",
        "DC3",
        "DC4",
        "NAK",
        "SYN",
        "ETB",
        "CAN",
        "EM",
        "SUB",
        "ESC",
        "FS",
        "GS",
        "RS",
        "US",
    ),
)


def _escape(text: str, quote: str) -> str:
    out: list[str] = []
    for position, character in enumerate(text):
        code = ord(character)
        following = text[position + 1 : position + 2]
        if character in (quote, "\\"):
            out.append("\\" + character)
        elif code < 32:
            name = _CONTROL[code]
            out.append("\\" + name + ("\\&" if name == "SO" and following == "H" else ""))
        elif code == 127:
            out.append("\\DEL")
        elif code > 127:
            out.append(f"\\{code}" + ("\\&" if following.isascii() and following.isdigit() else ""))
        else:
            out.append(character)
    return "".join(out)

"""Error texts that quote values: PostgreSQL's, PostgREST's, and those that SQL raises by itself.

Source: reference 9.1 to 9.4.
"""

import re

from proxy.shadow.redaction.secrets import Found, Redaction
from proxy.shadow.scrub import HIDDEN
from proxy.shadow.tokens import Token

_TEXTS = frozenset({"message", "details", "hint"})
_KEY_VALUE = re.compile(
    r"\(([^()]*(?:\([^()]*\)[^()]*)*)\)=\((.*?)\)(?= (?:already|is|conflicts|is still)|\.?$)", re.DOTALL
)
_ROW = re.compile(r"(Failing row contains )\(.*\)", re.DOTALL)
_QUOTED = re.compile(r'"[^"]*"|\'[^\']*\'|“[^”]*”')
_COLON = re.compile(r"(: ).*", re.DOTALL)
_BUILT_IN = re.compile(r"PGRST\d\d\d|(?!P0)[0-9A-Z]{5}")


def redact_error(value: Token, redaction: Redaction, mentioned: bool, found: Found) -> Token:
    """The body of an error without the values it quotes.

    ``mentioned``: the request named something hidden, so that whatever is quoted may be of it; of a text
    that SQL itself raises then nothing is left.
    """
    if not isinstance(value, tuple) or not {key for key, _ in value} >= _TEXTS:
        return value
    code = next((item for key, item in value if key == "code"), None)
    built_in = isinstance(code, str) and _BUILT_IN.fullmatch(code) is not None

    def redact_text(text: str) -> str:
        text = _ROW.sub(rf"\1({HIDDEN})", text)
        text = _KEY_VALUE.sub(lambda match: _redact_key(match, redaction), text)
        if mentioned and not built_in:
            return HIDDEN
        return _COLON.sub(rf"\1{HIDDEN}", _QUOTED.sub(f'"{HIDDEN}"', text)) if mentioned else text

    redacted = tuple(
        (key, redact_text(item) if key in _TEXTS and isinstance(item, str) else item) for key, item in value
    )
    if mentioned:
        redacted = tuple(
            (key, HIDDEN if key in _TEXTS and not isinstance(item, str) and item is not None else item)
            for key, item in redacted
        )
    if redacted != value:
        found.changed = True
    return redacted


def _redact_key(match: re.Match[str], redaction: Redaction) -> str:
    names = (name.strip().strip('"') for name in match[1].split(","))
    if any(map(redaction.hides, names)):
        return f"({match[1]})=({HIDDEN})"
    return match[0]

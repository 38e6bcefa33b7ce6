"""``postgrest.conf``: lines of ``key = value`` with ``#`` comments (reference 12.1)."""

import json
import re
from typing import Final

from proxy.config.document import Place, quoted
from proxy.config.engine import Setting, Settings
from proxy.errors import ConfigError, Problem

_LINE: Final = re.compile(
    r"""\s*(?:(?P<key>[A-Za-z][\w.-]*)\s*=\s*
        (?:(?P<text>"(?:[^"\\]|\\.)*") | (?P<number>-?[0-9]+(?:\.[0-9]+)?) | (?P<word>true|false|on|off))
    )?\s*(?:\#.*)?""",
    re.VERBOSE,
)
_KEY: Final = re.compile(r"\s*([A-Za-z][\w.-]*)\s*=")
_ALLOWED: Final = 'key = "text", key = number, key = true or false, or a # comment'


def read_postgrest_conf(text: str, file: str) -> Settings:
    """The settings in the ``text`` of a ``postgrest.conf``; a later line overrules an earlier one.

    Keys that PostgREST does not have are kept, and ignored later, as it does. Raises ``ConfigError`` with
    every line that is not of the form; values are never repeated.
    """
    settings: dict[str, Setting] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), 1):
        match = _LINE.fullmatch(line)
        value = None if match is None else _value(match)
        if match is None or (match["key"] is not None and value is None):
            key = _KEY.match(line)
            place = Place(file, number, (key[1],) if key else ())
            problems.append(place.problem("a line of another form", _ALLOWED))
        elif value is not None:
            place = Place(file, number, (match["key"],))
            settings[match["key"]] = Setting(value, place, quoted(value), lenient=True)
    if problems:
        raise ConfigError(problems)
    return settings


def _value(match: re.Match[str]) -> str | None:
    """The text of a line's value, or None when there is none, or one with a faulty escape."""
    if match["text"] is not None:
        try:
            return str(json.loads(match["text"], strict=False))
        except ValueError:
            return None
    if match["number"] is not None:
        whole, _, fraction = match["number"].partition(".")
        return match["number"] if fraction.strip("0") else whole
    return {"on": "true", "off": "false"}.get(match["word"], match["word"]) if match["word"] else None

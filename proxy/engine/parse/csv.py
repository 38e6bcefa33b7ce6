"""Comma-separated values with a header line, by RFC 4180. Source: PostgREST 14, reference 7.1.

PostgREST's library also takes a quoted field that is never closed, and loses its last character.
"""

import re

from proxy.engine.parse.failure import show_string

_SHOWN = 100
"""Bytes."""

_FIELD = re.compile(r'"((?:[^"]|"")*)"|"((?:[^"]|"")*)(?:[^"]|"")\Z|([^",\r\n]*)')
_LINE_END = re.compile(r"\r\n|\n|\r")


class CsvError(ValueError):
    """The text is no CSV; the message says where it breaks."""


def parse_csv(text: str) -> list[dict[str, str]]:
    """One mapping per line, by the names of the first line; a shorter line lacks the last names."""
    lines = _parse_lines(text)
    if len(lines) < 2 and not text.endswith(("\n", "\r")):
        raise CsvError('parse error (not enough input) at ""')
    names = lines[0]
    return [dict(zip(names, line, strict=False)) for line in lines[1:] if line != [""]]


def _parse_lines(text: str) -> list[list[str]]:
    lines: list[list[str]] = []
    line: list[str] = []
    at = 0
    while at < len(text):
        match = _FIELD.match(text, at)
        assert match is not None
        quoted = match[2] if match[1] is None else match[1]
        line.append(match[3] if quoted is None else quoted.replace('""', '"'))
        at = match.end()
        end = _LINE_END.match(text, at)
        if end is not None:
            lines.append(line)
            line, at = [], end.end()
        elif text.startswith(",", at):
            at += 1
            if at == len(text):
                line.append("")
        elif at < len(text):
            raise CsvError(f"parse error (Failed reading: satisfy) at {_show(text[at:])}")
    if line:
        lines.append(line)
    return lines


def _show(rest: str) -> str:
    """What is left to read as the library shows it: quoted byte by byte, or no more than its beginning."""
    raw = rest.encode()
    if len(raw) > _SHOWN:
        return f"{raw[:_SHOWN].decode('utf-8', 'replace')} (truncated)"
    return show_string(raw.decode("latin-1"))

"""YAML text to nodes that know their line, and the faults of the YAML itself.

PyYAML's composed nodes are used instead of its constructed values: they keep the line of every key and
the text of every scalar as written, so that ``1:30`` is not ninety, ``no`` not false and ``1.10`` not 1.1.
No fault repeats the text of a value, which may be a password.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from proxy.config.substitution import ALLOWED, SubstitutionError, substitute
from proxy.errors import ConfigError, Problem

_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge", "value")
)
_NULL = "tag:yaml.org,2002:null"
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_HARMLESS = re.compile(r"""'<[a-z ]+>'|(['"])(?:.|\\.|\\[xuU][0-9a-f]+)\1""", re.DOTALL)
_SPACE_FORGOTTEN = re.compile(r"([A-Za-z][\w.-]*):.+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: file, line from 1, and the keys that lead to it."""

    file: str
    line: int
    path: tuple[str, ...] = ()

    def inside(self, key: str, line: int) -> "Place":
        """The place of ``key`` in the mapping that stands here."""
        return Place(self.file, line, (*self.path, key))

    def problem(self, found: str, allowed: str) -> Problem:
        """A problem at this place."""
        return Problem(self.file, self.line, dotted(self.path), found, allowed)


@dataclass(frozen=True, slots=True)
class Scalar:
    """The text of one value with ``${VAR}`` replaced, and how it may be ``shown``: as it was written."""

    text: str
    shown: str


def dotted(path: tuple[str, ...]) -> str:
    """``path`` as one key for people; names that hold dots or spaces are put in quotes."""
    return ".".join(part if re.fullmatch(r"[\w-]+", part) else quoted(part) for part in path) or "(file)"


def quoted(text: str) -> str:
    """``text`` in quotes, shortened, with control characters escaped and the user part of a URL masked."""
    masked = re.sub(r"//.*@", "//***@", text, flags=re.DOTALL)
    shown = masked if len(masked) <= 60 else masked[:57] + "..."
    return repr(shown.encode("utf-8", "replace").decode())


def key_part(name: str) -> str:
    """A key, without the value that is part of it when the space after the colon was forgotten."""
    match = _SPACE_FORGOTTEN.fullmatch(name)
    return name if match is None else match[1]


def decode_text(content: bytes, file: str) -> str:
    """The text of a configuration file. Raises ``ConfigError`` when it is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"the byte 0x{content[error.start]:02X}"
        raise ConfigError([Problem(file, line, "(file)", found, "UTF-8 text")]) from None


def compose(text: str, file: str) -> yaml.Node:
    """The root node of ``text``. Raises ``ConfigError`` for an empty document or faulty YAML.

    An empty document is refused although every key has a default: a file that was truncated while it
    was being written must not take the upstream away.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _faulty(file, line, f"the character U+{_code_point(error):04X}", "printable text") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _faulty(file, mark.line + 1 if mark else 1, *_describe(error)) from None
    except RecursionError:
        raise _faulty(file, 1, "lists or mappings within each other too deeply", "valid YAML") from None
    if node is None:
        raise _faulty(file, 1, "an empty file", "at least one key; see the documentation of the file")
    return node


def _faulty(file: str, line: int, found: str, allowed: str) -> ConfigError:
    return ConfigError([Problem(file, line, "(file)", found, allowed)])


def _code_point(error: yaml.reader.ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(error.character[:1])


def _describe(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    """What PyYAML found and what it expected, without the pieces of the file that it quotes."""
    problem = error.problem or "found a fault"
    if problem.startswith("but "):
        problem = f"{error.context}, {problem}"
    elif problem == "second occurrence":
        problem = "found the same anchor a second time"
    words = _QUOTED.sub(lambda match: match[0] if _HARMLESS.fullmatch(match[0]) else "...", problem)
    match = re.fullmatch(r"expected (?:the )?(.*), but (?:found|got) (.*)", words)
    if match is not None:
        return match[2], match[1]
    return words.removeprefix("found "), "valid YAML"


def describe_node(node: yaml.Node) -> str:
    """What kind of node this is, for people, without its content."""
    if node.tag not in _PLAIN_TAGS:
        return "a YAML tag"
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "nothing" if node.tag == _NULL else "a single value"


def is_nothing(node: yaml.Node) -> bool:
    """Whether the node is YAML's null: nothing after the colon, ``null`` or ``~``."""
    return bool(node.tag == _NULL)


def line_of(node: yaml.Node) -> int:
    """The line, from 1, on which ``node`` starts."""
    return int(node.start_mark.line) + 1


def read_scalar(
    node: yaml.Node, place: Place, allowed: str, environ: Mapping[str, str], problems: list[Problem]
) -> Scalar | None:
    """The text of a value, or None after adding to ``problems`` what is wrong with it."""
    if not isinstance(node, yaml.ScalarNode) or is_nothing(node):
        problems.append(place.problem(describe_node(node), allowed))
        return None
    if node.tag not in _PLAIN_TAGS:
        problems.append(
            place.problem("a value with a YAML tag", "the value without the tag, in quotes if need be")
        )
        return None
    try:
        text = substitute(node.value, environ)
    except SubstitutionError as error:
        problems.append(place.problem(str(error), ALLOWED))
        return None
    return Scalar(text, quoted(node.value) + ("" if text == node.value else " (its value is not shown)"))


def read_mapping(
    node: yaml.Node, place: Place, allowed: str, problems: list[Problem]
) -> dict[str, tuple[Place, yaml.Node]]:
    """The entries of a mapping by key, each with its place; nothing at all counts as an empty mapping.

    Keys that stand twice, merge keys and keys that are not text are added to ``problems``.
    """
    if is_nothing(node):
        return {}
    if not isinstance(node, yaml.MappingNode) or node.tag not in _PLAIN_TAGS:
        problems.append(place.problem(describe_node(node), f"a mapping of {allowed}"))
        return {}
    entries: dict[str, tuple[Place, yaml.Node]] = {}
    for key, value in node.value:
        line = line_of(key)
        if not isinstance(key, yaml.ScalarNode) or key.tag not in _PLAIN_TAGS or not key.value:
            problems.append(Place(place.file, line, place.path).problem("a key that is not text", allowed))
        elif key.tag == "tag:yaml.org,2002:merge":
            found = Place(place.file, line, place.path)
            problems.append(found.problem("a merge key (<<)", "the keys written out, or `defaults`"))
        elif key.value in entries:
            twice = place.inside(key_part(key.value), line)
            problems.append(
                twice.problem("the key a second time", f"it once; see line {entries[key.value][0].line}")
            )
        else:
            entries[key.value] = (place.inside(key.value, line), value)
    return entries

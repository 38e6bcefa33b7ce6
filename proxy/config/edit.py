"""Change one rule in the text of an ``understudy.yaml``, and not a byte beside it.

The file is people's: its comments, columns and quotes stay as they are. So it is never written anew from
what it says (which every YAML library that keeps comments does, moving them about), but spliced: the YAML
parser says where each key and value begins and ends, and the change goes in between. What comes out is
parsed again, and has to say what was said before but for the one value; else the change is refused.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import yaml

from proxy.config.document import compose, is_nothing
from proxy.errors import ConfigError, EditRefused

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | tuple[str, str]"
"""What a document says: mappings, lists, and scalars as their type and text."""

_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_INDENT = 2


def set_rule(text: str, section: str, name: str, values: Mapping[str, str]) -> str:
    """``text`` with the rule of ``name`` in ``section`` changed: each key of ``values`` to its value.

    Values are texts as they are to stand in the file. ``text`` is a valid file; a section or a rule that it
    does not have is added to it. Raises ``EditRefused`` when that cannot be done without changing something
    else, as where a rule is shared by an alias.
    """
    for key, value in values.items():
        text = _set(text, (section, name, key), value)
    return text


def _set(text: str, path: tuple[str, ...], value: str) -> str:
    before = _compose(text)
    wanted = _with(_say(before), path, _say(_compose(value)))
    for changed in _try_ways(text, before, path, value):
        try:
            if _say(_compose(changed)) == wanted:
                return changed
        except ConfigError:
            continue
    raise EditRefused(
        f"{'.'.join(path)} cannot be changed without changing something else; edit the file by hand"
    )


def _compose(text: str) -> yaml.Node:
    return compose(text, "(file)")


def _try_ways(text: str, node: yaml.Node, path: tuple[str, ...], value: str) -> Iterator[str]:
    """The texts that the change may lead to; which of them is right is seen by reading them."""
    if not isinstance(node, yaml.MappingNode):
        return
    rest = path[1:]
    for key, found in node.value:
        if key.value != path[0]:
            continue
        if not rest:
            yield _splice(text, found.start_mark.index, found.end_mark.index, _space(text, found) + value)
        elif is_nothing(found):
            indent = key.start_mark.column + _INDENT
            if len(rest) > 1 and not node.flow_style:
                yield _after_line(text, _end(key, found), indent, _render(rest, value))
            yield _splice(text, *_span(found), f"{_space(text, found)}{{{_render(rest, value)}}}")
        else:
            yield from _try_ways(text, found, rest, value)
        return
    entry = _render(path, value)
    if node.flow_style:
        inside = node.start_mark.index + 1
        if node.value:
            last = _end(*node.value[-1])
            yield _splice(text, last, last, f", {entry}")
            yield _splice(text, inside, inside, f"{entry}, ")
        else:
            yield _splice(text, inside, inside, entry)
        return
    indent = node.value[0][0].start_mark.column
    if len(path) == 3:
        break_ = _find_break(text)
        section = f"{_quote(path[0])}:{break_}{' ' * (indent + _INDENT)}{_render(rest, value)}"
        gap = "" if not text or _BREAK.search(text[-1]) else break_
        yield f"{text}{gap}{' ' * indent}{section}{break_}"
        entry = section
    yield _after_line(text, _end(*node.value[-1]), indent, entry)


def _render(path: tuple[str, ...], value: str) -> str:
    """The entry at ``path`` as it stands in a mapping, what is within it in braces."""
    first, *rest = path
    inner = f"{{{_render(tuple(rest), value)}}}" if rest else value
    return f"{_quote(first)}: {inner}"


def _quote(name: str) -> str:
    """``name`` as a key: in quotes where YAML would take it for something else."""
    if _PLAIN_KEY.fullmatch(name) and isinstance(yaml.safe_load(name), str):
        return name
    quoted: str = yaml.safe_dump(name, default_style='"', allow_unicode=True, width=2**31)
    return quoted.rstrip("\n")


def _splice(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _span(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.index, node.end_mark.index


def _space(text: str, node: yaml.Node) -> str:
    """What has to be between a key and a value that takes the place of ``node``, if that is nowhere."""
    start, end = _span(node)
    if text[start - 1] == ":":
        return " "
    return ": " if start == end else ""


def _after_line(text: str, position: int, indent: int, entry: str) -> str:
    """``text`` with ``entry`` on a line of its own after the one of ``position``."""
    match = _BREAK.search(text, position)
    end = len(text) if match is None else match.start()
    return _splice(text, end, end, f"{_find_break(text)}{' ' * indent}{entry}")


def _find_break(text: str) -> str:
    match = _BREAK.search(text)
    return "\n" if match is None else match[0]


def _end(*nodes: yaml.Node) -> int:
    """Where the last of ``nodes`` ends. A block's own mark is where the next thing begins."""
    ends = []
    for node in nodes:
        if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
            ends.append(_end(*node.value[-1]))
        elif isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
            ends.append(_end(node.value[-1]))
        else:
            ends.append(node.end_mark.index)
    return max(ends)


def _say(node: yaml.Node) -> Plain:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _say(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_say(item) for item in node.value]
    return node.tag, node.value


def _with(plain: Plain, path: tuple[str, ...], value: Plain) -> Plain:
    """``plain`` with ``value`` at ``path``. What is nothing becomes a mapping."""
    if not path:
        return value
    entries: dict[str, Any] = plain if isinstance(plain, dict) else {}
    first, *rest = path
    return {**entries, first: _with(entries.get(first, {}), tuple(rest), value)}

"""JSON as tokens: values that keep what a comparison must see and ``json.loads`` throws away."""

import json
import re
from dataclasses import dataclass
from typing import TypeAlias

_STEP = re.compile(r"\.([^.\[\]]+)|\['([^']*)'\]|\[(\*|\d+)\]")


class Number(str):
    """A JSON number as its literal text: ``1.50`` is not ``1.5``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Members:
    """A JSON object as its pairs: order and duplicates kept."""

    pairs: tuple[tuple[str, "Json"], ...]


Json: TypeAlias = "bool | str | Number | Members | list[Json] | None"


def parse_json(body: bytes) -> Json:
    """Parse ``body`` keeping number literals, key order and duplicate keys. Raises ValueError."""
    parsed: Json = json.loads(
        body.decode("utf-8"),
        object_pairs_hook=lambda pairs: Members(tuple(pairs)),
        parse_float=Number,
        parse_int=Number,
        parse_constant=Number,
    )
    return parsed


def canonical(value: Json) -> str:
    """The one text of a parsed value, without white space; equal texts are equal values."""
    if isinstance(value, Members):
        pairs = (f"{json.dumps(key, ensure_ascii=False)}:{canonical(item)}" for key, item in value.pairs)
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, Number):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def normalise(value: Json, *, sort_keys: bool, sort_arrays: bool) -> Json:
    """``value`` with keys and arrays, at every depth, in canonical order where their order is free."""
    if isinstance(value, Members):
        pairs = [
            (key, normalise(item, sort_keys=sort_keys, sort_arrays=sort_arrays)) for key, item in value.pairs
        ]
        if sort_keys:
            pairs.sort(key=lambda pair: (pair[0], canonical(pair[1])))
        return Members(tuple(pairs))
    if isinstance(value, list):
        items = [normalise(item, sort_keys=sort_keys, sort_arrays=sort_arrays) for item in value]
        return sorted(items, key=canonical) if sort_arrays else items
    return value


def blank(value: Json, path: str) -> Json:
    """``value`` with null in place of what ``path`` (``$.a.b``, ``$[*].c``, ``$[0]['x y']``) points to."""
    return _blank(value, [(step[0] or step[1], step[2]) for step in _STEP.findall(path[1:])])


def _blank(value: Json, steps: list[tuple[str, str]]) -> Json:
    if not steps:
        return None
    (wanted_key, wanted_index), rest = steps[0], steps[1:]
    if wanted_key and isinstance(value, Members):
        return Members(
            tuple((key, _blank(item, rest) if key == wanted_key else item) for key, item in value.pairs)
        )
    if wanted_index and isinstance(value, list):
        return [
            _blank(item, rest) if wanted_index in ("*", str(index)) else item
            for index, item in enumerate(value)
        ]
    return value


def first_difference(expected: Json, received: Json, path: str = "$") -> str | None:
    """Where the two values differ first, and how; None when they are equal."""
    if isinstance(expected, Members) and isinstance(received, Members):
        expected_keys, received_keys = [key for key, _ in expected.pairs], [key for key, _ in received.pairs]
        if expected_keys != received_keys:
            return f"{path}: keys {expected_keys} expected, {received_keys} received"
        for (key, left), (_, right) in zip(expected.pairs, received.pairs, strict=True):
            difference = first_difference(left, right, f"{path}.{key}")
            if difference:
                return difference
        return None
    if isinstance(expected, list) and isinstance(received, list):
        for index, (left, right) in enumerate(zip(expected, received, strict=False)):
            difference = first_difference(left, right, f"{path}[{index}]")
            if difference:
                return difference
        if len(expected) != len(received):
            return f"{path}: {len(expected)} elements expected, {len(received)} received"
        return None
    left_text, right_text = canonical(expected), canonical(received)
    if left_text != right_text:
        return f"{path}: {left_text[:160]} expected, {right_text[:160]} received"
    return None

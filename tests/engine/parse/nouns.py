"""Short spellings of the grammar's nouns."""

from typing import Any

from proxy.engine.parse.failure import ParseError
from proxy.engine.parse.parsec import Parser, parse
from proxy.engine.parse.syntax import (
    Comparison,
    Field,
    Filter,
    JsonStep,
    SelectField,
    SelectItem,
    SelectRelation,
)


def step(text: str) -> JsonStep:
    """``->key`` or ``->>key`` as a step with a key, ``->+3`` or ``->-3`` as one with an index."""
    key = text.removeprefix("->").removeprefix(">")
    return JsonStep(text.startswith("->>"), key, key[:1] in ("+", "-") and key[1:].isdigit())


def field(name: str, *steps: str) -> Field:
    return Field(name, tuple(map(step, steps)))


def item(name: str, *steps: str, **rest: Any) -> SelectField:
    return SelectField(field(name, *steps), **rest)


def embed(relation: str, *items: SelectItem, **rest: Any) -> SelectRelation:
    return SelectRelation(relation, items, **rest)


STAR = item("*")


def eq(name: str, value: str, *, negated: bool = False) -> Filter:
    return Filter(Field(name), Comparison("eq", value), negated)


def refuses(parser: Parser[Any], text: str) -> bool:
    try:
        parse(parser, text)
    except ParseError:
        return True
    return False

"""Parser combinators whose failures read letter by letter like PostgREST's.

PostgREST parses with Parsec and shows Parsec's own messages to clients (PGRST100), so the combinators
here follow Parsec's published algebra: a parser either consumed input or did not, alternatives are only
tried when nothing was consumed, and errors at the furthest position are merged.

A parser is a function from (text, position) to an ``Outcome``. It never raises for bad input.
"""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from proxy.engine.parse.failure import (
    EXPECTED,
    SYSTEM_UNEXPECTED,
    UNEXPECTED,
    Fault,
    ParseError,
    show_character,
    show_string,
)

T = TypeVar("T")
U = TypeVar("U")


class Outcome(NamedTuple, Generic[T]):
    """What a parser made of its input. ``at`` is where the next parser goes on if ``good``."""

    good: bool
    consumed: bool
    value: T
    at: int
    fault: Fault


Parser: TypeAlias = Callable[[str, int], Outcome[T]]


def parse(parser: Parser[T], text: str) -> T:
    """Run ``parser`` at the start of ``text``; what it leaves over is ignored.

    Raises ParseError.
    """
    outcome = parser(text, 0)
    if outcome.good:
        return outcome.value
    raise ParseError(text, outcome.fault)


def _merge(first: Fault, second: Fault) -> Fault:
    if not second.messages and first.messages:
        return first
    if not first.messages and second.messages:
        return second
    if first.at == second.at:
        return Fault(first.at, first.messages + second.messages)
    return first if first.at > second.at else second


def _clean(at: int) -> Fault:
    return Fault(at, ())


def succeed(value: T) -> Parser[T]:
    """Consume nothing and give ``value``."""
    return lambda text, at: Outcome(True, False, value, at, _clean(at))


def fail(text: str, at: int) -> Outcome[Any]:
    """Fail without a word, consuming nothing."""
    return Outcome(False, False, None, at, _clean(at))


def satisfy(accepts: Callable[[str], bool]) -> Parser[str]:
    """One character that ``accepts`` approves of."""

    def run(text: str, at: int) -> Outcome[str]:
        if at < len(text):
            character = text[at]
            if accepts(character):
                return Outcome(True, True, character, at + 1, _clean(at + 1))
            found = show_string(character)
        else:
            found = ""
        return Outcome(False, False, "", at, Fault(at, ((SYSTEM_UNEXPECTED, found),)))

    return run


def label(parser: Parser[T], name: str) -> Parser[T]:
    """``parser``, known by ``name`` when it fails without having consumed anything."""

    def run(text: str, at: int) -> Outcome[T]:
        outcome = parser(text, at)
        if outcome.consumed or (outcome.good and not outcome.fault.messages):
            return outcome
        rest = tuple(message for message in outcome.fault.messages if message[0] != EXPECTED)
        fault = Fault(outcome.fault.at, ((EXPECTED, name), *rest))
        return Outcome(outcome.good, False, outcome.value, outcome.at, fault)

    return run


def one_of(characters: str) -> Parser[str]:
    """One of ``characters``."""
    return satisfy(lambda character: character in characters)


def none_of(characters: str) -> Parser[str]:
    """Any character but ``characters``."""
    return satisfy(lambda character: character not in characters)


def char(character: str) -> Parser[str]:
    """Exactly this character."""
    return label(satisfy(lambda found: found == character), show_string(character))


any_char: Parser[str] = satisfy(lambda _: True)
letter: Parser[str] = label(satisfy(str.isalpha), "letter")
digit: Parser[str] = label(satisfy(lambda c: c in "0123456789"), "digit")


def string(wanted: str) -> Parser[str]:
    """Exactly ``wanted``; what matched before a difference counts as consumed."""

    expected = (EXPECTED, show_string(wanted))

    def run(text: str, at: int) -> Outcome[str]:
        if text.startswith(wanted, at):
            end = at + len(wanted)
            return Outcome(True, True, wanted, end, _clean(end))
        matched = 0
        while at + matched < len(text) and text[at + matched] == wanted[matched]:
            matched += 1
        found = show_string(text[at + matched]) if at + matched < len(text) else ""
        fault = Fault(at, (expected, (SYSTEM_UNEXPECTED, found)))
        return Outcome(False, matched > 0, "", at, fault)

    return run


def attempt(parser: Parser[T]) -> Parser[T]:
    """``parser``, which counts as having consumed nothing when it fails."""

    def run(text: str, at: int) -> Outcome[T]:
        outcome = parser(text, at)
        return outcome if outcome.good else Outcome(False, False, outcome.value, outcome.at, outcome.fault)

    return run


def look_ahead(parser: Parser[T]) -> Parser[T]:
    """``parser``, consuming nothing when it succeeds."""

    def run(text: str, at: int) -> Outcome[T]:
        outcome = parser(text, at)
        return Outcome(True, False, outcome.value, at, _clean(at)) if outcome.good else outcome

    return run


def bind(parser: Parser[T], follow: Callable[[T], Parser[U]]) -> Parser[U]:
    """``parser``, then what ``follow`` makes of its value."""

    def run(text: str, at: int) -> Outcome[U]:
        first = parser(text, at)
        if not first.good:
            return first  # type: ignore[return-value]
        second = follow(first.value)(text, first.at)
        if second.consumed:
            return second
        fault = _merge(first.fault, second.fault) if first.fault.messages else second.fault
        return Outcome(second.good, first.consumed, second.value, second.at, fault)

    return run


def sequence(*parsers: Parser[Any]) -> Parser[tuple[Any, ...]]:
    """All of ``parsers``, one after the other; gives the tuple of their values."""

    def run(text: str, at: int) -> Outcome[tuple[Any, ...]]:
        values: list[Any] = []
        consumed, fault = False, _clean(at)
        for parser in parsers:
            outcome = parser(text, at)
            if outcome.consumed:
                consumed, fault = True, outcome.fault
            else:
                fault = _merge(fault, outcome.fault) if fault.messages else outcome.fault
            if not outcome.good:
                return Outcome(False, consumed, (), outcome.at, fault)
            values.append(outcome.value)
            at = outcome.at
        return Outcome(True, consumed, tuple(values), at, fault)

    return run


def apply(function: Callable[..., T], *parsers: Parser[Any]) -> Parser[T]:
    """All of ``parsers`` in turn, their values given to ``function``."""
    whole = sequence(*parsers)

    def run(text: str, at: int) -> Outcome[T]:
        outcome = whole(text, at)
        if not outcome.good:
            return outcome  # type: ignore[return-value]
        return Outcome(True, outcome.consumed, function(*outcome.value), outcome.at, outcome.fault)

    return run


def then(first: Parser[Any], second: Parser[T]) -> Parser[T]:
    """Both in turn; gives the second's value."""
    return apply(lambda _, value: value, first, second)


def before(first: Parser[T], second: Parser[Any]) -> Parser[T]:
    """Both in turn; gives the first's value."""
    return apply(lambda value, _: value, first, second)


def meaning(parser: Parser[Any], value: T) -> Parser[T]:
    """``parser``, giving ``value``."""
    return apply(lambda _: value, parser)


def choice(*parsers: Parser[Any]) -> Parser[Any]:
    """The first of ``parsers`` that succeeds, or fails after consuming."""

    def run(text: str, at: int) -> Outcome[Any]:
        fault = _clean(at)
        for parser in parsers:
            outcome = parser(text, at)
            if outcome.consumed:
                return outcome
            fault = _merge(fault, outcome.fault)
            if outcome.good:
                return Outcome(True, False, outcome.value, outcome.at, fault)
        return Outcome(False, False, None, at, fault)

    return run


def optional(parser: Parser[T], default: U) -> Parser[T | U]:
    """``parser``, or ``default`` where it fails without consuming."""
    return choice(parser, succeed(default))


def many(parser: Parser[T]) -> Parser[list[T]]:
    """``parser`` as often as it succeeds. It must consume something each time."""
    return _repeat(parser, remembers=True)


def some(parser: Parser[T]) -> Parser[list[T]]:
    """``parser`` at least once, then as often as it succeeds."""
    return apply(lambda first, rest: [first, *rest], parser, _repeat(parser, remembers=False))


def separated(parser: Parser[T], separator: Parser[Any]) -> Parser[list[T]]:
    """``parser`` at least once, with ``separator`` in between."""
    rest = _repeat(then(separator, parser), remembers=False)
    return apply(lambda first, others: [first, *others], parser, rest)


def _repeat(parser: Parser[T], *, remembers: bool) -> Parser[list[T]]:
    """``remembers``: what the last turn would have liked besides is told with what the next one wanted.

    PostgREST's ``many`` is that of Haskell's Alternative, and remembers. ``many1`` and ``sepBy1`` are
    Parsec's, whose own repetition forgets.
    """

    def run(text: str, at: int) -> Outcome[list[T]]:
        values: list[T] = []
        last = _clean(at)
        while True:
            outcome = parser(text, at)
            if not outcome.good:
                if outcome.consumed:
                    return outcome  # type: ignore[return-value]
                fault = _merge(last, outcome.fault) if remembers and last.messages else outcome.fault
                return Outcome(True, bool(values), values, at, fault)
            values.append(outcome.value)
            at, last = outcome.at, outcome.fault

    return run


def span(accepts: Callable[[str], bool], *expected: str) -> Parser[str]:
    """As many characters as ``accepts`` approves of, as one string.

    The same as ``many`` over a choice of parsers labelled ``expected``, without a step per character.
    """

    hoped = tuple((EXPECTED, name) for name in expected)

    def run(text: str, at: int) -> Outcome[str]:
        end = at
        while end < len(text) and accepts(text[end]):
            end += 1
        found = show_string(text[end]) if end < len(text) else ""
        messages = ((SYSTEM_UNEXPECTED, found), *hoped)
        return Outcome(True, end > at, text[at:end], end, Fault(end, messages))

    return run


def span1(accepts: Callable[[str], bool], *expected: str) -> Parser[str]:
    """Like ``span``, but at least one character."""
    whole = span(accepts, *expected)

    def run(text: str, at: int) -> Outcome[str]:
        outcome = whole(text, at)
        return outcome if outcome.consumed else outcome._replace(good=False)

    return run


def not_followed_by(parser: Parser[str]) -> Parser[None]:
    """Succeed, consuming nothing, exactly where ``parser`` would fail."""

    def run(text: str, at: int) -> Outcome[None]:
        outcome = parser(text, at)
        if outcome.good:
            fault = Fault(outcome.at, ((UNEXPECTED, show_character(outcome.value)),))
            return Outcome(False, False, None, at, fault)
        return Outcome(True, False, None, at, outcome.fault)

    return run


def _end(text: str, at: int) -> Outcome[None]:
    if at < len(text):
        fault = Fault(at, ((UNEXPECTED, show_character(text[at])),))
        return Outcome(False, False, None, at, fault)
    return Outcome(True, False, None, at, Fault(at, ((SYSTEM_UNEXPECTED, ""),)))


end_of_input: Parser[None] = label(_end, "end of input")

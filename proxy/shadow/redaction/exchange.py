"""A request with its answers and their differences, without secrets: what may be kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from proxy.difference import Difference
from proxy.messages import Answer, Headers, Request
from proxy.shadow.coding import decode_body, read_codings
from proxy.shadow.redaction.bodies import redact_body, render_json, sweep_body
from proxy.shadow.redaction.errors import redact_error
from proxy.shadow.redaction.secrets import Found, Redaction
from proxy.shadow.redaction.target import find_aliases, mentions, redact_target, sweep_target
from proxy.shadow.scrub import HIDDEN
from proxy.shadow.tokens import read_tokens

_HIDDEN = HIDDEN.encode()
_LOCATIONS = frozenset({b"location", b"content-location", b"referer"})
_FRAMING = frozenset({b"content-encoding", b"content-length"})
_CREDENTIALS = frozenset({b"authorization", b"cookie", b"proxy-authorization"})


@dataclass(frozen=True, slots=True)
class Redacted:
    """What is left. ``askable``: only credentials were taken out of the request, so that with others it is
    still the same question. ``whole``: nothing was taken out of the answers.
    """

    request: Request
    answers: tuple[Answer, ...] = ()
    differences: tuple[Difference, ...] = ()
    askable: bool = True
    whole: bool = True


def redact_exchange(
    redaction: Redaction,
    request: Request,
    answers: Sequence[Answer] = (),
    differences: Sequence[Difference] = (),
) -> Redacted:
    """The exchange without what ``redaction`` hides, without credentials, and without what looks like one.

    Never raises. Redacting what has been redacted changes nothing.
    """
    found = Found()
    wide = redaction.with_names(find_aliases(request.query, redaction))
    mentioned = mentions(request, wide)
    asked = request._replace(
        target=redact_target(request.target, wide, found),
        headers=_redact_headers(request.headers, wide, found),
        body=redact_body(request.body, request.header(b"content-type") or b"", wide, found),
    )
    plain = [_decode(answer) for answer in answers]
    answered = [_redact_answer(answer, wide, mentioned, found) for answer in plain]
    if found.too_many:
        return Redacted(
            Request(request.method, request.path),
            tuple(Answer(answer.status, body=_HIDDEN) for answer in answers),
            tuple(replace(one, upstream=HIDDEN, engine=HIDDEN) for one in differences),
            False,
            False,
        )
    swept = Request(
        asked.method,
        sweep_target(asked.target, found),
        _sweep_headers(asked.headers, found),
        sweep_body(asked.body, asked.header(b"content-type") or b"", found),
    )
    swept_answers = tuple(_sweep_answer(answer, found) for answer in answered)
    whole = all(one.body == other.body for one, other in zip(plain, swept_answers, strict=True))
    # Of a body that was hidden whole nobody knows which values were in it.
    blind = any(answer.body == _HIDDEN for answer in swept_answers)
    return Redacted(
        swept,
        swept_answers,
        tuple(_redact_difference(one, wide, whole, blind, found) for one in differences),
        _same_question(request, swept),
        whole and all(one.headers == other.headers for one, other in zip(plain, swept_answers, strict=True)),
    )


def _same_question(request: Request, redacted: Request) -> bool:
    def others(headers: Headers) -> Headers:
        return tuple(header for header in headers if header[0].lower() not in _CREDENTIALS)

    return request._replace(headers=others(request.headers)) == redacted._replace(
        headers=others(redacted.headers)
    )


def _redact_headers(headers: Headers, redaction: Redaction, found: Found) -> Headers:
    return tuple((name, _redact_header(name, value, redaction, found)) for name, value in headers)


def _redact_header(name: bytes, value: bytes, redaction: Redaction, found: Found) -> bytes:
    lower = name.lower()
    if redaction.hides(lower.decode("latin-1")) and lower != b"www-authenticate":
        text = value.decode("utf-8", "replace")
        found.add(text)
        # A token is a secret without its scheme as well, a cookie without its name.
        for piece in text.replace(";", " ").replace("=", " ").split():
            if len(piece) > 7:
                found.add(piece)
        return _HIDDEN
    return redact_target(value, redaction, found) if lower in _LOCATIONS else value


def _sweep_headers(headers: Headers, found: Found) -> Headers:
    swept = []
    for name, value in headers:
        if name.lower() in _LOCATIONS:
            swept.append((name, sweep_target(value, found)))
        else:
            text = value.decode("utf-8", "surrogateescape")
            swept.append((name, found.sweep(text).encode("utf-8", "surrogateescape")))
    return tuple(swept)


def _decode(answer: Answer) -> Answer:
    """``answer`` without content codings, in which nothing could be found or shown."""
    if not read_codings(answer):
        return answer
    headers = tuple(header for header in answer.headers if header[0].lower() not in _FRAMING)
    body = decode_body(answer)
    return answer._replace(headers=headers, body=_HIDDEN if body is None else body)


def _redact_answer(answer: Answer, redaction: Redaction, mentioned: bool, found: Found) -> Answer:
    media_type = answer.header(b"content-type") or b""
    headers = _redact_headers(answer.headers, redaction, found)
    if mentioned and answer.body and not _structured(media_type):
        # The bare value of one column, perhaps.
        found.changed = True
        return answer._replace(headers=headers, body=_HIDDEN)
    body = redact_body(answer.body, media_type, redaction, found)
    if answer.status >= 400:
        try:
            value = read_tokens(body)
            told = redact_error(value, redaction, mentioned, found)
            body = body if told == value else render_json(told)
        except (ValueError, RecursionError):
            body = _HIDDEN if mentioned and body else body
    return answer._replace(headers=headers, body=body)


def _structured(media_type: bytes) -> bool:
    kind = media_type.partition(b";")[0].strip().lower()
    return kind.endswith((b"/json", b"+json")) or kind == b"text/csv"


def _sweep_answer(answer: Answer, found: Found) -> Answer:
    body = sweep_body(answer.body, answer.header(b"content-type") or b"", found)
    return answer._replace(headers=_sweep_headers(answer.headers, found), body=body)


def _redact_difference(
    one: Difference, redaction: Redaction, whole: bool, blind: bool, found: Found
) -> Difference:
    """A difference that shows no more than the answers do."""
    hidden = any(redaction.hides(word) for word in _steps(one.path))
    if one.aspect == "body" and blind:
        hidden = True
    elif one.aspect == "body" and not whole:
        # An excerpt may begin or end inside a hidden value; only a value that is there whole can be searched.
        hidden = hidden or one.path.startswith("@") or not (_complete(one.upstream) and _complete(one.engine))
    if hidden:
        return replace(one, path=found.sweep(one.path), upstream=HIDDEN, engine=HIDDEN)
    return replace(
        one,
        path=found.sweep(one.path),
        upstream=found.sweep(one.upstream),
        engine=found.sweep(one.engine),
    )


def _steps(path: str) -> list[str]:
    """The names in a JSON path, or the header's name."""
    return [part.strip('"') for part in path.replace("]", "").replace("[", ".").split(".")] + [path]


def _complete(text: str) -> bool:
    return "…" not in text and not text.startswith(("{", "["))

"""The recorded exchanges of PostgREST 14.17 as pure values: what went in, and under which settings.

``every_exchange`` leaves out what the corpus itself calls an accident of the recorded server.
"""

import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from proxy.config import EngineConfig
from proxy.config.engine import read_options
from proxy.messages import Answer, Request
from proxy.tape.format import RecordedExchange
from tests.support.conformance import recorded, variant_options, variants

# What these two variants read from the database itself (schema.sql), which no setting shows.
_FROM_DATABASE: dict[str, Callable[[EngineConfig], EngineConfig]] = {
    "indbconfig": lambda options: replace(options, db_schemas=("other",), openapi_mode="disabled"),
    "preconfig": lambda options: replace(options, db_schemas=("zoo", "dlm")),
}


@functools.cache
def every_exchange() -> tuple[RecordedExchange, ...]:
    """All of them, of every area and variant, without the accidents."""
    return tuple(
        exchange for variant in variants().variants for exchange in recorded(variant) if not exchange.accident
    )


@functools.cache
def options_of(variant: str) -> EngineConfig:
    """The settings that ``variant`` was recorded under."""
    options = read_options({}, variant_options(variant))
    return _FROM_DATABASE[variant](options) if variant in _FROM_DATABASE else options


def request_of(exchange: RecordedExchange) -> Request:
    """The request as an HTTP server hands it on: without white space around header values (RFC 9110, 5.5)."""
    sent = exchange.request
    headers = tuple((name, value.strip(b" \t")) for name, value in sent.headers)
    return Request(sent.method, sent.target, headers, sent.body or b"")


def error_of(answer: Answer) -> dict[str, Any] | None:
    """The four keys of an error body (reference 9.1); None if ``answer`` has none."""
    if answer.status < 300 or not answer.body.startswith(b"{"):
        return None
    body = json.loads(answer.body)
    return body if body.keys() == {"code", "details", "hint", "message"} else None

"""A page as HTML, for people, or as JSON, for programs."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from proxy.console.output import show_text
from proxy.shadow.promotion import describe_rule
from proxy.shadow.words import count_of, fraction
from proxy.web import picture
from proxy.web.values import Frame, Page

STATIC: Mapping[str, str] = MappingProxyType(
    {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
)
"""What belongs to the pages, with its media type."""


def render_html(page: Page, frame: Frame) -> str:
    """``page`` in its ``frame``. Everything on it is escaped."""
    return _environment().get_template(page.template).render(page=page, frame=frame)


def render_json(page: Page) -> str:
    """``page`` as a JSON object."""
    return json.dumps({"page": page.title, **_simplify(page)}, ensure_ascii=False, indent=1)


@cache
def read_static(name: str) -> bytes:
    """The content of one of ``STATIC``."""
    return files("proxy.web").joinpath("static", name).read_bytes()


@cache
def find_static(name: str) -> str:
    """The path of one of ``STATIC``, another one for other content."""
    return f"/console/static/{name}?v={hashlib.sha256(read_static(name)).hexdigest()[:12]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("proxy.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        plain=show_text,
        fraction=fraction,
        moment=_show_moment,
        iso=_show_iso,
        number=_show_number,
    )
    environment.globals.update(
        count_of=count_of,
        describe_rule=describe_rule,
        draw=picture,
        find_static=find_static,
        split_line=split_line,
        table_path=table_path,
    )
    return environment


def table_path(table: str) -> str:
    """Where the page of ``table`` is; any name is one, also ``..`` and what holds slashes."""
    return f"/console/table?{urlencode({'name': table})}"


def split_line(text: str, other: str) -> tuple[str, str, str]:
    """``text`` in three: what it has in common with ``other`` at the beginning, its own, that at the end."""
    start = _count_common(text, other)
    end = _count_common(text[start:][::-1], other[start:][::-1])
    middle = len(text) - end
    return text[:start], text[start:middle], text[middle:]


def _count_common(text: str, other: str) -> int:
    """How many characters both begin with."""
    shorter = min(len(text), len(other))
    return next((index for index in range(shorter) if text[index] != other[index]), shorter)


def _simplify(value: Any) -> Any:
    """``value`` as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _simplify(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _simplify(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_simplify(item) for item in value]
    return value


def _show_moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def _show_iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _show_number(number: int) -> str:
    return f"{number:,}"

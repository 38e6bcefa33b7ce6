"""Kinds of scalar that say where something is: addresses and URLs."""

import ipaddress
import re
from urllib.parse import urlsplit

from proxy.config.kinds import Kind, OutOfRange
from proxy.config.values import Address

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")


def read_address(text: str) -> Address:
    """Host and port of ``host:port``; an IPv6 host stands in brackets (RFC 3986, section 3.2.2)."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError
    host, port = match[1], int(match[2])
    if host.startswith("["):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    if port > 65535:
        raise OutOfRange
    return Address(host, port)


def show_address(address: Address) -> str:
    """``address`` as written in the file."""
    return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"


def read_upstream_url(text: str) -> str:
    """An ``http`` or ``https`` URL of scheme, host, port and perhaps a path, without a final slash."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError
    if "@" in parts.netloc or re.search(r"[^!-~]|[?#]", text):
        raise ValueError
    if parts.port == 0 or parts.netloc.endswith(":"):
        raise OutOfRange
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def read_ledger_url(text: str) -> str:
    """A ``postgresql://`` URI, ``sqlite:///`` with a path, or ``sqlite://`` for one in memory."""
    if re.match(r"postgres(ql)?://", text):
        return text
    match = re.fullmatch(r"sqlite://(?:/([^\s?#][^?#]*))?", text)
    if match is None or (match[1] or "x").endswith("/"):
        raise ValueError
    return text


ADDRESS = Kind(
    "host:port, such as 0.0.0.0:3000 or [::1]:3000, with a port from 0 to 65535 (0: any free one)",
    read_address,
    {"type": "string", "pattern": r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}$"},
    show_address,
)
LEDGER_URL = Kind(
    "sqlite:///path (relative to where the program runs), sqlite:////path, sqlite:// (in memory only), or "
    "postgresql://…",
    read_ledger_url,
    {
        "anyOf": [
            {"type": "string", "pattern": r"^postgres(ql)?://"},
            {"type": "string", "pattern": r"^sqlite://(/[^\s?#]([^?#]*[^?#/])?)?$"},
        ]
    },
    secret=True,
)
UPSTREAM_URL = Kind(
    "http://host:port or https://host:port, perhaps with a path, without a user or a query",
    read_upstream_url,
    {"type": "string", "pattern": r"^https?://[^\s/?#@]*[^\s/?#@:](/[^\s?#]*)?$"},
)

"""Who may ask the admin port for what.

``/live``, ``/ready`` and ``/metrics`` are for probes and for Prometheus, and open to everyone. All else is
for *operators*, each of whom has a name and a secret: as a token (``Authorization: Bearer``), as the password
that a browser asks for, or in ``X-Operator-Secret`` where ``Authorization`` is somebody else's, as it is for
``/engine/…``. Where the configuration names no operator, who can reach a loopback address is trusted, and on
any other address the port is closed.

Web pages are kept from using what their reader may: a request that another site's page has sent is refused,
and so is one for a name that is not this machine's while nobody has to say who they are (DNS rebinding). Of
requests that change something, those of pages are taken by the console's forms alone, which carry a token of
their own.
"""

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from proxy.config import Operator

OPEN: Final = frozenset({"/live", "/ready", "/metrics"})
PAGES: Final = "/console"
"""Where the pages are, whose forms may change something."""

SECRET_HEADER: Final = "X-Operator-Secret"
CLOSED: Final = (
    "this port is open for /live, /ready and /metrics only: it can be reached from other machines, and the "
    "configuration names nobody under console.operators"
)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as it matters here. ``headers`` are looked up whatever their case."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def changes(self) -> bool:
        """Whether it may change something."""
        return self.method not in _SAFE

    @property
    def of_a_page(self) -> bool:
        """Whether a browser says that a page has sent it; no page can keep it from saying so."""
        return "Origin" in self.headers or self.headers.get("Sec-Fetch-Site", "none") != "none"

    @property
    def foreign(self) -> bool:
        """Whether another site's page has sent it, and not because its reader has followed a link."""
        site = self.headers.get("Sec-Fetch-Site")
        if site is not None:
            followed = self.headers.get("Sec-Fetch-Mode") == "navigate" and not self.changes
            return site not in _OWN and not followed
        origin = self.headers.get("Origin")
        return origin is not None and origin.partition("://")[2] != self.headers.get("Host", "")


@dataclass(frozen=True, slots=True)
class Admitted:
    """It may pass. ``operator`` is who asks, empty where nobody has to say; ``by`` the header that says."""

    operator: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """It is refused, with a status and in words."""

    status: int
    words: str


Admission: TypeAlias = Admitted | Denied


def admit(asked: Asked, operators: Iterable[Operator], *, loopback: bool) -> Admission:
    """Decide on a request to a port on whose address ``loopback`` says who can reach it."""
    if asked.path in OPEN and not asked.changes:
        return Admitted()
    known = tuple(operators)
    admitted = Admitted()
    if known:
        found = _find_operator(asked.headers, known)
        if found is None:
            return Denied(401, "name and secret of an operator are needed")
        admitted = found
    elif not loopback:
        return Denied(403, CLOSED)
    elif not is_loopback(_read_host(asked.headers.get("Host", ""))):
        return Denied(421, "this port answers to localhost only")
    if asked.foreign:
        return Denied(403, "another site's page has sent this")
    if asked.changes and asked.of_a_page and not is_below(asked.path, PAGES):
        return Denied(403, "no page may send this")
    return admitted


def is_below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or within it."""
    return path == folder or path.startswith(f"{folder}/")


def is_loopback(host: str) -> bool:
    """Whether ``host``, an address or a name, is this machine as seen from itself."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _read_host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _find_operator(headers: Mapping[str, str], known: Iterable[Operator]) -> Admitted | None:
    """Who has sent ``headers``; all secrets are looked at, so that time tells nothing of them."""
    given = headers.get("Authorization", "")
    scheme, _, value = given.partition(" ")
    name, password = _read_basic(value) if scheme.lower() == "basic" else ("", "")
    token = value.strip() if scheme.lower() == "bearer" else ""
    found: Admitted | None = None
    for operator in known:
        if _is_same(headers.get(SECRET_HEADER, ""), operator.secret):
            found = found or Admitted(operator.name, SECRET_HEADER)
        if _is_same(token, operator.secret) or (
            _is_same(password, operator.secret) and name == operator.name
        ):
            found = found or Admitted(operator.name, "Authorization")
    return found


def _read_basic(value: str) -> tuple[str, str]:
    """Name and password of RFC 7617; empty for what is none."""
    try:
        name, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password


def _is_same(given: str, secret: str) -> bool:
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), secret.encode("utf-8", "surrogatepass")
    )

"""Sockets to listen on, at the places that PostgREST's own settings can name (reference 12.2)."""

import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass

from proxy.server.seats import Seat

_FAMILIES = {
    "*": (socket.AF_INET6, socket.AF_INET),
    "*4": (socket.AF_INET, socket.AF_INET6),
    "!4": (socket.AF_INET,),
    "*6": (socket.AF_INET6, socket.AF_INET),
    "!6": (socket.AF_INET6,),
}
"""What the special hosts stand for: every address of these families, the first that there is."""

SPECIAL_HOSTS = frozenset(_FAMILIES)

_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Sockets:
    """Sockets that listen for clients and for operators.

    Other processes take clients from the first one too; ``seat`` is the place of this one among them.
    """

    clients: socket.socket
    operators: socket.socket
    seat: Seat


def bind_port(host: str, port: int) -> socket.socket:
    """A socket that listens at ``host``, an address, a name or a special host. Port 0 is any free one.

    Raises OSError.
    """
    families = _FAMILIES.get(host)
    found = socket.getaddrinfo(
        None if families else host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    places = [(family, address) for family, _, _, _, address in found]
    if families:
        places = [place for family in families for place in places if place[0] == family]
    failure: OSError = OSError(f"no address to listen on for {host!r}")
    for family, address in places:
        try:
            return _listen(family, address)
        except OSError as error:
            failure = error
    raise failure


def _listen(family: socket.AddressFamily | int, address: object) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Clients that speak IPv4 are served too, as by PostgREST.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(address)  # type: ignore[arg-type]
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def bind_path(path: str, mode: int) -> socket.socket:
    """A unix socket that listens at ``path`` with the permissions ``mode``; an older one gives way.

    Raises OSError, also if what is there is no socket.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise FileExistsError(f"{path} is there and is no socket")
        os.unlink(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(path)
        made.listen(_BACKLOG)
        os.chmod(path, mode)
    except BaseException:
        made.close()
        raise
    return made


def find_port(listening: socket.socket) -> int:
    """The port on which ``listening`` listens."""
    port: int = listening.getsockname()[1]
    return port


def show_place(listening: socket.socket) -> str:
    """Where ``listening`` listens: ``127.0.0.1:80``, ``[::1]:80`` or a path."""
    name = listening.getsockname()
    if isinstance(name, str):
        return name
    return f"[{name[0]}]:{name[1]}" if listening.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"


def can_reach(listening: socket.socket) -> bool:
    """Whether a client can connect to ``listening`` now. The kernel takes the connection: no wait."""
    with socket.socket(listening.family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(listening.getsockname())
        except OSError:
            return False
    return True

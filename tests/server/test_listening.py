"""Sockets at the places that PostgREST's settings can name."""

import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.server import listening
from proxy.server.listening import bind_path, bind_port, can_reach, show_place


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "*", "*4", "!4"])
def test_a_host_can_be_listened_on_by_address_name_and_kind(host: str) -> None:
    with bind_port(host, 0) as bound:
        port = bound.getsockname()[1]
        assert can_reach(bound)
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


@pytest.mark.parametrize(
    ("host", "families"),
    [
        ("*4", [socket.AF_INET, socket.AF_INET6]),
        ("!4", [socket.AF_INET]),
        ("*6", [socket.AF_INET6, socket.AF_INET]),
        ("!6", [socket.AF_INET6]),
        ("*", [socket.AF_INET6, socket.AF_INET]),
    ],
)
def test_a_special_host_is_tried_in_its_order_of_families(
    host: str, families: list[socket.AddressFamily], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def resolve(name: str | None, *_: object, **__: object) -> list[Any]:
        assert name is None
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("0.0.0.0", 0)),
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::", 0, 0, 0)),
        ]

    def refuse(family: socket.AddressFamily, address: object) -> socket.socket:
        tried.append(family)
        raise OSError("in use")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(listening, "_listen", refuse)
    with pytest.raises(OSError, match="in use"):
        bind_port(host, 0)
    assert tried == families


def test_a_port_that_is_taken_is_refused() -> None:
    with bind_port("127.0.0.1", 0) as bound, pytest.raises(OSError, match="in use"):
        bind_port("127.0.0.1", bound.getsockname()[1])


def test_a_unix_socket_has_its_mode_and_replaces_an_older_one(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    bind_path(path, 0o600).close()
    with bind_path(path, 0o770) as bound:
        assert stat.S_IMODE(Path(path).stat().st_mode) == 0o770
        assert can_reach(bound)
        assert show_place(bound) == path
        Path(path).unlink()
        assert not can_reach(bound)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("text")
    with pytest.raises(OSError, match="is no socket"):
        bind_path(str(file), 0o660)
    assert file.read_text() == "text"


@pytest.mark.parametrize(
    ("family", "name", "shown"),
    [
        (socket.AF_INET, ("127.0.0.1", 80), "127.0.0.1:80"),
        (socket.AF_INET6, ("::1", 80, 0, 0), "[::1]:80"),
        (socket.AF_UNIX, "/run/s", "/run/s"),
    ],
)
def test_a_place_is_shown_as_it_would_be_written(
    family: socket.AddressFamily, name: object, shown: str
) -> None:
    class Bound:
        def __init__(self) -> None:
            self.family = family
            self.getsockname: Callable[[], object] = lambda: name

    made: Any = Bound()
    assert show_place(made) == shown

"""``python -m tests.supply.watched FILE ARGUMENTS``: ``understudy``, with the addresses that it turns to.

uvloop's calls cannot be watched from Python, so that asyncio's own event loop stands in for it here.
"""

import sys
from pathlib import Path
from typing import Any

_EVENTS = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")


def watch(file: Path) -> None:
    """Write every address that this process connects to, sends to or looks up, a line for each."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _EVENTS:
            address = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[:2]
            with file.open("a", encoding="utf-8") as lines:
                lines.write(f"{event} {address!r}\n")

    sys.addaudithook(hook)


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
    sys.modules["uvloop"] = None  # type: ignore[assignment]
    from proxy.cli import main

    sys.exit(main(sys.argv[2:]))

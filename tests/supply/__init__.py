"""What the product is made of: locked, covered by what is declared, licensed, and silent on the network."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements"

_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+))?", re.MULTILINE
)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pin:
    """One locked package; ``needed`` tells whether it is on this platform."""

    name: str
    version: str
    needed: bool
    hashes: int


def read_lock(name: str) -> dict[str, Pin]:
    """The packages of ``requirements/NAME.txt`` by their canonical names."""
    text = LOCKS.joinpath(f"{name}.txt").read_text(encoding="utf-8")
    starts = list(_PIN.finditer(text))
    pins: dict[str, Pin] = {}
    for match, following in zip(starts, [*starts[1:], None], strict=True):
        part = text[match.start() : None if following is None else following.start()]
        marker = match["marker"]
        needed = marker is None or Marker(marker.strip()).evaluate()
        key = canonicalize_name(match["name"])
        pins[key] = Pin(key, match["version"], needed, len(_HASH.findall(part)))
    return pins

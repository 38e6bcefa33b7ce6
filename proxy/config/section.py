"""A mapping in ``understudy.yaml``, as the table of keys describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from proxy.config.kinds import Key


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping in the file.

    ``values`` is the dataclass its keys are read into; with ``named`` the file holds one such mapping for
    each name. ``lists`` are keys that hold lists of such mappings. Of each pair in ``one_of`` exactly one
    key stands there. ``refused`` are keys that one may expect here, each with the reason why it is none.
    """

    name: str
    help: str
    keys: tuple[Key, ...]
    values: type[Any]
    named: str = ""
    lists: tuple["Section", ...] = ()
    one_of: tuple[tuple[str, str], ...] = ()
    refused: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

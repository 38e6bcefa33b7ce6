"""Of the configuration in force, and of the modes in it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ConfigReloaded:
    """A new configuration is in force, or was refused for the reasons in ``problem``."""

    accepted: bool
    problem: str = ""
    needs_restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """A table's reads or writes do something else from now on; by whom, and why."""

    table: str
    operation: Literal["reads", "writes"]
    before: str
    after: str
    who: str = "file"
    why: str = "reload"

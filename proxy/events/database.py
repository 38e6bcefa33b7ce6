"""Of the database that the engine asks: its schema, its settings, its notifications."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SchemaLoaded:
    """The schema cache was read from the catalog, or could not be."""

    accepted: bool
    relations: int = 0
    seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseReached:
    """The schema cache is about to be read from ``server``, which is how it describes itself."""

    server: str


@dataclass(frozen=True, slots=True)
class LoadDelayed:
    """The schema cache could not be read; the next attempt is ``seconds`` away."""

    seconds: float


@dataclass(frozen=True, slots=True)
class SettingsUnread:
    """The settings that are kept in the database could not be read: of the engine, or of its roles."""

    kind: Literal["options", "roles"]
    problem: str


@dataclass(frozen=True, slots=True)
class ReplicaChanged:
    """Reads go to the replica from now on; or to the primary alone, for this ``problem``."""

    fresh: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ListenerStarted:
    """Notifications on ``channel`` are listened for."""

    channel: str
    server: str
    address: str


@dataclass(frozen=True, slots=True)
class ListenerFailed:
    """Notifications cannot be listened for; the next attempt is ``seconds`` away, if there is one."""

    channel: str
    problem: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class ReloadNotified:
    """A notification on ``channel`` asks for a reload."""

    channel: str
    wanted: Literal["schema", "config"]

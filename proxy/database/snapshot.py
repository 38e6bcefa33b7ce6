"""What the engine needs to know to answer one request, frozen for as long as that takes."""

from dataclasses import dataclass, field

from proxy.config import EngineConfig
from proxy.engine.reach import Reach
from proxy.engine.schema import Schema


@dataclass(frozen=True, slots=True)
class EngineSnapshot:
    """The engine's options, the schema cache that goes with them, and what writes reach as far as known."""

    options: EngineConfig
    schema: Schema
    reach: Reach = field(default_factory=Reach)

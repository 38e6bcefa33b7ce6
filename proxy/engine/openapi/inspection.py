"""What the document is to show, which is decided for every request anew."""

from dataclasses import dataclass

from proxy.engine.schema import Function


@dataclass(frozen=True, slots=True)
class Inspection:
    """What of one schema the role of a request may see (reference 11.4).

    ``description`` is the schema's comment. ``relations`` are names in the schema, ``functions`` have
    their types written as the request's search path has it; None stands for all that the cache holds.
    """

    description: str | None = None
    relations: frozenset[str] | None = None
    functions: tuple[Function, ...] | None = None

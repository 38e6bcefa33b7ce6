"""Which relations a request touches besides the one it is addressed to."""

from collections.abc import Iterator, Sequence

from proxy.config import EngineConfig
from proxy.engine.parse.request import ApiRequest, parse_head
from proxy.engine.parse.syntax import SelectItem, SelectRelation
from proxy.engine.plan.relations import find_relationship
from proxy.engine.schema import QualifiedName, Relationship, Schema
from proxy.errors import ApiError
from proxy.messages import Request


def find_touched(request: Request, options: EngineConfig, schema: Schema) -> frozenset[QualifiedName]:
    """The relations that ``request`` embeds, and the junctions on the way to them.

    A request that is in error touches what it names up to there.
    """
    try:
        wanted = parse_head(request, options)
    except ApiError:
        return frozenset()
    return frozenset(_find(_origin(wanted, schema), wanted.parameters.select, wanted.schema, schema))


def _origin(wanted: ApiRequest, schema: Schema) -> str:
    """The name of the relation whose rows are asked for; of a function, the one whose rows it gives."""
    name = wanted.name or ""
    if wanted.resource == "function":
        for function in schema.functions.get((wanted.schema, name), ()):
            if function.composite:
                return function.returns[1]
    return name


def _find(
    origin: str, items: Sequence[SelectItem], namespace: str, schema: Schema
) -> Iterator[QualifiedName]:
    for item in items:
        if not isinstance(item, SelectRelation):
            continue
        try:
            found = find_relationship(schema, namespace, origin, item.relation, item.hint)
        except ApiError:
            continue
        yield found.target
        if isinstance(found, Relationship) and found.junction is not None:
            yield found.junction.relation
        yield from _find(found.target[1], item.items, namespace, schema)

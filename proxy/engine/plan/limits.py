"""How much a request may select, so that PostgreSQL is not kept busy with what it can only refuse."""

from collections.abc import Sequence

from proxy.engine.parse.syntax import SelectField, SelectItem
from proxy.errors import ApiError

_MOST_EMBEDDED = 256
"""More resources than this take PostgreSQL seconds to plan, twice as many four times as long."""
_MOST_COLUMNS = 1664
"""PostgreSQL's own limit, which it takes seconds to notice."""


def refuse_too_many(select: Sequence[SelectItem]) -> None:
    """Raises ApiError for more embedded resources or columns than there may be."""
    if _count_embedded(select) > _MOST_EMBEDDED:
        raise ApiError(400, "PGRST100", f"The request embeds more than {_MOST_EMBEDDED} resources")
    _refuse_columns(select)


def _count_embedded(select: Sequence[SelectItem]) -> int:
    return sum(1 + _count_embedded(item.items) for item in select if not isinstance(item, SelectField))


def _refuse_columns(select: Sequence[SelectItem]) -> None:
    embedded = [item for item in select if not isinstance(item, SelectField)]
    if len(select) - len(embedded) > _MOST_COLUMNS:
        raise ApiError(500, "54011", f"target lists can have at most {_MOST_COLUMNS} entries")
    for item in embedded:
        _refuse_columns(item.items)

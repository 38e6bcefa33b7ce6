"""Where PostgREST's versions differ: one value per version, decided here and nowhere else.

Source: reference 13, and the sources of PostgREST 12.2.12, 13.0.8 and 14.17.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

from proxy.config import Compat

EmptyToken: TypeAlias = Literal["anonymous", "refused", "refused if there is a secret"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one version of PostgREST does; the defaults are those of 14.

    Hints and the schema cache:

    name_similarity: how similar the name of a table or function must be to be hinted at, 0 to 1.
    most_relations_for_hints: a schema of as many relations gives no hints at tables; None for no limit.
    checks_relations: a relation that is not in the schema cache is refused without asking PostgreSQL.

    Requests:

    explains_paths: an unknown path and a disabled root have an error body; else the body is ``{}``.
    root_function_first: the function at the root is called even where the root is disabled.
    names_wrong_schema: the error for a schema that is not exposed names it, and the others in a hint.
    not_null: ``is.not_null`` is understood.
    single_object_preference: ``Prefer: params=single-object`` is understood.

    Reads:

    makes_vectors: what is searched for text is made a tsvector first, unless it is one.
    spreads_many: to-many resources can be spread.
    hoists_once: aggregates of a spread belong to its parent, and are checked there only; under their
        column's name. Else they belong to the first ancestor that is no spread.
    not_single: the message where the rows are not the one object that was asked for.
    truncates_range_error: the body of a read's 416 is cut to the length of the empty result.

    Changes:

    limits_changes: ``limit`` and ``offset`` choose the rows to change, and need an order.
    orders_changed: ``order`` applies to the changed rows that are given back.
    filters_changed: ``and`` and ``or`` are applied once more, to the changed rows that are given back.

    Functions:

    names_payload: a single parameter may be called as if unnamed, though it has a name.
    json_arguments: arguments in a query string or form are taken out of a JSON object of strings.
    asks_for_filtered: columns that are only filtered by are asked from a function as well.
    limits_single_results: ``max-affected`` is refused for functions that cannot return more than one row.

    Tokens and roles:

    empty_token: what a bearer token without text means.
    null_times: a time that is null counts as absent.
    jose: tokens are read by the rules, and refused in the words, of the ``jose`` library.
    unknown_role_status: the status for a role that does not exist.
    searches_empty_name: an empty extra search path is a schema without a name, not none.

    Errors:

    proxy_status: errors carry the header ``Proxy-Status``.
    no_connection: the message where the database cannot be reached.
    retried: the SQLSTATEs upon which a transaction is tried again.
    """

    name_similarity: float = 0.75
    most_relations_for_hints: int | None = 500
    checks_relations: bool = True

    explains_paths: bool = True
    root_function_first: bool = False
    names_wrong_schema: bool = True
    not_null: bool = True
    single_object_preference: bool = False

    makes_vectors: bool = True
    spreads_many: bool = True
    hoists_once: bool = False
    not_single: str = "Cannot coerce the result to a single JSON object"
    truncates_range_error: bool = False

    limits_changes: bool = False
    orders_changed: bool = True
    filters_changed: bool = False

    names_payload: bool = False
    json_arguments: bool = False
    asks_for_filtered: bool = True
    limits_single_results: bool = True

    empty_token: EmptyToken = "refused if there is a secret"
    null_times: bool = True
    jose: bool = False
    unknown_role_status: int = 401
    searches_empty_name: bool = False

    proxy_status: bool = True
    no_connection: str = "Database connection error."
    retried: frozenset[str] = frozenset({"40001", "40P01"})


PRESENT = Dialect()
"""PostgREST 14."""

_THIRTEEN = replace(
    PRESENT,
    name_similarity=0.33,
    most_relations_for_hints=None,
    truncates_range_error=True,
    filters_changed=True,
    names_payload=True,
    empty_token="refused",
    null_times=False,
    no_connection="Database connection error. Retrying the connection.",
)

_TWELVE = replace(
    _THIRTEEN,
    checks_relations=False,
    explains_paths=False,
    root_function_first=True,
    names_wrong_schema=False,
    not_null=False,
    single_object_preference=True,
    makes_vectors=False,
    spreads_many=False,
    hoists_once=True,
    not_single="JSON object requested, multiple (or no) rows returned",
    truncates_range_error=False,
    limits_changes=True,
    orders_changed=False,
    json_arguments=True,
    asks_for_filtered=False,
    limits_single_results=False,
    empty_token="anonymous",
    null_times=True,
    jose=True,
    unknown_role_status=400,
    searches_empty_name=True,
    proxy_status=False,
    retried=frozenset({"40001"}),
)

_DIALECTS = MappingProxyType({"12": _TWELVE, "13": _THIRTEEN, "14": PRESENT})


def find_dialect(compat: Compat) -> Dialect:
    """The dialect that the option ``compat`` names."""
    return _DIALECTS[compat]

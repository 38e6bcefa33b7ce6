"""Relations and functions to write documents about."""

from collections.abc import Iterable

from proxy.engine.schema import Column, Function, Parameter, QualifiedName, Relation, Relationship, Schema


def make_relation(name: str, columns: Iterable[Column] = (), **traits: object) -> Relation:
    """A relation of the schema ``api``."""
    return Relation("api", name, {column.name: column for column in columns}, **traits)  # type: ignore[arg-type]


def make_column(name: str, type: str = "text", **traits: object) -> Column:
    """A column whose nominal type is its type."""
    return Column(name, type, type, **traits)  # type: ignore[arg-type]


def make_function(name: str, *parameters: Parameter, **traits: object) -> Function:
    """A function of the schema ``api``, stable unless said otherwise."""
    return Function("api", name, parameters, **{"volatility": "stable", **traits})  # type: ignore[arg-type]


def make_parameter(name: str, type: str, *, required: bool = True, variadic: bool = False) -> Parameter:
    """A parameter whose type needs no other to be cast to."""
    return Parameter(name, type, type, required, variadic)


def refer_to(source: str, column: str, target: str, other: str, **traits: object) -> Relationship:
    """A many-to-one relationship by one column, unless ``traits`` say otherwise."""
    given = {"cardinality": "many-to-one", "columns": ((column, other),), **traits}
    return Relationship(("api", source), ("api", target), **given)  # type: ignore[arg-type]


def make_schema(*made: Relation | Function) -> Schema:
    """A schema cache that holds these relations and functions."""
    functions: dict[QualifiedName, tuple[Function, ...]] = {}
    for function in made:
        if isinstance(function, Function):
            name = (function.schema, function.name)
            functions[name] = (*functions.get(name, ()), function)
    relations = {(rel.schema, rel.name): rel for rel in made if isinstance(rel, Relation)}
    return Schema(relations=relations, functions=functions)

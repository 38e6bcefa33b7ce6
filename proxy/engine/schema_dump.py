"""The schema cache as JSON, under the names that PostgREST's own dump has (reference 12.3).

PostgREST calls its structure unstable; what tools look for there are tables, columns and functions.
"""

import json
from typing import Any

from proxy.engine.schema import (
    AnyRelationship,
    Column,
    Function,
    MediaHandler,
    QualifiedName,
    Relation,
    Relationship,
    Schema,
)

_TAGS = {"one-to-many": "O2M", "many-to-one": "M2O", "one-to-one": "O2O", "many-to-many": "M2M"}


def dump_schema(schema: Schema) -> bytes:
    """``schema`` as JSON, without spaces."""
    document = {
        "dbMediaHandlers": [[_handler_key(key), _handler(one)] for key, one in schema.handlers.items()],
        "dbRelationships": [
            [[_name(source), namespace], [_relationship(one) for one in found]]
            for (source, namespace), found in schema.relationships.items()
        ],
        "dbRepresentations": [
            [[source, target], function] for (source, target), function in schema.representations.items()
        ],
        "dbRoutines": [
            [_name(name), list(map(_function, found))] for name, found in schema.functions.items()
        ],
        "dbTables": [[_name(name), _table(one)] for name, one in schema.relations.items()],
        "dbTimezones": sorted(schema.timezones),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def summarize_schema(schema: Schema) -> str:
    """How much of everything there is, in PostgREST's words."""
    counts = {
        "Relations": len(schema.relations),
        "Relationships": len(schema.relationships),
        "RPCs": len(schema.functions),
        "Domain Representations": len(schema.representations),
        "Media Type Handlers": len(schema.handlers),
        "Timezones": len(schema.timezones),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _name(name: QualifiedName) -> dict[str, str]:
    return {"qiName": name[1], "qiSchema": name[0]}


def _table(relation: Relation) -> dict[str, Any]:
    return {
        "tableColumns": {name: _column(column) for name, column in relation.columns.items()},
        "tableDeletable": relation.deletable,
        "tableDescription": relation.description,
        "tableInsertable": relation.insertable,
        "tableIsView": relation.view,
        "tableName": relation.name,
        "tablePKCols": relation.key,
        "tableSchema": relation.schema,
        "tableUpdatable": relation.updatable,
    }


def _column(column: Column) -> dict[str, Any]:
    return {
        "colDefault": column.default,
        "colDescription": column.description,
        "colEnum": column.enum,
        "colMaxLen": column.max_length,
        "colName": column.name,
        "colNominalType": column.nominal_type,
        "colNullable": column.nullable,
        "colType": column.type,
    }


def _relationship(relationship: AnyRelationship) -> dict[str, Any]:
    ends = {"relTable": _name(relationship.source), "relForeignTable": _name(relationship.target)}
    if not isinstance(relationship, Relationship):
        return {
            "tag": "ComputedRelationship",
            **ends,
            "relFunction": _name(relationship.function),
            "relToOne": relationship.to_one,
        }
    junction = relationship.junction
    how: dict[str, Any] = {"tag": _TAGS[relationship.cardinality]}
    if junction is None:
        how |= {"relCons": relationship.constraint, "relColumns": relationship.columns}
    else:
        how |= {
            "junTable": _name(junction.relation),
            "junConstraint1": junction.source_constraint,
            "junConstraint2": junction.target_constraint,
            "junColsSource": junction.source_columns,
            "junColsTarget": junction.target_columns,
        }
    return {
        "tag": "Relationship",
        **ends,
        "relCardinality": how,
        "relIsSelf": relationship.reflexive,
        "relTableIsView": relationship.source_view,
        "relFTableIsView": relationship.target_view,
    }


def _function(function: Function) -> dict[str, Any]:
    kind = "Composite" if function.composite else "Scalar"
    return {
        "pdDescription": function.description,
        "pdFuncSettings": function.settings,
        "pdHasVariadic": any(parameter.variadic for parameter in function.parameters),
        "pdName": function.name,
        "pdParams": [
            {
                "ppName": parameter.name,
                "ppReq": parameter.required,
                "ppType": parameter.type,
                "ppTypeMaxLength": parameter.cast_type,
                "ppVar": parameter.variadic,
            }
            for parameter in function.parameters
        ],
        "pdReturnType": {
            "tag": "SetOf" if function.returns_set else "Single",
            "contents": {"tag": kind, "contents": _name(function.returns)},
        },
        "pdSchema": function.schema,
        "pdVolatility": function.volatility.capitalize(),
    }


def _handler_key(key: tuple[QualifiedName | None, str]) -> list[Any]:
    target, wanted = key
    return ["RelAnyElement" if target is None else _name(target), wanted]


def _handler(handler: MediaHandler) -> list[Any]:
    return [_name(handler.function), handler.media_type]

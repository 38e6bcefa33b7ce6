"""What changes the fingerprint of a relation or function, and what does not."""

from dataclasses import replace

import pytest

from proxy.engine.fingerprint import fingerprint_function, fingerprint_relation
from proxy.engine.schema import Column, Function, Parameter, Relation, Relationship, Schema

STORAGE, FILES, OTHER = ("dlm", "storage"), ("dlm", "files"), ("dlm", "other")


def relation(name: str, /, **columns: str) -> Relation:
    made = {column: Column(column, kind, kind) for column, kind in columns.items()}
    return Relation("dlm", name, made, ("id",))


SCHEMA = Schema(
    relations={
        STORAGE: relation("storage", id="int8", name="text"),
        FILES: relation("files", id="int8", storage_id="int8"),
        OTHER: relation("other", id="int8"),
    },
    relationships={
        (FILES, "dlm"): (Relationship(FILES, STORAGE, "many-to-one", "fk", (("storage_id", "id"),)),)
    },
    functions={
        ("dlm", "f"): (Function("dlm", "f", (Parameter("a", "text", "text", True),)),),
        ("dlm", "rows"): (Function("dlm", "rows", returns=STORAGE, composite=True),),
    },
)


def with_relation(changed: Relation) -> Schema:
    return replace(SCHEMA, relations={**SCHEMA.relations, (changed.schema, changed.name): changed})


WIDER = with_relation(relation("storage", id="int8", name="text", size="int8"))


def changed_by(schema: Schema) -> set[str]:
    """The names whose fingerprints another schema changes."""
    relations = {
        name[1]
        for name in (STORAGE, FILES, OTHER)
        if fingerprint_relation(schema, name) != fingerprint_relation(SCHEMA, name)
    }
    functions = {
        name
        for name in ("f", "rows")
        if fingerprint_function(schema, ("dlm", name)) != fingerprint_function(SCHEMA, ("dlm", name))
    }
    return relations | functions


@pytest.mark.parametrize(
    ("schema", "changed"),
    [
        (SCHEMA, set()),
        (replace(SCHEMA, relations=dict(reversed(list(SCHEMA.relations.items())))), set()),
        (WIDER, {"storage", "files", "rows"}),
        (with_relation(relation("storage", id="int8", name="varchar")), {"storage", "files", "rows"}),
        (with_relation(relation("other", id="int4")), {"other"}),
        (replace(SCHEMA, relationships={}), {"files"}),
        (with_relation(replace(SCHEMA.relations[OTHER], description="a comment")), set()),
        (
            replace(SCHEMA, functions={**SCHEMA.functions, ("dlm", "f"): (Function("dlm", "f"),)}),
            {"f"},
        ),
        (replace(SCHEMA, timezones=frozenset({"UTC"})), set()),
    ],
)
def test_a_fingerprint_changes_with_what_the_engine_knows_of_it(schema: Schema, changed: set[str]) -> None:
    assert changed_by(schema) == changed


def test_what_does_not_exist_has_one_too() -> None:
    assert fingerprint_relation(SCHEMA, ("dlm", "gone")) == fingerprint_relation(SCHEMA, ("dlm", "lost"))
    assert fingerprint_function(SCHEMA, ("dlm", "gone")) != fingerprint_function(SCHEMA, ("dlm", "f"))

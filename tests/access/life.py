"""Calls in the life of data items, errors included, as any class with these four methods makes them.

The rows are those of the conformance schema; every transaction is rolled back by the headers, so that
each call begins with the same rows.
"""

import uuid
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

import requests

HEADERS = {"Prefer": "missing=default, return=representation, tx=rollback"}
PERTH = "50000000-0000-4000-8000-000000000001"
NEW = str(uuid.UUID(int=77))
METADATA = {
    "observation": {"id": "EB-1", "beams": [1, 2.50, -3e-7], "dish": "überlang – 望遠鏡 \U0001f52d"},
    "exact": 9007199254740993,
    "nested": [[], {}, [None, True, {"a": {"b": '\\u0041 " \n'}}]],
}


class Access(Protocol):
    """What both classes have."""

    def insert(self, table: str, *, json: Any) -> Any: ...
    def update(self, table: str, *, json: Any, params: Any = None) -> Any: ...
    def select(self, table: str, *, params: Any = None) -> Any: ...
    def delete(self, table: str, *, params: Any = None) -> None: ...


Step: TypeAlias = Callable[[Access], Any]

ITEM = {"uid": NEW, "item_name": "one", "metadata": METADATA, "storage_id": PERTH, "item_size": 2**62}

LIFE: dict[str, Step] = {
    "insert": lambda db: db.insert("data_item", json=ITEM),
    "insert several": lambda db: db.insert("data_item", json=[ITEM, {"item_name": "by defaults"}]),
    "insert none": lambda db: db.insert("data_item", json=[]),
    "insert and embed": lambda db: db.insert(
        "data_item?select=item_name,metadata,storage(storage_name)", json=ITEM
    ),
    "select all": lambda db: db.select("storage"),
    "select by mapping": lambda db: db.select(
        "data_item", params={"select": "uid,metadata", "order": "uid", "limit": 5, "metadata": "not.is.null"}
    ),
    "select by pairs": lambda db: db.select(
        "storage",
        params=[
            ("storage_num_objects", "gte.0"),
            ("storage_num_objects", "lt.1000000"),
            ("order", "storage_id"),
        ],
    ),
    "select odd names": lambda db: db.select("storage", params={"storage_name": "eq.zürich_50%"}),
    "select a path of json": lambda db: db.select(
        "data_item", params={"select": "uid", "metadata->>instrument": "not.is.null", "order": "uid"}
    ),
    "select with an unset parameter": lambda db: db.select(
        "storage", params={"select": "storage_id", "order": "storage_id", "limit": None}
    ),
    "update": lambda db: db.update(
        "storage", json={"storage_capacity": 7}, params={"storage_id": f"eq.{PERTH}"}
    ),
    "update metadata": lambda db: db.update(
        "data_item", json={"metadata": METADATA}, params={"order": "uid", "item_version": "eq.1"}
    ),
    "update nothing": lambda db: db.update(
        "storage", json={"storage_capacity": 7}, params={"storage_id": f"eq.{uuid.UUID(int=1)}"}
    ),
    "delete": lambda db: db.delete("lone", params={"id": "eq.1"}),
    "delete nothing": lambda db: db.delete("lone", params={"id": "eq.404"}),
    "400: no number": lambda db: db.select("lone", params={"id": "eq.x"}),
    "400: no column": lambda db: db.insert("data_item", json={"item_name": "x", "colour": "red"}),
    "400: no such filter": lambda db: db.select("lone", params={"id": "equals.1"}),
    "400: null": lambda db: db.insert("data_item", json={"item_name": None}),
    "400: no body": lambda db: db.insert("data_item", json=None),
    "400: check": lambda db: db.insert("data_item", json={"item_name": "x", "item_size": -1}),
    "400: too long": lambda db: db.insert("data_item", json={"item_name": "x" * 99}),
    "409: there already": lambda db: db.insert("lone", json={"id": 1, "label": "again"}),
    "409: refers to nothing": lambda db: db.insert(
        "data_item", json={"item_name": "x", "storage_id": str(uuid.UUID(int=404))}
    ),
    "409: referred to": lambda db: db.delete("storage", params={"storage_id": f"eq.{PERTH}"}),
    "404: no table": lambda db: db.select("data_itme"),
    "401: not allowed": lambda db: db.select("inbox"),
}


def live(access: Access) -> Iterator[tuple[str, Any]]:
    """What each call comes to: a value, or all that its error tells."""
    for name, step in LIFE.items():
        try:
            yield name, step(access)
        except requests.HTTPError as error:
            yield name, (error.response.status_code, error.response.json())
        except Exception as error:
            told = error.__dict__
            yield name, {key: told.get(key) for key in ("url", "method", "params", "json")}

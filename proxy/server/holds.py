"""Holds that last as long as the process: for one that has no ledger."""

from collections.abc import Mapping

from proxy.shadow.guard import Hold


class HoldsInMemory:
    """A ``HoldStore`` of one process."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    async def put(self, hold: Hold) -> None:
        self._holds.setdefault(hold.table, hold)

    async def remove(self, table: str, who: str, why: str) -> None:
        self._holds.pop(table, None)

    async def list(self) -> Mapping[str, Hold]:
        return dict(self._holds)

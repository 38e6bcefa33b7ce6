"""Statements collected for the log."""

import asyncio

from proxy.database.statements import collect_statements, note_statement


async def test_each_request_collects_its_own() -> None:
    async def work(name: str) -> list[str]:
        with collect_statements() as statements:
            assert note_statement(f"{name} 1") == f"{name} 1"
            await asyncio.sleep(0)
            note_statement(f"{name} 2")
        note_statement("outside")
        return statements

    one, other = await asyncio.gather(work("a"), work("b"))
    assert (one, other) == (["a 1", "a 2"], ["b 1", "b 2"])


def test_without_a_collector_nothing_is_kept() -> None:
    assert note_statement("SELECT 1") == "SELECT 1"

"""A real browser, where there is one: Debian's Chromium, or the one that CHROMIUM names."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
from playwright.async_api import Browser, async_playwright

PAGES = (
    *("tables", "table", "held", "hostile", "readiness", "mismatches", "mismatch", "history"),
    *("configuration", "missing"),
)
SIZES = {"laptop": (1366, 800), "narrow": (390, 844)}


def find_chromium() -> str | None:
    """Where the browser is; None if there is none."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_chromium(),
            # Inside a container its own sandbox cannot be made; what it shows is ours.
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        try:
            yield browser
        finally:
            await browser.close()


async def find_pages(url: str) -> dict[str, str]:
    """The paths of ``PAGES`` on the console at ``url`` after the story of ``tests.web.stage``."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/mismatches") as answer:
        found = await answer.json()
    hostile = next((one for one in found if "<" in one["table"]), found[0])
    return {
        "tables": "/console",
        "table": "/console/table?name=shelf",
        "held": "/console/table?name=item",
        "hostile": f"/console/table?name={quote(hostile['table'], safe='')}",
        "readiness": "/console/readiness",
        "mismatches": "/console/mismatches",
        "mismatch": f"/console/mismatches/{hostile['id']}",
        "history": "/console/history",
        "configuration": "/console/configuration",
        "missing": "/console/nothing",
    }

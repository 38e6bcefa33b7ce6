"""The console in a real browser: what it complains about, the keyboard, updates, forms, colours."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

pytest.importorskip("playwright", reason="no playwright here: `make chromium` installs it")

from playwright.async_api import Browser, Page, expect

from proxy.events import ConfigReloaded
from proxy.shadow.wish import Wish
from tests.web.browser import PAGES, SIZES, find_chromium, find_pages, open_browser
from tests.web.stage import HOSTILE, Played, played

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium here: `make chromium` installs it"),
]

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const read = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, under) => top.slice(0, 3).map((one, i) => one * top[3] + under[i] * (1 - top[3]));
  const ground = (one) => {
    const layers = [];
    for (; one; one = one.parentElement) layers.unshift(read(getComputedStyle(one).backgroundColor));
    return layers.reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const poor = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !one.checkVisibility() || one.closest(".unseen, .skip")) continue;
    const behind = ground(one);
    const text = over(read(getComputedStyle(one).color), behind);
    const [dark, bright] = [light(text), light(behind)].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${one.className} ${one.textContent.trim().slice(0, 40)}`);
  }
  return poor;
}"""
"""Every text that stands out from what is behind it by less than WCAG 2.2 asks for (1.4.3: 4.5 to 1)."""

CONFIG_REFUSED = ConfigReloaded(False, "f:3: a misspelt key")

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@dataclass
class Seat:
    """A browser before the console."""

    scene: Played
    browser: Browser
    paths: Mapping[str, str]


@dataclass
class Watched:
    """A page of the browser, and what it complained about or asked of others."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seat(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seat]:
    directory: Path = tmp_path_factory.mktemp("console")
    async with played(directory, rounds=1) as scene, open_browser() as browser:
        yield Seat(scene, browser, await find_pages(scene.admin_url))


@asynccontextmanager
async def opened(seat: Seat, **options: Any) -> AsyncIterator[Watched]:
    context = await seat.browser.new_context(**options)
    watched = Watched(await context.new_page())
    page, complaints = watched.page, watched.complaints
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(seat.scene.admin_url) else complaints.append(request.url)
        ),
    )
    try:
        yield watched
    finally:
        await context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_no_page_gives_a_browser_anything_to_complain_about(seat: Seat, scheme: Any, size: str) -> None:
    width, height = SIZES[size]
    async with opened(seat, color_scheme=scheme, viewport={"width": width, "height": height}) as watched:
        for name in PAGES:
            response = await watched.page.goto(seat.scene.admin_url + seat.paths[name])
            assert response is not None
            assert response.status == (404 if name == "missing" else 200)
            assert await watched.page.evaluate(CONTRAST) == [], name
            assert await watched.page.evaluate(OVERFLOW) == 0, name
        assert [one for one in watched.complaints if "404" not in one] == []


async def test_hostile_names_and_rows_are_shown_as_they_are(seat: Seat) -> None:
    async with opened(seat) as watched:
        await watched.page.goto(seat.scene.admin_url + seat.paths["hostile"])
        await expect(watched.page.locator("h1")).to_have_text(HOSTILE)
        await watched.page.goto(seat.scene.admin_url + seat.paths["mismatch"])
        await expect(watched.page.locator(".sides")).to_contain_text("</script><script>alert(1)</script>")
        # By the link of a difference to the line that shows it.
        await watched.page.get_by_role("link", name="$[0]").first.click()
        await expect(watched.page.locator("tr:target mark").first).to_be_visible()
        assert watched.complaints == []


async def test_everything_is_reached_by_the_keyboard(seat: Seat) -> None:
    async with opened(seat) as watched:
        page = watched.page
        await page.goto(seat.scene.admin_url + seat.paths["held"])
        await page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        await expect(skip).to_be_focused()
        await expect(skip).to_be_in_viewport()
        await page.keyboard.press("Enter")
        await expect(page.locator("#main")).to_be_focused()
        wanted = {"Tables", "Re-arm", "Roll back to shadow", "Promote"}
        for _ in range(60):
            await page.keyboard.press("Tab")
            focused = page.locator(":focus")
            if await focused.count() == 0:
                break
            wanted.discard((await focused.inner_text()).strip())
            outline = await focused.evaluate("one => getComputedStyle(one).outlineStyle")
            assert outline != "none"
        assert wanted == set()


async def test_what_changes_is_seen_and_told_without_loading_the_page(seat: Seat) -> None:
    async with opened(seat) as watched:
        page = watched.page
        await page.goto(seat.scene.admin_url + "/console/table?name=shelf")
        await page.fill("form[action='/console/rollback'] input[name=why]", "half a word")
        wish = Wish("promote", "shelf", "ada", "more of it", share=60, force=True)
        assert (await seat.scene.stage.proxy.carry_out(wish)).result == "done"
        await expect(page.locator("#now .mode")).to_have_text("canary 60 %", timeout=30_000)
        # What was being written is still there.
        why = page.locator("form[action='/console/rollback'] input[name=why]")
        await expect(why).to_have_value("half a word")
        await page.get_by_role("button", name="Pause updates").click()
        await expect(page.locator("#live-state")).to_have_text("paused")
        await page.goto(seat.scene.admin_url + "/console")
        seat.scene.stage.proxy.health.listen(CONFIG_REFUSED)
        await expect(page.locator("#said")).to_contain_text("a misspelt key", timeout=30_000)
        await expect(page.locator(".problems")).to_contain_text("a misspelt key")
        assert watched.complaints == []


async def test_a_table_is_rolled_back_by_its_form(seat: Seat) -> None:
    async with opened(seat) as watched:
        page, stage = watched.page, seat.scene.stage
        await page.goto(seat.scene.admin_url + "/console/table?name=item")
        await page.fill("form[action='/console/rearm'] input[name=who]", "anna")
        await page.fill("form[action='/console/rearm'] input[name=why]", "the engine was mended")
        await page.get_by_role("button", name="Re-arm").click()
        await expect(page.locator("h1")).to_have_text("Done")
        assert stage.proxy.guarding.holds == {}
        await page.get_by_role("link", name="Back to item").click()
        await page.fill("form[action='/console/rollback'] input[name=why]", "to be sure")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("Done")
        assert "item:  {reads: shadow" in stage.file.read_text(encoding="utf-8")
        assert watched.complaints == []


async def test_without_its_script_the_page_is_the_same(seat: Seat) -> None:
    async with opened(seat, java_script_enabled=False) as watched:
        await watched.page.goto(seat.scene.admin_url + "/console")
        await expect(watched.page.get_by_role("row").filter(has_text="note")).to_be_visible()
        await expect(watched.page.locator("#live-button")).to_be_hidden()

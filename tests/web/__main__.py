"""Make screenshots of every page of the console: light and dark, on a laptop and on a telephone."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.web.browser import PAGES, SIZES, find_pages, open_browser
from tests.web.stage import played


def main() -> int:
    """Run everything on this machine. Exit code 1 if a browser complained about anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("screenshots"), metavar="DIR")
    parser.add_argument("--rounds", type=int, default=60, metavar="N", help="how much traffic (60)")
    parser.add_argument("--plain", action="store_true", help="without hostile names, as for the docs")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    complaints = asyncio.run(_photograph(options.out, options.rounds, hostile=not options.plain))
    for complaint in complaints:
        print(f"the browser complains: {complaint}", file=sys.stderr)
    return int(bool(complaints))


async def _photograph(out: Path, rounds: int, *, hostile: bool) -> list[str]:
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        async with (
            played(Path(name), rounds=rounds, speed=40.0, hostile=hostile) as scene,
            open_browser() as browser,
        ):
            paths = await find_pages(scene.admin_url)
            for scheme in ("light", "dark"):
                for size, (width, height) in SIZES.items():
                    context = await browser.new_context(
                        color_scheme=scheme, viewport={"width": width, "height": height}
                    )
                    page = await context.new_page()
                    page.on("console", lambda message: _note(message.text, complaints))
                    page.on("pageerror", lambda error: complaints.append(str(error)))
                    for title in PAGES:
                        await page.goto(scene.admin_url + paths[title])
                        file = out / f"{title}-{size}-{scheme}.png"
                        await page.screenshot(path=file, full_page=True)
                        print(file)
                    # What comes of a promotion that is refused.
                    await page.goto(scene.admin_url + paths["table"])
                    await page.get_by_role("button", name="Promote").click()
                    await page.screenshot(path=out / f"outcome-{size}-{scheme}.png", full_page=True)
                    await context.close()
    return complaints


def _note(text: str, complaints: list[str]) -> None:
    """That the missing page is missing, and what is refused is refused, is no complaint."""
    if "404" not in text and "409" not in text:
        complaints.append(text)


if __name__ == "__main__":
    sys.exit(main())

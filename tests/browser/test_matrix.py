"""Every screen, light and dark, on a phone and on a wall: nothing overflows, and axe-core finds nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from console.dashboard.screens import SCREENS
from tests.browser.browser import READY_MS, open_page, settle
from tests.worlds.page_plant import Served

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
PHONE, WALL = (390, 844), (1920, 1080)


def violations(page: Page) -> list[str]:
    """What axe-core finds, one line for each element."""
    done: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {node['html'][:160]}" for one in done["violations"] for node in one["nodes"]]


def overflow(page: Page) -> list[str]:
    """Elements that reach beyond the window, where the page itself scrolls sideways."""
    beyond: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= innerWidth ? [] :
             [...document.querySelectorAll('body *')]
               .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
               .map((one) => `${one.tagName}.${one.className}`).slice(0, 5)"""
    )
    return beyond


@pytest.mark.parametrize("size", [pytest.param(PHONE, id="phone"), pytest.param(WALL, id="wall")])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_screen_fits_and_is_accessible(
    chrome: Browser, served: Served, theme: str, size: tuple[int, int]
) -> None:
    page, complaints = open_page(chrome, served, "/", width=size[0], height=size[1], theme=theme)
    page.evaluate(AXE)
    faults = []
    for number, screen in enumerate(SCREENS, start=1):
        page.keyboard.press(str(number))
        page.wait_for_selector(f"body[data-ready={screen}]", timeout=READY_MS, state="attached")
        settle(page, 300)
        faults += [f"{screen}: {fault}" for fault in (*overflow(page), *violations(page))]
    assert faults == []
    assert page.evaluate("document.documentElement.dataset.theme ?? ''") in ("", theme)
    assert complaints == []
    page.context.close()

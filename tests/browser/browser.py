"""A real Chromium on a real server of the page, over the plant in one process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from console.report import files
from tests.worlds.page_plant import Served

READY_MS = 20_000


def chromium() -> str | None:
    """Return the browser of this machine: ``VPP_TEST_CHROMIUM``, else the one that prints reports; None: none."""
    return os.environ.get("VPP_TEST_CHROMIUM") or files.chromium()


@contextmanager
def browser() -> Iterator[Browser]:
    """Yield a headless browser."""
    path = chromium()
    assert path is not None, "no Chromium on this machine: apt-get install chromium, or set VPP_TEST_CHROMIUM"
    with sync_playwright() as driver:
        result = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--force-color-profile=srgb"])
        try:
            yield result
        finally:
            result.close()


def open_page(
    browser: Browser, served: Served, path: str = "/", *, width: int = 1440, height: int = 900, theme: str = "light"
) -> tuple[Page, list[str]]:
    """Open a path and wait until its screen is there; return the page and what it complains of."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if theme == "dark" else "light"
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: served.asked.append(request.url))
    page.goto(served.address + path)
    page.wait_for_selector("body[data-ready]", timeout=READY_MS, state="attached")
    return page, complaints


def settle(page: Page, ms: int = 500) -> None:
    """Wait until charts and late parts are drawn."""
    page.wait_for_timeout(ms)

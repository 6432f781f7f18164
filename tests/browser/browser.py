"""A real Chromium on a real server of the page, over the plant in one process."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from console.dashboard.app import build_app
from console.report import files
from tests.worlds.page_plant import acts_of
from tests.worlds.plant_loop import Loop

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
        found = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--force-color-profile=srgb"])
        try:
            yield found
        finally:
            found.close()


@dataclass
class Served:
    """The page over a plant, in a thread of this process; it can be stopped and started again on the same port.

    Attributes:
        loop: The plant.
        every_s: Least time between two looks at the store.
    """

    loop: Loop
    every_s: float = 0.2
    port: int = 0
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve."""
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        app = build_app(self.loop.settings, self.loop.store, every_s=self.every_s, acts=acts_of(self.loop))
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self.port, log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{self.address}/healthz", timeout=2)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the page does not answer")

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(20)
            self._server = self._thread = None


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

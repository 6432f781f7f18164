"""Takes the pictures of README and docs in Chromium, of a simulated plant that it starts, or of one that runs.

Run it with: make screenshots (or python -m scripts.screenshots --address http://127.0.0.1:8050). The pictures go to
docs/guide/pictures as WebP, light and dark, each below 250 kB.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Browser, sync_playwright

from console.report.files import chromium

FOLDER = Path("docs/guide/pictures")
MAX_BYTES = 250_000
QUALITY = 82
ZONE = "SIM_NORTH"
PLANT = ["up", "--zone", ZONE, "--from", "2025-06-02", "--to", "2025-06-06T16:00", "--speed", "max", "--refit", "none"]
STARTS_WITHIN_S = 1800.0


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: a screen at a size (CSS pixels) in a theme."""

    name: str
    screen: str
    theme: str
    width: int = 1440
    height: int = 900


SHOTS = (
    Shot("now-light", "now", "light"),
    Shot("now-dark", "now", "dark"),
    Shot("plan-light", "plan", "light"),
    Shot("orders-dark", "orders", "dark"),
    Shot("phone-light", "now", "light", 390, 844),
    Shot("phone-dark", "plan", "dark", 390, 844),
)


@contextmanager
def simulated_plant() -> Iterator[str]:
    """Start a simulated plant in a folder of its own, wait until it has run, and yield the address of its page."""
    with tempfile.TemporaryDirectory() as folder:
        env = {name: value for name, value in os.environ.items() if not name.startswith("VPP_")}
        env |= {"PYTHONPATH": str(Path.cwd()), "VPP_ONE_PERSON": "true", "NO_COLOR": "1", "COLUMNS": "200"}
        words = Path(folder) / "err.txt"
        with words.open("wb") as err:
            command = [sys.executable, "-m", "console.cli.main", *PLANT]
            plant = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=err)
        try:
            yield _address(plant, words)
        finally:
            plant.send_signal(signal.SIGINT)
            plant.wait(60)


def _address(plant: subprocess.Popen[bytes], words: Path) -> str:
    deadline = time.monotonic() + STARTS_WITHIN_S
    address = ""
    while time.monotonic() < deadline and plant.poll() is None:
        text = words.read_text(encoding="utf-8", errors="replace")
        match = re.search(r"page (http://\S+)", text)
        if match:
            address = match[1]
            if has_run(address):
                return address
        time.sleep(2)
    raise SystemExit(f"the plant did not run:\n{words.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def has_run(address: str) -> bool:
    """Return whether the newest slot of the plant is the last of its range."""
    try:
        overview = httpx.get(f"{address}/api/v1/overview", timeout=10).json()
    except (httpx.TransportError, ValueError):
        return False
    return str(overview.get("as_of") or "") >= PLANT[PLANT.index("--to") + 1]


def propose(address: str) -> None:
    """Make a plan, so Orders shows one that waits for approval."""
    overview = httpx.get(f"{address}/api/v1/overview", timeout=30).json()
    zone = overview["zones"][0]["zone"]
    rows = httpx.get(f"{address}/page/screen", params={"screen": "assets", "zone": zone}, timeout=30).json()
    battery = next(asset["asset_id"] for asset in rows["body"]["assets"] if asset["kind"] == "battery")
    body = {"zone": zone, "asset_ids": [battery], "power_mw": 4.0, "duration_min": 120, "reason": "evening peak"}
    httpx.post(f"{address}/page/propose", json=body, headers={"x-vpp-request": "page"}, timeout=60).raise_for_status()


def take(browser: Browser, address: str, shot: Shot, folder: Path) -> int:
    """Take one picture; return its size in bytes.

    Raises:
        SystemExit: The page complains, or the picture is larger than it may be.
    """
    scheme = "dark" if shot.theme == "dark" else "light"
    size = {"width": shot.width, "height": shot.height}
    context = browser.new_context(viewport=size, color_scheme=scheme, device_scale_factor=2 if shot.width < 500 else 1)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/?screen={shot.screen}")
    page.wait_for_selector(f"body[data-ready={shot.screen}]", timeout=60_000, state="attached")
    page.wait_for_timeout(2_500)
    if complaints:
        raise SystemExit(f"{shot.name}: {complaints}")
    session = context.new_cdp_session(page)
    answer = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    data = base64.b64decode(answer["data"])
    context.close()
    if len(data) > MAX_BYTES:
        raise SystemExit(f"{shot.name}: {len(data)} bytes is more than {MAX_BYTES}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{shot.name}.webp").write_bytes(data)
    return len(data)


def main() -> int:
    """Take all pictures."""
    parser = argparse.ArgumentParser("scripts.screenshots", description="Take the pictures of README and docs.")
    parser.add_argument("--address", help="page of a running plant; default: a simulated plant is started")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go [docs/guide/pictures]")
    args = parser.parse_args()
    path = chromium()
    if path is None:
        raise SystemExit("no Chromium on this machine: apt-get install chromium")
    if args.address:
        return _shoot(path, args.address, args.folder)
    with simulated_plant() as address:
        return _shoot(path, address, args.folder)


def _shoot(chromium_path: str, address: str, folder: Path) -> int:
    propose(address)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        for shot in SHOTS:
            print(f"{shot.name}: {take(browser, address, shot, folder) / 1000:.0f} kB")
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

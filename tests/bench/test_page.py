"""The operator's page: time to draw a large chart, memory under many clients, time to the first paint.

Needs Chromium. Figures in docs/benchmarks/speed.md.
"""

from __future__ import annotations

import os
import resource
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browser.browser import browser, open_page
from tests.worlds.page_plant import Served, page_loop, warn

pytestmark = pytest.mark.bench

POINTS, SERIES, FRAMES = 10_000, 4, 120
CLIENTS, UPDATES_PER_S, WARM_S, WATCHED_S = 20, 10, 5.0, 20.0
LOADS = 5

DRAW = """
async ([points, series, frames]) => {
  const { Chart } = await import("/static/js/chart.js");
  const holder = document.createElement("div");
  holder.style.cssText = "position:fixed;inset:0;width:1200px;height:400px;z-index:9";
  document.body.append(holder);
  const chart = new Chart(holder);
  const x = Array.from({ length: points }, (_, n) => n);
  const noise = (n, s) => 0.2 * Math.sin(n * 12.9898 * (s + 1));
  const values = (frame, s) => x.map((n) => Math.sin((n + 40 * frame) / 300 + s) + noise(n, s));
  const colors = ["ink", "ink-2", "ink-3", "line-2"];
  const spec = (frame) => ({
    x, window: [0, points], yRange: [-1.5, 1.5], ySplits: [-1, 0, 1], xSplits: [0, points / 2, points], xText: String,
    summary: "bench", step: 1,
    series: Array.from({ length: series }, (_, s) => ({ kind: "line", color: colors[s % 4], data: values(frame, s) })),
  });
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  chart.show(spec(0));
  await frame();
  const drawn = [], apart = [];
  let last = await frame();
  for (let n = 1; n <= frames; n += 1) {
    const next = spec(n);
    const began = performance.now();
    chart.show(next);
    await Promise.resolve();
    await Promise.resolve();
    drawn.push(performance.now() - began);
    const now = await frame();
    apart.push(now - last);
    last = now;
  }
  holder.remove();
  return { drawn, apart };
}
"""
"""Draws a chart of the page's own kind again and again with new data; times are ms."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(page_loop(tmp_path_factory.mktemp("page")))
    served.start()
    yield served
    served.stop()
    served.loop.store.close()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as chrome:
        yield chrome


def load_line() -> str:
    return f"load of the machine {os.getloadavg()[0]:.1f}"


def test_page_frames(chrome: Browser, served: Served) -> None:
    page, _ = open_page(chrome, served)
    times = page.evaluate(DRAW, [POINTS, SERIES, FRAMES])
    page.context.close()
    drawn, apart = times["drawn"], times["apart"]
    print(
        f"\npage frames: {POINTS} points x {SERIES} series, {FRAMES} times new:"
        f" drawing mean {statistics.fmean(drawn):.1f} ms, worst {max(drawn):.1f} ms;"
        f" from frame to frame mean {statistics.fmean(apart):.1f} ms; {load_line()}"
    )


def test_page_first_paint(chrome: Browser, served: Served) -> None:
    paints, ready = [], []
    for _ in range(LOADS):
        began = time.perf_counter()
        page, _complaints = open_page(chrome, served)
        ready.append(time.perf_counter() - began)
        paints.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000)
        page.context.close()
    print(
        f"\npage first paint: median {statistics.median(paints):.2f} s, worst of {LOADS} {max(paints):.2f} s;"
        f" screen complete median {statistics.median(ready):.2f} s; {load_line()}"
    )


def test_page_clients(served: Served) -> None:
    """Many open pages while the store changes: every one gets updates, and the memory of the server stays."""
    stop = threading.Event()
    counts = [0] * CLIENTS

    def follow(number: int) -> None:
        address = f"{served.address}/events?screen=now"
        with suppress(httpx.TransportError), httpx.stream("GET", address, timeout=10.0) as answer:
            for line in answer.iter_lines():
                counts[number] += line.startswith("data:")
                if stop.is_set():
                    return

    threads = [threading.Thread(target=follow, args=(number,), daemon=True) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    changes, sizes = 0, []
    began = time.monotonic()
    while (passed := time.monotonic() - began) < WARM_S + WATCHED_S:
        warn(served.loop, "warning" if changes % 2 else "critical")
        changes += 1
        if passed >= WARM_S:
            sizes.append(memory_mb())
        time.sleep(max(began + changes / UPDATES_PER_S - time.monotonic(), 0.0))
    stop.set()
    for thread in threads:
        thread.join(10.0)
    third = len(sizes) // 3
    grown_mb = statistics.fmean(sizes[-third:]) - statistics.fmean(sizes[:third])
    print(
        f"\npage clients: {CLIENTS} clients, {changes / passed:.1f} changes of the store a second for {passed:.0f} s:"
        f" {min(counts) / passed:.1f} to {max(counts) / passed:.1f} updates a second for each,"
        f" memory {sizes[-1]:.0f} MB, {grown_mb:+.1f} MB from the first third to the last; {load_line()}"
    )


def memory_mb() -> float:
    """Return the resident memory of this process, which serves the page (MB)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20

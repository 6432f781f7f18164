"""The guide "Two minutes", taken step by step in Chromium on a plant that `vpp up` started."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, expect

from tests.plant_fixtures import Place, make_place

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

GUIDE = (Path(__file__).parents[2] / "docs" / "guide" / "two-minutes.md").read_text(encoding="utf-8")
CAUGHT_UP_MS = 240_000


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The page of a plant started as the guide says, on a port and in a folder of its own."""
    command = re.search(r'VPP_ONE_PERSON=true make up ARGS="(.*)"', GUIDE)
    assert command is not None
    place = make_place(tmp_path / "plant")
    place.environment.update(VPP_ONE_PERSON="true", VPP_PAGE__PORT="0")
    process = place.start("up", *command[1].split())
    try:
        yield page_address(place)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, place.said()


def page_address(place: Place) -> str:
    """Return the address in the first line that the plant printed."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lines = place.said().splitlines()
        if lines:
            match = re.fullmatch(r"page (http://127\.0\.0\.1:\d+)", lines[0])
            assert match is not None, lines[0]
            return match[1]
        time.sleep(0.2)
    raise AssertionError("the plant printed nothing")


def test_the_guide_leads_to_an_approved_order(chrome: Browser, address: str) -> None:
    page = chrome.new_context(viewport={"width": 1440, "height": 900}).new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    seen: set[str] = set()

    def sees(*labels: str) -> None:
        for label in labels:
            expect(page.get_by_text(label).locator("visible=true").first).to_be_visible(timeout=30_000)
            seen.add(label)

    deadline = time.monotonic() + 60
    while True:  # the page is served a moment after its address is printed
        try:
            page.goto(address)
            break
        except Error:
            assert time.monotonic() < deadline
            page.wait_for_timeout(200)
    expect(page.locator(".top")).to_contain_text("Live", timeout=CAUGHT_UP_MS)
    sees("Live", "Is it fine?", "What comes", "What you must do")
    page.keyboard.press("2")
    sees("Plan and why")
    expect(page.locator("[data-key=why]")).to_contain_text("What else the battery could do", timeout=60_000)
    page.keyboard.press("4")
    sees("Orders", "New proposal…")
    page.get_by_role("button", name="New proposal…").click()
    dialog = page.locator("dialog[open]")
    dialog.locator("[name=power_mw]").fill("2")
    dialog.locator("[name=duration_min]").fill("60")
    dialog.locator("[name=reason]").fill("trying it out")
    sees("Show what it does")
    dialog.get_by_role("button", name="Show what it does").click()
    approve = page.locator("[data-approve]")
    expect(approve).to_be_enabled(timeout=60_000)
    expect(page.get_by_text(re.compile("^(Costs|Gains)$")).locator("visible=true").first).to_be_visible()
    seen |= {"Costs", "Gains"}
    sees("Checks", "Approve")
    approve.click()
    expect(page.locator(".life")).to_contain_text("admitted", timeout=60_000)
    sees("Life of", "Audit")
    expect(page.locator(".audit").first).to_contain_text("approve")
    assert seen == set(re.findall(r"\*\*([^*]+)\*\*", GUIDE))
    assert complaints == []
    page.context.close()

"""What people do on the page: by keyboard alone, through a restart, from a proposal to a battery that moves."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from console.dashboard.screens import SCREENS
from tests.browser.browser import open_page, settle
from tests.worlds.page_plant import ZONE, Served, next_slot, warn
from vpp.store.tables import TELEMETRY

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_propose_preview_approve_and_the_battery_moves(chrome: Browser, own: Served) -> None:
    page, complaints = open_page(chrome, own, "/?screen=orders")
    page.click("[data-propose]")
    dialog = page.locator("dialog[open]")
    dialog.locator("[name=power_mw]").fill("2")
    dialog.locator("[name=duration_min]").fill("120")
    dialog.locator("[name=reason]").fill("evening peak")
    dialog.locator("[data-send]").click()
    approve = page.locator("[data-approve]")
    expect(approve).to_be_enabled(timeout=20_000)
    expect(page.locator(".panel", has_text="ends in").first).to_contain_text("Battery +2 MW")
    assert own.loop.orders() == [], "nothing is sent before it is approved"
    approve.click()
    expect(page.locator(".life")).to_contain_text("admitted", timeout=20_000)
    (order,) = own.loop.orders()
    assert (order.power_mw, order.reason, order.approved_by) == (2.0, "evening peak", order.principal)
    for _ in range(2):
        next_slot(own.loop)
    expect(page.locator(".life")).to_contain_text("07:30 acts", timeout=20_000)
    page.goto(f"{own.address}/")
    expect(page.locator(".strip")).to_contain_text("Battery +2.0 MW", timeout=20_000)
    assert complaints == []
    page.context.close()


def test_hold_in_two_steps_then_ask_for_release(chrome: Browser, own: Served) -> None:
    page, _ = open_page(chrome, own, "/")
    page.keyboard.press("h")
    send = page.locator("dialog[open] [data-send]")
    expect(send).to_be_visible()
    assert own.loop.orders() == [], "the first step sends nothing"
    send.click()
    assert own.loop.orders() == [], "a hold says why"
    page.locator("dialog[open] [name=reason]").fill("crew on feeder 3")
    send.click()
    banner = page.locator(".banner[data-kind=hold]")
    expect(banner).to_contain_text("crew on feeder 3", timeout=20_000)
    assert [order.action for order in own.loop.orders()] == ["hold"]
    assert page.locator(".top .button.hold").count() == 0
    next_slot(own.loop)
    banner.get_by_role("button").click()
    page.locator("dialog[open] [name=reason]").fill("crew is gone")
    page.locator("dialog[open] [data-send]").click()
    page.locator("[data-approve]").click(timeout=20_000)
    expect(page.locator(".life")).to_contain_text("it took effect at once", timeout=20_000)
    next_slot(own.loop)
    expect(banner).to_have_count(0, timeout=20_000)
    page.context.close()


def test_an_alarm_is_silenced_and_work_planned_and_both_ended(chrome: Browser, own: Served) -> None:
    warn(own.loop)
    page, complaints = open_page(chrome, own, "/")
    page.locator("[data-silence]").first.click()
    page.locator("dialog[open] [name=reason]").fill("meter swap")
    page.locator("dialog[open] [data-send]").click()
    silence = page.locator("[data-quiet=silence]")
    expect(silence).to_contain_text("meter swap", timeout=20_000)
    silence.locator("[data-end-quiet]").click()
    expect(silence).to_have_count(0, timeout=20_000)
    page.locator("[data-maintenance]").click()
    page.locator("dialog[open] [name=reason]").fill("cable works")
    page.locator("dialog[open] [data-send]").click()
    window = page.locator("[data-quiet=maintenance]")
    expect(window).to_contain_text("cable works", timeout=20_000)
    window.locator("[data-end-quiet]").click()
    expect(window).to_have_count(0, timeout=20_000)
    assert complaints == []
    page.context.close()


def test_the_transcript_of_a_look_is_read(chrome: Browser, served: Served) -> None:
    page, complaints = open_page(chrome, served, "/?screen=agent")
    expect(page.locator("[data-key=outcome]")).to_contain_text("left a plan for a person", timeout=20_000)
    risks = page.locator("[data-key=risks] tbody tr")
    expect(risks.first).to_contain_text("pass the limit")
    expect(risks.last).to_contain_text("unknown")
    page.locator("[data-steps]").click()
    expect(page.locator("[data-step=call]")).to_contain_text("predict_ramp", timeout=20_000)
    assert complaints == []
    page.context.close()


def test_everything_is_reached_by_keyboard(chrome: Browser, served: Served) -> None:
    page, complaints = open_page(chrome, served, "/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    for n, screen in enumerate(SCREENS, start=1):
        page.keyboard.press(str(n))
        expect(page.locator(f"body[data-ready={screen}]")).to_be_attached(timeout=20_000)
        assert page.locator("#rail [aria-current=page]").count() == 1
    page.keyboard.press("2")
    row = page.locator("tr.pick").nth(3)
    row.wait_for()
    page.keyboard.press("j")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.locator("tr[data-selected]")).to_have_attribute("data-row", "3")
    expect(page.locator("[data-key=why]")).to_contain_text("planned", timeout=60_000)
    before = page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("d")
    assert page.evaluate("document.documentElement.dataset.theme") != before
    page.keyboard.press("1")
    plot = page.locator("[data-chart=net]")
    plot.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#said")).to_contain_text(re.compile("net load"))
    page.keyboard.press("z")
    expect(page.locator("#zone-filter")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".zone-button")).to_be_focused()
    visited = []
    page.locator(".skip").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.tagName + (document.activeElement.dataset.chart ?? '')"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none" or visited[-1] == "BODY"
    assert {"BUTTON", "A", "DIVnet", "DIVprice"} <= set(visited)
    assert complaints == []
    page.context.close()


def test_a_new_slot_appears_without_a_reload_and_keeps_the_focus(chrome: Browser, own: Served) -> None:
    page, _ = open_page(chrome, own, "/")
    before = page.locator(".clock time").inner_text()
    page.locator(".zone-button").focus()
    next_slot(own.loop)
    expect(page.locator(".clock time")).not_to_have_text(before, timeout=20_000)
    expect(page.locator(".zone-button")).to_be_focused()
    page.context.close()


def test_a_lost_server_is_reported_and_comes_back(chrome: Browser, own: Served) -> None:
    page, _ = open_page(chrome, own, "/")
    settle(page)
    own.stop()
    expect(page.locator(".banner[data-kind=lost]")).to_be_visible(timeout=30_000)
    expect(page.locator(".verdict")).to_contain_text("No connection")
    expect(page.locator(".top .button.hold")).to_be_disabled()
    assert page.title().startswith("No connection")
    next_slot(own.loop)
    own.start()
    expect(page.locator(".banner[data-kind=lost]")).to_have_count(0, timeout=30_000)
    expect(page.locator(".clock time")).to_have_text("07:30 UTC", timeout=20_000)
    page.context.close()


def test_looking_back_turns_commands_off(chrome: Browser, served: Served) -> None:
    page, _ = open_page(chrome, served, "/?at=2022-01-03T12:00:00Z")
    expect(page.locator(".banner[data-kind=back]")).to_contain_text("Looking back at 12:00 UTC, Mon, 3 Jan 2022")
    expect(page.locator(".clock time")).to_have_text("12:00 UTC")
    assert page.locator(".top .button.hold").count() == 0
    page.get_by_role("button", name="Back to now").click()
    expect(page.locator(".clock time")).to_have_text("06:00 UTC", timeout=20_000)
    page.context.close()


def test_why_not_is_answered_in_money(chrome: Browser, served: Served) -> None:
    page, _ = open_page(chrome, served, "/?screen=plan")
    page.locator("[name=mw]").fill("-4")
    page.locator("[data-solve]").click()
    expect(page.locator(".answer")).to_contain_text(
        re.compile(r"instead costs (£[\d,.]+ more|the same)"), timeout=30_000
    )
    page.context.close()


def test_one_faulty_reading_is_marked_and_does_not_flatten_the_line_of_a_zone(chrome: Browser, own: Served) -> None:
    store = own.loop.store
    (newest,) = store.read(TELEMETRY, zone=ZONE, order="desc", limit=1).dicts()
    faulty = {**newest, "net_load_mw": 20_000.0}
    page, complaints = open_page(chrome, own, "/?screen=zones")
    heights = "(one) => new Set(one.querySelector('.stroke-ink-2').getAttribute('d').match(/ [\\d.]+/g)).size"
    before = page.locator(".spark").first.evaluate(heights)
    assert page.locator(".spark .beyond").count() == 0
    store.write(TELEMETRY, [tuple(faulty[column.name] for column in TELEMETRY.columns)])
    next_slot(own.loop)
    expect(page.locator(".spark .beyond")).to_have_count(1, timeout=20_000)
    expect(page.locator(".spark-box")).to_contain_text(re.compile(r"1 value beyond the scale: [\d,.]+ MW"))
    assert page.locator(".spark").first.evaluate(heights) >= before
    page.keyboard.press("1")
    expect(page.locator("body[data-ready=now]")).to_be_attached(timeout=20_000)
    settle(page)
    spec = page.evaluate("(({ yRange, names }) => ({ yRange, names }))(vpp.charts.get('net').spec)")
    assert spec["yRange"][1] < 200.0
    assert any(re.match(r"▲ [\d,]+", one["text"]) for one in spec["names"])
    assert complaints == []
    page.context.close()


@pytest.mark.parametrize(
    ("values", "ends", "expected"),
    [
        pytest.param([*range(10, 34), 900], [], [10, 33], id="one far above"),
        pytest.param([-900, *range(10, 34)], [], [10, 33], id="one far below"),
        pytest.param([*range(10, 34), 900], [60], [10, 60], id="the limit is in sight"),
        pytest.param([*range(10, 34), 50], [], [10, 50], id="a peak is no fault"),
        pytest.param([*range(10, 34), *[200] * 6], [], [10, 200], id="a change that stays is no fault"),
        pytest.param([0] * 24 + [5], [], [0, 5], id="one step of a flat line"),
        pytest.param([1, 900], [], [1, 900], id="too few to know"),
        pytest.param([None, 3, None], [], [3, 3], id="gaps"),
    ],
)
def test_the_range_of_a_small_line(
    chrome: Browser, served: Served, values: list[float | None], ends: list[float], expected: list[float]
) -> None:
    page, _ = open_page(chrome, served, "/?screen=zones")
    asked = "async ([values, ends]) => (await import('/static/js/parts.js')).robustRange(values, ends)"
    assert page.evaluate(asked, [values, ends]) == expected
    page.context.close()


def test_every_screen_of_an_empty_plant_tells_how_to_start_one(chrome: Browser, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"VPP_DATA_DIR": str(tmp_path), "VPP_PAGE__PORT": str(port)}
    server = subprocess.Popen([sys.executable, "-m", "console.dashboard"], env=env, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"{address}/healthz", timeout=2).status_code == 200:
                    break
            time.sleep(0.1)
        page = chrome.new_context().new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        for screen in SCREENS:
            page.goto(f"{address}/?screen={screen}")
            expect(page.locator("#content")).to_contain_text("Start a plant: vpp up", timeout=20_000)
        assert complaints == []
        page.context.close()
    finally:
        server.terminate()
        server.wait(30)

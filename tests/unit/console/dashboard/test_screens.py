"""What the screens show of a plant whose numbers are easy to work out."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.dashboard.screens import SCREENS
from console.dashboard.views import alarms, zones
from console.dashboard.views.forecasts import error_scale
from tests.unit.console.dashboard.conftest import client_of
from tests.worlds.builders import slot_at
from tests.worlds.page_plant import SLOTS, ZONE, page_loop, warn
from tests.worlds.plant_loop import Loop, acts_of
from topologies.control.run_mode import note_mode
from topologies.runtime.directory_lock import directory_locked
from topologies.runtime.status import FAULTS, read_status, status_path, worker_states
from topologies.sources.options import SourceOptions
from vpp.alerting.rules import parse_rules
from vpp.domain import iso
from vpp.settings import Settings, load_settings
from vpp.store import open_store
from vpp.store.tables import ALERTS, COMMANDS, TELEMETRY
from vpp.streams.topics import TOPOLOGIES


async def body(client: httpx.AsyncClient, screen: str, **given: Any) -> dict[str, Any]:
    answer = await client.get("/page/screen", params={"screen": screen, "zone": ZONE, **given})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("screen", SCREENS)
async def test_every_screen_answers_with_its_frame(looking: httpx.AsyncClient, screen: str) -> None:
    found = await body(looking, screen)
    assert found["frame"]["zone"] == ZONE
    assert found["frame"]["now"] == "2022-01-04T06:00:00Z"
    assert found["body"]


@pytest.mark.parametrize("screen", SCREENS)
async def test_every_screen_answers_where_nothing_has_run(tmp_path: Path, screen: str) -> None:
    from console.dashboard.app import build_app

    settings = load_settings({"data_dir": tmp_path})
    with open_store(settings, read_only=True) as store:
        transport = httpx.ASGITransport(app=build_app(settings, store), client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get("/page/screen", params={"screen": screen})
    assert answer.json() == {
        "frame": {
            "zone": None,
            "zones": [],
            "verdict": {"state": "waiting", "word": "Waiting", "cause": "for the first slot"},
            "now": None,
        },
        "body": {},
    }


async def test_now_adds_up(looking: httpx.AsyncClient) -> None:
    screen = (await body(looking, "now"))["body"]
    values, past = screen["values"], screen["past"]
    assert past["import_mw"][-1] == pytest.approx(values["import"]["mw"], abs=1e-3)
    assert past["net_mw"][-1] - values["plant"]["mw"] == pytest.approx(values["import"]["mw"], abs=1e-3)
    assert values["battery"]["mwh"] == pytest.approx(values["battery"]["soc"] * 10.0)
    assert len(past["t"]) == 12
    assert len(screen["plan"]["t"]) == len(screen["plan"]["import_mw"]) + 1
    assert screen["net"]["t"][0] == past["t"][-1] + 1800
    assert screen["strip"]["fine"]["headline"] == "Normal"
    assert screen["strip"]["must"]["headline"] == "Nothing"
    assert [line["title"] for line in screen["alarms"]] == ["Z net load +1,250 MW in\u00a06\u00a0h"]


async def test_looking_back_shows_what_was_known_then(looking: httpx.AsyncClient) -> None:
    then = (await body(looking, "now", at="2022-01-03T12:00:00Z"))["body"]
    assert then["past"]["t"][-1] == 1641209400
    assert then["decided"] == "2022-01-03T12:00:00Z"
    back = await body(looking, "plan", at="2022-01-03T12:00:00Z")
    assert back["frame"]["now"] == "2022-01-03T12:00:00Z"
    assert back["body"]["known_to"] == "2022-01-03T11:30:00Z"


async def test_an_alarm_colours_the_strip_and_names_one_act(tmp_path: Path) -> None:
    loop = page_loop(tmp_path, 8)
    warn(loop)
    async with client_of(loop) as client:
        screen = await body(client, "now")
    assert screen["frame"]["verdict"] == {"state": "warning", "word": "1 warning", "cause": "3 channels missing"}
    assert screen["frame"]["counts"]["health"] == 1
    must = screen["body"]["strip"]["must"]
    assert (must["state"], must["headline"]) == ("warning", "Check the source of gas_mw")
    (line, _) = screen["body"]["alarms"]
    assert (line["title"], line["detail"]) == ("3 channels missing", "gas_mw, hydro_mw and 1 more")


async def test_money_of_the_days_is_the_ledger(looking: httpx.AsyncClient, shared: Loop) -> None:
    screen = (await body(looking, "money"))["body"]
    ledger = sum(row[0] for row in shared.store.read("ledger", columns=("pnl",)))
    assert sum(day["pnl"] for day in screen["days"]) == pytest.approx(ledger)
    for day in screen["days"]:
        assert day["pnl"] == pytest.approx(sum(day["by_kind"].values()) + day["penalties"])
        assert day["against"] == pytest.approx(day["pnl"] - day["no_action"])
    assert screen["today"]["to"] == "2022-01-04T06:00:00Z"


async def test_the_zones_line_is_that_of_now(looking: httpx.AsyncClient) -> None:
    now = (await body(looking, "now"))["body"]["values"]
    (line,) = (await body(looking, "zones"))["body"]["zones"]
    assert line["import_mw"] == pytest.approx(now["import"]["mw"], abs=1e-3)
    assert line["plant_mw"] == pytest.approx(now["plant"]["mw"])
    assert line["next_mw"] == pytest.approx(now["plant"]["next_mw"])
    assert line["soc"] == pytest.approx(now["battery"]["soc"])
    (total,) = (await body(looking, "zones"))["body"]["totals"]
    assert (total["currency"], total["zones"], total["pnl"]) == ("GBP", 1, line["pnl"])


async def test_a_step_that_is_not_decided_says_planned_and_has_no_alternatives(looking: httpx.AsyncClient) -> None:
    first = (await looking.get("/page/why", params={"zone": ZONE, "step": 0})).json()
    later = (await looking.get("/page/why", params={"zone": ZONE, "step": 5})).json()
    assert (first["status"], later["status"], later["alternatives"]) == ("decided", "planned", [])
    assert next(one["cost"] for one in first["alternatives"]) == 0.0
    assert len(later["reasons"]) == 3


async def test_why_not_solves_again(acting: httpx.AsyncClient) -> None:
    why = (await body(acting, "plan"))["body"]["why"]
    wish = {"zone": ZONE, "decision_id": why["decision_id"], "asset_id": "bat", "power_mw": -4.0}
    answer = (await acting.post("/page/why-not", json=wish)).json()
    assert answer["outcome"] == "priced"
    assert answer["extra_cost"] == pytest.approx(sum(answer["items"].values()), abs=0.05)


async def test_an_asset_has_a_history_and_follows_its_curve(looking: httpx.AsyncClient) -> None:
    listed = (await body(looking, "assets"))["body"]["assets"]
    assert [(one["asset_id"], one["state"]) for one in listed] == [
        ("bat", "follows"),
        ("gas", "follows"),
        ("shed", "follows"),
    ]
    answer = (await looking.get("/page/asset", params={"zone": ZONE, "asset_id": "bat", "span": "7d"})).json()
    assert len(answer["t"]) == SLOTS
    missing = await looking.get("/page/asset", params={"zone": ZONE, "asset_id": "none"})
    assert (missing.status_code, missing.json()["title"]) == (404, "Not Found")


async def test_an_asset_shows_its_newest_command_with_its_proof(loop: Loop, acting: httpx.AsyncClient) -> None:
    slot, made = slot_at(SLOTS - 1), datetime(2026, 1, 1, tzinfo=UTC)

    def command(sequence: int, power_mw: float, outcome: str) -> dict[str, Any]:
        row: dict[str, Any] = dict.fromkeys(column.name for column in COMMANDS.columns)
        at = made + timedelta(minutes=sequence)
        given = {"zone": ZONE, "made_at": at, "asset_id": "bat", "slot": slot, "sequence": sequence, "revision": 0}
        times = {"sent_at": at, "acknowledged_at": at + timedelta(seconds=1)}
        return {**row, **given, **times, "power_mw": power_mw, "outcome": outcome, "gateway": "mqtt", "device": "b1"}

    rows = [command(1, 1.0, "followed"), command(2, 2.0, "wrong_sign")]
    loop.store.write(COMMANDS, [tuple(row[column.name] for column in COMMANDS.columns) for row in rows])
    listed = {one["asset_id"]: one["command"] for one in (await body(acting, "assets"))["body"]["assets"]}
    assert (listed["bat"]["sequence"], listed["bat"]["power_mw"]) == (2, 2.0)
    assert (listed["bat"]["outcome"], listed["bat"]["differs"]) == ("wrong sign", True)
    assert listed["bat"]["acknowledged_at"] == "2026-01-01T00:02:01Z"
    assert listed["gas"] is None


async def test_a_hold_stands_on_every_screen_until_it_is_released(loop: Loop, acting: httpx.AsyncClient) -> None:
    sent = await acting.post("/page/hold", json={"zone": ZONE, "reason": "crew on site"})
    assert sent.json() == {"status": "accepted", "text": "The plant is on hold."}
    screen = await body(acting, "now")
    assert screen["frame"]["verdict"]["state"] == "hold"
    assert screen["frame"]["hold"]["reason"] == "crew on site"
    loop.close_slot()
    screen = (await body(acting, "now"))["body"]
    assert screen["strip"]["must"]["headline"] == "Release when it is safe"
    assert "Hold by" in screen["strip"]["doing"]["text"]
    (hold,) = loop.orders()
    assert hold.principal.startswith("local")
    plan = await acting.post("/page/propose", json={"zone": ZONE, "action": "release", "reason": "crew is gone"})
    await approve(acting, plan.json()["plan_id"])
    loop.close_slot()
    assert (await body(acting, "now"))["frame"]["hold"] is None


async def approve(client: httpx.AsyncClient, plan_id: str) -> dict[str, Any]:
    preview = (await client.get("/page/preview", params={"zone": ZONE, "plan_id": plan_id})).json()
    answer = await client.post("/page/approve", json={"plan_id": plan_id, "digest": preview["digest"]})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_proposal_is_priced_approved_by_its_digest_and_acts(loop: Loop, acting: httpx.AsyncClient) -> None:
    wish = {"zone": ZONE, "asset_ids": ["bat"], "power_mw": 2.0, "duration_min": 60, "reason": "evening peak"}
    plan_id = (await acting.post("/page/propose", json=wish)).json()["plan_id"]
    assert loop.orders() == []
    screen = (await body(acting, "orders"))["body"]
    assert [line["title"] for line in screen["waiting"]] == ["Battery +2 MW"]
    preview = (await acting.get("/page/preview", params={"zone": ZONE, "plan_id": plan_id})).json()
    assert preview["paths"][0]["power_mw"][1] == 2.0
    wrong = await acting.post("/page/approve", json={"plan_id": plan_id, "digest": "0" * 32})
    assert (wrong.status_code, loop.orders()) == (409, [])
    assert (await approve(acting, plan_id))["status"] == "accepted"
    loop.close_slot()
    loop.close_slot()
    screen = (await body(acting, "orders"))["body"]
    assert [line["status"] for line in screen["standing"]] == ["acting"]
    assert [step["text"] for step in screen["lives"][plan_id]][1:3] == [
        f"Approved by {acts_of(loop).principal}",
        f"Sent by {acts_of(loop).principal}",
    ]
    next_mw = (await body(acting, "now"))["body"]["next"]["battery"]
    assert next_mw == pytest.approx(2.0, abs=0.05)
    assert {row["act"] for row in screen["audit"]} == {"proposed", "approved", "sent", "admitted"}


async def test_a_plan_can_be_rejected_and_then_acts_no_more(loop: Loop, acting: httpx.AsyncClient) -> None:
    wish = {"zone": ZONE, "asset_ids": ["bat"], "power_mw": 1.0, "reason": "a try"}
    plan_id = (await acting.post("/page/propose", json=wish)).json()["plan_id"]
    preview = (await acting.get("/page/preview", params={"zone": ZONE, "plan_id": plan_id})).json()
    verdict = {"plan_id": plan_id, "digest": preview["digest"], "reason": "not today"}
    assert (await acting.post("/page/reject", json=verdict)).json()["status"] == "rejected"
    late = await acting.post("/page/approve", json=verdict)
    assert (late.status_code, "rejected" in late.json()["detail"], loop.orders()) == (409, True, [])


async def test_a_plan_of_another_is_approved_and_left_to_them_to_send(loop: Loop, acting: httpx.AsyncClient) -> None:
    acts = acts_of(loop)
    zone = acts.zone(ZONE)
    times = acts.times(zone, None, 60)
    order = acts.new_order(zone, "target", "agent:grid", "a ramp", asset_ids=["bat"], power_mw=1.0, **times.fields())
    plan = acts.propose(order, "agent:grid")
    assert plan.plan_id is not None
    text = await approve(acting, plan.plan_id)
    assert (text["status"], loop.orders()) == ("approved", [])
    assert acts.execute(plan.plan_id, "agent:grid").status == "accepted"


async def test_powers_of_a_screen_share_the_unit_of_its_zone(loop: Loop, acting: httpx.AsyncClient) -> None:
    wish = {"zone": ZONE, "asset_ids": ["bat"], "power_mw": -0.25, "duration_min": 60, "reason": "a small charge"}
    assert (await acting.post("/page/propose", json=wish)).status_code == 200
    screen = await body(acting, "orders")
    assert screen["frame"]["power"]["unit"] == "MW"
    assert [line["title"] for line in screen["body"]["waiting"]] == ["Battery −0.25 MW"]
    for power_mw, text in ((-0.25, "Charge 0.25 MW"), (0.5, "Sell 0.5 MW")):
        instead = {"zone": ZONE, "asset_id": "bat", "power_mw": power_mw}
        assert (await acting.post("/page/why-not", json=instead)).json()["text"].startswith(text)
    (line,) = (await body(acting, "zones"))["body"]["zones"]
    assert line["power"]["unit"] == "MW"


def test_errors_are_written_in_the_unit_of_the_least_of_them() -> None:
    assert error_scale([{"mae": 62.3}, {"mae": 1_283.0}], 6_400.0) == {"unit": "MW", "factor": 1.0, "digits": 0}
    assert error_scale([{"mae": 0.0}], 6_400.0)["unit"] == "kW"
    assert error_scale([], 6_400.0)["unit"] == "GW"


async def test_alarms_are_taken_on(loop: Loop, acting: httpx.AsyncClient) -> None:
    warn(loop)
    (alarm,) = (one for one in (await body(acting, "now"))["body"]["alarms"] if one["severity"] == "warning")
    assert (alarm["owner"], alarm["acknowledged_by"], len(alarm["alert_ids"])) == ("metering", None, 3)
    asked = {"zone": ZONE, "alert_ids": alarm["alert_ids"]}
    forged = await acting.post("/page/acknowledge", json=asked, headers={"x-vpp-request": "", "origin": "http://evil"})
    assert forged.status_code == 403
    done = await acting.post("/page/acknowledge", json=asked)
    assert done.json() == {"status": "acknowledged", "text": "Acknowledged."}
    screen = (await body(acting, "now"))["body"]
    (alarm,) = (one for one in screen["alarms"] if one["severity"] == "warning")
    assert alarm["open"]
    assert alarm["acknowledged_by"].startswith("local")
    assert "alert_ids" not in screen["strip"]["must"]


async def test_alerts_are_silenced_and_work_is_planned_and_both_end(loop: Loop, acting: httpx.AsyncClient) -> None:
    warn(loop)
    (alarm,) = (one for one in (await body(acting, "now"))["body"]["alarms"] if one["severity"] == "warning")
    scope = {"zone": ZONE, "code": alarm["code"], "reason": "meter swap"}
    refused = await acting.post("/page/silence", json={**scope, "hours": 721})
    assert refused.status_code in (400, 422)
    done = (await acting.post("/page/silence", json={**scope, "hours": 4})).json()
    assert (done["status"], done["text"].startswith("Silenced until")) == ("silenced", True)
    screen = (await body(acting, "now"))["body"]
    (silence,) = screen["quiet"]
    assert (silence["kind"], silence["reason"], silence["scope"]["code"]) == ("silence", "meter swap", alarm["code"])
    (alarm,) = (one for one in screen["alarms"] if one["severity"] == "warning")
    assert alarm["silenced_until"] == silence["until"]
    ended = await acting.post("/page/silence", json={**scope, "hours": 0})
    assert ended.json()["status"] == "ended"
    assert (await body(acting, "now"))["body"]["quiet"] == []
    since = acts_of(loop).book.now() - timedelta(minutes=5)
    elsewhere = since.astimezone(timezone(timedelta(hours=-8)))
    works = {"zone": ZONE, "reason": "cable works", "since": elsewhere.isoformat()}
    for until in (since - timedelta(hours=1), since + timedelta(minutes=1), since + timedelta(days=31)):
        refusal = await acting.post("/page/maintenance", json={**works, "until": until.isoformat()})
        assert refusal.status_code == 409
    planned = await acting.post("/page/maintenance", json={**works, "until": (since + timedelta(hours=4)).isoformat()})
    assert planned.json() == {
        "status": "planned",
        "text": f"Maintenance from {since:%d %b %H:%M} to {since + timedelta(hours=4):%d %b %H:%M} UTC.",
    }
    (window,) = (await body(acting, "now"))["body"]["quiet"]
    assert (window["kind"], window["what"], window["reason"]) == ("maintenance", "all alerts", "cable works")
    over = await acting.post("/page/maintenance", json={"zone": ZONE, "reason": "done", **window["scope"]})
    assert over.json()["status"] == "ended"
    assert (await body(acting, "now"))["body"]["quiet"] == []
    again = await acting.post("/page/maintenance", json={"zone": ZONE, "reason": "done", **window["scope"]})
    assert again.status_code == 409


@pytest.mark.parametrize("days", [3, 40])
async def test_an_alarm_that_lasts_is_shown_until_it_ends_and_first(
    days: int, loop: Loop, acting: httpx.AsyncClient
) -> None:
    newest = slot_at(loop.next_slot - 1)
    since, what = newest - timedelta(days=days), ("warning", "plant", "it differs", "{}", "soc_not_believed", None)
    ends = {"z-battery": None, "gone": newest - timedelta(days=2)}
    rows = [(ZONE, since, f"soc-{name}", *what, name, "none", end, "[]") for name, end in ends.items()]
    loop.store.write(ALERTS, rows)
    alarms_shown = (await body(acting, "now"))["body"]["alarms"]
    assert [(one["asset_id"], one["open"]) for one in alarms_shown if one["code"] == "soc_not_believed"] == [
        ("z-battery", True)
    ]
    assert alarms_shown[0]["code"] == "soc_not_believed"
    for _ in range(200):
        (line,) = (await body(acting, "zones"))["body"]["zones"]
        if line["alarm"]["at"] is not None:
            break
        await asyncio.sleep(0.05)
    assert (line["alarm"]["state"], line["alarm"]["at"]) == ("warning", iso(since))


async def test_the_alarm_list_leaves_out_notes_before_open_alarms(loop: Loop, acting: httpx.AsyncClient) -> None:
    newest, what = slot_at(loop.next_slot - 1), ("warning", "plant", "it differs", "{}", "soc_not_believed", None)
    rows = [(ZONE, newest - timedelta(hours=h), f"soc-{h}", *what, "z-battery", "none", None, "[]") for h in range(40)]
    loop.store.write(ALERTS, rows)
    alarms_shown = (await body(acting, "now"))["body"]["alarms"]
    assert [one["open"] for one in alarms_shown] == [True] * 40


async def test_a_forecast_of_no_model_is_not_taken_apart(looking: httpx.AsyncClient) -> None:
    for given in (
        {"target": "load"},
        {"horizon_min": "soon"},
        {"horizon_min": "60"},
        {"horizon_min": "9" * 20},
        {"horizon_min": "9" * 5000},
    ):
        answer = await looking.get("/page/forecast", params={"zone": ZONE, **given})
        assert answer.status_code in (404, 422), given
        assert answer.headers["content-type"] == "application/problem+json"


async def test_all_zones_shows_the_severity_of_the_alert_rules(
    loop: Loop, acting: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    warn(loop)
    (line,) = (await body(acting, "zones"))["body"]["zones"]
    assert line["alarm"]["state"] == "warning"
    rules = parse_rules("rules: [{severities: [warning], severity: critical}]", "rules")
    monkeypatch.setattr(zones, "load_rules", lambda _: rules)
    (line,) = (await body(acting, "zones"))["body"]["zones"]
    assert line["alarm"]["state"] == "critical"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/page/why", {"step": "-1"}),
        ("/page/why", {"step": "9" * 5000}),
        ("/page/screen", {"screen": "now", "at": "0001-01-01T00:00:00+14:00"}),
        ("/page/screen", {"screen": "now", "at": "9999-12-31T23:59:00-10:00"}),
        ("/page/forecast", {"at": "0001-01-01T00:00:00Z"}),
    ],
)
async def test_numbers_and_times_out_of_range_are_refused(
    looking: httpx.AsyncClient, path: str, query: dict[str, str]
) -> None:
    answer = await looking.get(path, params={"zone": ZONE, **query})
    assert answer.status_code in (400, 422)
    assert answer.json()["hint"]


async def test_maintenance_windows_of_the_rules_are_shown_until_they_end(
    loop: Loop, acting: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = parse_rules(
        "maintenance:\n"
        f"- {{from: 2020-01-01T00:00Z, to: 2099-01-01T00:00Z, zones: [{ZONE}], reason: cable works}}\n"
        "- {from: 2020-01-01T00:00Z, to: 2020-01-02T00:00Z, reason: long over}\n"
        "- {from: 2020-01-01T00:00Z, to: 2099-01-01T00:00Z, zones: [elsewhere], reason: of another zone}\n",
        "rules",
    )
    monkeypatch.setattr(alarms, "load_rules", lambda _: rules)
    (window,) = (await body(acting, "now"))["body"]["quiet"]
    assert (window["kind"], window["reason"], window["what"]) == ("maintenance", "cable works", "all alerts")


async def test_the_agents_look_is_shown_with_its_risks_and_on_request_every_step(looking: httpx.AsyncClient) -> None:
    screen = (await body(looking, "agent"))["body"]
    (look,) = screen["looks"]
    assert (look["kind"], look["came_to"], look["open_plans"]) == ("waiting", "left a plan for a person", ["p1"])
    assert [risk["money"] for risk in look["risks"]] == [1234.5, None]
    answer = await looking.get("/page/look", params={"zone": ZONE, "look_id": look["look_id"]})
    assert [step["act"] for step in answer.json()["steps"]] == ["start", "call", "end"]
    assert (await body(looking, "agent", at="2022-01-03T06:00:00Z"))["body"]["looks"] == []
    assert (await looking.get("/page/look", params={"zone": ZONE, "look_id": "e404"})).status_code == 404


def telemetry_row(zone: str, slot: datetime, net_load_mw: float) -> tuple[Any, ...]:
    row: dict[str, Any] = dict.fromkeys(column.name for column in TELEMETRY.columns)
    row |= {"zone": zone, "slot": slot, "net_load_mw": net_load_mw, "values": "{}", "quality": "{}"}
    return tuple(row[column.name] for column in TELEMETRY.columns)


@pytest.mark.parametrize("began_before_h", [2, 30])
async def test_looking_back_an_episode_that_ended_later_lasts(
    began_before_h: int, shared: Loop, looking: httpx.AsyncClient
) -> None:
    at, step = slot_at(SLOTS - 10), timedelta(minutes=30)
    begun, asset = at - timedelta(hours=began_before_h), f"lasted-{began_before_h}"
    what = ("warning", "plant", "it differs", "{}", "soc_not_believed", None, asset, "none")
    shared.store.write(ALERTS, [(ZONE, begun, asset, *what, at + step, "[]")])

    async def shown(moment: datetime) -> list[tuple[bool, str | None]]:
        lines = (await body(looking, "now", at=iso(moment)))["body"]["alarms"]
        return [(one["open"], one["ended_at"]) for one in lines if one["asset_id"] == asset]

    async def zone_alarm(moment: datetime) -> str:
        for _ in range(100):
            (line,) = (await body(looking, "zones", at=iso(moment)))["body"]["zones"]
            if line["alarm"]["state"] == "warning":
                break
            await asyncio.sleep(0.02)
        state: str = line["alarm"]["state"]
        return state

    ended = [(False, iso(at + step))] if began_before_h < 24 else []
    assert await shown(at) == [(True, None)]
    assert await shown(at + step) == [(True, None)], "the slot of its end has not closed"
    assert await shown(at + 2 * step) == ended
    assert await shown(begun) == [], "it has not begun"
    assert (await body(looking, "assets", at=iso(at)))["frame"]["verdict"]["state"] == "warning"
    assert await zone_alarm(at) == "warning"
    shared.store.write(ALERTS, [(ZONE, begun, asset, *what, begun, "[]")])


async def test_looking_back_a_fault_of_telemetry_lasts_until_its_channel_was_sound_for_hours(
    shared: Loop, looking: httpx.AsyncClient
) -> None:
    begun, end = slot_at(SLOTS - 30), slot_at(SLOTS - 28)
    row = (ZONE, begun, "quality-1", "warning", "telemetry quality", "it has no value", "{}", "missing", "hydro_mw")
    shared.store.write(ALERTS, [(*row, None, "not_used", end, "[]")])
    for after_h, lasts in ((1, True), (5.5, True), (6, False)):
        lines = (await body(looking, "now", at=iso(end + timedelta(hours=after_h))))["body"]["alarms"]
        assert [one["open"] for one in lines if one["channels"] == ["hydro_mw"]] == [lasts]


async def test_looking_back_the_words_of_the_end_of_a_verdict_are_left_out(
    loop: Loop, acting: httpx.AsyncClient
) -> None:
    begun = slot_at(loop.next_slot - 6)
    what = ("critical", "guard", "wind_mw: sensor_fault: values agree with the forecast again", '{"slots":4.0}')
    row = (ZONE, begun, "guard-1", *what, "sensor_fault", "wind_mw", None, "forecast_used", slot_at(loop.next_slot - 2))
    loop.store.write(ALERTS, [(*row, "[]")])

    async def details(**given: str) -> list[str]:
        lines = (await body(acting, "now", **given))["body"]["alarms"]
        return [one["detail"] for one in lines if one["code"] == "sensor_fault"]

    assert await details() == ["wind_mw: sensor_fault: values agree with the forecast again"]
    assert await details(at=iso(slot_at(loop.next_slot - 3))) == [""]


async def test_looking_back_an_acknowledgement_of_later_is_not_shown(loop: Loop, acting: httpx.AsyncClient) -> None:
    warn(loop)
    at = iso(slot_at(loop.next_slot))
    asked = [one for one in (await body(acting, "now"))["body"]["alarms"] if one["severity"] == "warning"]
    await acting.post("/page/acknowledge", json={"zone": ZONE, "alert_ids": asked[0]["alert_ids"]})
    for given, known in (({}, True), ({"at": at}, False)):
        lines = (await body(acting, "now", **given))["body"]["alarms"]
        assert [one["acknowledged_by"] is not None for one in lines if one["severity"] == "warning"] == [known]


async def test_all_zones_looks_back_with_the_other_screens(looking: httpx.AsyncClient) -> None:
    at = "2022-01-03T12:00:00Z"
    now = (await body(looking, "now", at=at))["body"]["values"]
    screen = (await body(looking, "zones", at=at))["body"]
    (line,) = screen["zones"]
    assert screen["now"] == at
    assert line["import_mw"] == pytest.approx(now["import"]["mw"], abs=1e-3)
    assert line["plant_mw"] == pytest.approx(now["plant"]["mw"])
    assert line["next_mw"] == pytest.approx(now["plant"]["next_mw"])
    assert line["soc"] == pytest.approx(now["battery"]["soc"])
    assert line["price"] == now["price"]["value"]
    assert (await body(looking, "zones", at="2022-01-01T00:00:00Z"))["body"]["zones"] == []


async def test_a_zone_of_longer_slots_is_behind_when_it_lacks_a_whole_one(
    loop: Loop, acting: httpx.AsyncClient
) -> None:
    end, quarter = slot_at(loop.next_slot), timedelta(minutes=15)
    for ahead, state in ((1, "normal"), (2, "critical")):
        slots = [end + (ahead - 1 - back) * quarter for back in range(8)]
        loop.store.write(TELEMETRY, [telemetry_row("Q", slot, 100.0) for slot in slots])
        lines = {line["zone"]: line for line in (await body(acting, "zones"))["body"]["zones"]}
        assert (lines[ZONE]["alarm"]["state"], lines[ZONE]["import_mw"] is None) == (state, state == "critical")
        assert lines["Q"]["alarm"]["state"] == "normal"


async def test_looking_back_on_a_live_plant_is_not_silence(loop: Loop, acting: httpx.AsyncClient) -> None:
    note_mode(loop.settings, SourceOptions(kind="feed"))
    assert (await body(acting, "now"))["frame"]["verdict"]["cause"].startswith("no data since")
    then = (await body(acting, "now", at=iso(slot_at(loop.next_slot - 3))))["frame"]
    assert (then["verdict"]["state"], then["clock"]["silent"]) == ("normal", False)


def report_worker(settings: Settings, name: str, now_s: float, **given: Any) -> None:
    """Write the status of a worker that is well, but for what is given."""
    well = {"topology": name, "pid": 1, "processed": 9, "lag": 0, "dead_letters": 0, "last_slot": {}}
    path = status_path(settings, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(well | {"updated_at_s": now_s, "started_at_s": now_s - 999.0} | given))


@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_the_verdict_names_the_fault_that_the_status_of_the_plant_names(
    loop: Loop, acting: httpx.AsyncClient, fault: str
) -> None:
    now_s = loop.clock().timestamp()
    causes: dict[str, dict[str, float]] = {
        "silent": {"updated_at_s": 0.0},
        "restarting": {"restarts": 1, "started_at_s": now_s - 9.0},
        "stalled": {"lag": 5, "progress_at_s": 0.0},
    }
    for name in TOPOLOGIES:
        if name != "storage":
            report_worker(loop.settings, name, now_s)
        elif fault in causes:
            report_worker(loop.settings, name, now_s, **causes[fault])
    with directory_locked(loop.settings.data_dir):
        states = worker_states(loop.settings, read_status(loop.settings), now_s)
        assert {name: state for name, state in states.items() if state != "ok"} == {"storage": fault}
        screen = await body(acting, "now")
        then = (await body(acting, "now", at=iso(slot_at(loop.next_slot - 3))))["frame"]
    frame, strip = screen["frame"], screen["body"]["strip"]
    assert frame["verdict"] == {"state": "warning", "word": "1 warning", "cause": f"worker storage is {fault}"}
    assert (frame["counts"]["health"], frame["workers"]["faults"]) == (1, 1)
    assert (strip["fine"]["state"], strip["fine"]["headline"]) == ("warning", "1 warning")
    assert (strip["must"]["headline"] == "Look at worker storage") == (fault != "restarting")
    assert then["verdict"]["state"] == "normal", "what workers do now says nothing of then"
    over = (await body(acting, "now"))["frame"]
    assert over["verdict"]["state"] == "normal", "a plant that was ended has no worker to miss"


async def test_before_the_first_slot_a_worker_that_fails_is_named(tmp_path: Path) -> None:
    from console.dashboard.app import build_app

    settings = load_settings({"data_dir": tmp_path})
    report_worker(settings, "telemetry", 0.0)
    with directory_locked(tmp_path), open_store(settings, read_only=True) as store:
        transport = httpx.ASGITransport(app=build_app(settings, store), client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answer = await client.get("/page/screen", params={"screen": "now"})
    verdict = answer.json()["frame"]["verdict"]
    assert verdict == {"state": "warning", "word": "1 warning", "cause": "worker telemetry is silent"}


async def test_before_the_first_decision_nothing_is_blamed_on_the_net_load(
    loop: Loop, acting: httpx.AsyncClient
) -> None:
    loop.store.write(TELEMETRY, [telemetry_row(ZONE, slot_at(loop.next_slot), 500.0)])
    comes = (await body(acting, "now"))["body"]["strip"]["comes"]
    assert comes == {"headline": "Not planned yet", "text": "A plan follows the forecast of the newest slot."}


async def test_the_powers_of_the_strip_have_one_decimal(looking: httpx.AsyncClient) -> None:
    strip = (await body(looking, "now"))["body"]["strip"]
    powers = re.findall(r"[+−]?[\d,.]+(?= MW)", f"{strip['doing']['headline']} {strip['fine']['text']}")
    assert powers
    assert all(re.fullmatch(r"[+−]?[\d,]+\.\d", power) for power in powers)


async def test_what_was_computed_before_a_slot_was_settled_is_computed_again(
    loop: Loop, acting: httpx.AsyncClient
) -> None:
    async def perfect() -> float | None:
        for _ in range(100):
            screen = (await body(acting, "money"))["body"]
            if not screen["capturing"]:
                break
            await asyncio.sleep(0.05)
        found: float | None = screen["days"][-1]["perfect"]
        return found

    settled, newest = "ledger", slot_at(loop.next_slot)
    before = await perfect()
    loop.store.write(TELEMETRY, [telemetry_row(ZONE, newest, 500.0)])
    assert await perfect() == before
    assert loop.store.read(settled, zone=ZONE, start=newest).values == []
    loop.close_slot()
    for _ in range(100):
        if await perfect() != before:
            break
        await asyncio.sleep(0.05)
    assert await perfect() != before


async def test_health_shows_the_features_of_its_zone_only(loop: Loop, acting: httpx.AsyncClient) -> None:
    loop.store.write(TELEMETRY, [("OTHER", slot_at(1), 1.0, 0.0, 0.0, 1.0, None, None, "{}", "{}", 0)])
    path = status_path(loop.settings, "forecast")
    path.parent.mkdir(parents=True, exist_ok=True)
    status = {
        "topology": "forecast",
        "updated_at_s": 0.0,
        "started_at_s": 0.0,
        "lag": 0,
        "processed": 1,
        "dead_letters": 0,
        "last_slot": {},
        "lags": {zone: {"net_load": {"asked": 40, "known": 39}} for zone in (ZONE, "OTHER")},
    }
    path.write_text(json.dumps(status), encoding="utf-8")
    features = (await body(acting, "health", zone=ZONE))["body"]["features"]
    assert [(one["zone"], one["target"], one["known"]) for one in features] == [(ZONE, "net_load", 39)]

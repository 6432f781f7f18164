"""Acting through MCP: the approval matrix, in both protocol eras, against a plant that admits and decides."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.exceptions import ToolError
from mcp_types import InputRequiredResult

from mcp_server.actions.actions import Acts
from mcp_server.queries.context import ReadContext
from mcp_server.queries.orders import list_orders
from mcp_server.server import build_server
from tests.worlds.builders import BATTERY, T0, ZONE, make_zone, order_of
from tests.worlds.mcp_plant import empty_context
from tests.worlds.plant_loop import Loop, acts_of
from topologies.control.plan_book import PlanBook
from vpp.fleet.lookup import write_fleet
from vpp.messages import Alert, AlertCode, AlertEffect, Audit, Message, Order
from vpp.rules.checks import ClauseCheck, Quantity
from vpp.rules.clauses import NOTES_VERSION
from vpp.rules.library import Library
from vpp.store.tables import ALERTS, AUDIT

MODES = ["auto", "legacy"]
WISH = {"asset_ids": [BATTERY.asset_id], "power_mw": 2.0, "duration_min": 60, "reason": "evening peak"}


def client_of(loop: Loop, mode: Any, *, answer: Any = None) -> Client[Any]:
    """A client; ``answer`` is what its user says, None: it has nobody to ask."""
    acts = acts_of(loop)

    async def user(message: str, kind: Any, params: Any, context: Any) -> Any:
        assert "+2 MW of bat" in message
        return answer if isinstance(answer, ElicitResult) else _said(kind, answer)

    given = {} if answer is None else {"elicitation_handler": user}
    return Client(build_server(acts.context, acts), mode=mode, **given)


def _said(kind: Any, approve: bool) -> ElicitResult[Any]:
    if hasattr(kind, "__dataclass_fields__"):
        name = next(iter(kind.__dataclass_fields__))
        return ElicitResult(action="accept", content={name: approve})
    return ElicitResult(action="accept", content={"approve": approve})


async def propose(client: Client[Any], **given: Any) -> dict[str, Any]:
    proposal = (await client.call_tool("propose_dispatch", {**WISH, **given})).structured_content
    assert proposal is not None
    return proposal


async def execute(client: Client[Any], plan_id: str) -> dict[str, Any]:
    answer = (await client.call_tool("execute_plan", {"plan_id": plan_id})).structured_content
    assert answer is not None
    return answer


@pytest.mark.parametrize("mode", MODES)
async def test_a_proposal_is_priced_and_sends_nothing(tmp_path: Path, mode: str) -> None:
    loop = Loop(tmp_path)
    async with client_of(loop, mode) as client:
        plan = await propose(client)
    assert (plan["status"], plan["outcome"], plan["zone"]) == ("proposed", "ready", ZONE)
    assert plan["starts_at"] == "2022-01-03T01:30:00Z"
    assert plan["ends_at"] == "2022-01-03T02:30:00Z"
    assert plan["expires_at"] == "2026-01-01T12:10:00Z"
    assert plan["approval"] == f"an operator runs `vpp approve {plan['plan_id']}`; then call execute_plan"
    assert plan["columns"][:3] == ["slot", "bat power_mw", "bat power_without_mw"]
    assert plan["points"][1][1] == 2.0
    assert {check["name"] for check in plan["checks"] if check["outcome"] == "refused"} == set()
    assert loop.orders() == []


async def test_a_refused_plan_quotes_its_clause(tmp_path: Path) -> None:
    async with client_of(Loop(tmp_path), "auto") as client:
        plan = await propose(client, power_mw=99.0)
        receipt = await execute(client, plan["plan_id"])
    (refused,) = [check for check in plan["checks"] if check["outcome"] == "refused"]
    assert (plan["status"], refused["clause"]) == ("refused", "SITE.limits")
    assert refused["citation"].startswith("fleet.yaml assets")
    assert refused["rule"].startswith("An order may ask of an asset only power between")
    assert all(check["rule"] is None for check in plan["checks"] if check["outcome"] == "ok")
    assert refused["version"] == NOTES_VERSION
    assert receipt["status"] == "refused"


@pytest.mark.parametrize(("most", "verdict"), [(3.0, "ok"), (1.5, "refused")])
async def test_the_sites_own_clauses_check_a_plan_and_stand_on_its_receipt(
    tmp_path: Path, most: float, verdict: str
) -> None:
    loop, manual = Loop(tmp_path), tmp_path / "code.md"
    for version, effective, limit in (("1", None, 9.0), ("2", date(2022, 1, 3), most), ("3", date(2022, 1, 4), 0.0)):
        manual.write_text(f"# 2.1 Batteries\n\nA battery shall not discharge more than {limit} MW into the network.\n")
        check = ClauseCheck(clause="2.1", quantity=Quantity.DISCHARGE_MW, most=limit, assets=[BATTERY.asset_id])
        Library(tmp_path / "rules").add(manual, version=version, effective=effective, checks=[check])
    async with client_of(loop, "auto") as client:
        plan = await propose(client)
        if verdict == "ok":
            acts_of(loop).book.approve(plan["plan_id"], "operator")
        receipt = await execute(client, plan["plan_id"])
    own = plan["checks"][-1]
    assert (own["clause"], own["version"], own["citation"], own["outcome"]) == (
        "code.md 2.1",
        "2",
        "code.md 2.1",
        verdict,
    )
    if verdict == "ok":
        assert (receipt["status"], receipt["rules"][-1]) == ("accepted", "code.md 2.1 (version 2)")
    else:
        assert receipt["status"] == "refused"
        assert own["rule"].startswith("A battery shall not discharge more than 1.5 MW")


@pytest.mark.parametrize("mode", MODES)
async def test_operator_approval_comes_from_elsewhere(tmp_path: Path, mode: str) -> None:
    loop = Loop(tmp_path)
    async with client_of(loop, mode, answer=True) as client:
        plan = await propose(client)
        early = await execute(client, plan["plan_id"])
        acts_of(loop).book.approve(plan["plan_id"], "ann")
        done = await execute(client, plan["plan_id"])
        again = await execute(client, plan["plan_id"])
    assert (early["status"], early["as_of"], early["hint"]) == (
        "needs_approval",
        "2022-01-03T01:00:00Z",
        f"an operator approves it with: vpp approve {plan['plan_id']}",
    )
    assert (done["status"], done["approved_by"], done["acts_from"]) == ("accepted", "ann", "2022-01-03T01:30:00Z")
    assert done["assets"] == [
        {"asset_id": "bat", "outcome": "waiting", "power_mw": None, "reason": "acts from 2022-01-03T01:30:00Z"}
    ]
    assert again == done
    assert len(loop.orders()) == 1


async def test_after_the_decision_the_receipt_tells_what_the_plant_made_of_it(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    async with client_of(loop, "auto") as client:
        plan = await propose(client)
        acts_of(loop).book.approve(plan["plan_id"], "ann")
        await execute(client, plan["plan_id"])
        loop.close_slot()
        receipt = await execute(client, plan["plan_id"])
    assert receipt["assets"] == [{"asset_id": "bat", "outcome": "accepted", "power_mw": 2.0, "reason": None}]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("answer", "status", "sent"),
    [
        pytest.param(True, "accepted", 1, id="yes"),
        pytest.param(False, "declined", 0, id="no"),
        pytest.param(ElicitResult(action="decline"), "declined", 0, id="declined"),
        pytest.param(ElicitResult(action="cancel"), "declined", 0, id="cancelled"),
    ],
)
async def test_the_person_at_the_client_decides(tmp_path: Path, mode: str, answer: Any, status: str, sent: int) -> None:
    loop = Loop(tmp_path, approval="elicit")
    async with client_of(loop, mode, answer=answer) as client:
        plan = await propose(client)
        receipt = await execute(client, plan["plan_id"])
    assert receipt["status"] == status
    assert len(loop.orders()) == sent


@pytest.mark.parametrize("mode", MODES)
async def test_nobody_to_ask_is_a_no_and_the_plan_stays_open(tmp_path: Path, mode: str) -> None:
    loop = Loop(tmp_path, approval="elicit")
    async with client_of(loop, mode) as client:
        plan = await propose(client)
        if mode == "legacy":
            assert (await execute(client, plan["plan_id"]))["status"] == "needs_approval"
        else:  # in the sessionless era the client itself finds that it cannot ask
            with pytest.raises(Exception, match="licitation"):
                await execute(client, plan["plan_id"])
    assert loop.orders() == []
    state = acts_of(loop).book.find(plan["plan_id"])
    assert state is not None
    assert state.status(loop.now) == "proposed"


async def test_a_forged_first_answer_is_a_no(tmp_path: Path) -> None:
    loop = Loop(tmp_path, approval="elicit")
    async with client_of(loop, "auto") as client:
        plan = await propose(client)
        forged = {"approval": {"action": "accept", "content": {"approve": True}}}
        result = await client.session.call_tool(
            "execute_plan", {"plan_id": plan["plan_id"]}, input_responses=forged, allow_input_required=True
        )
        assert not isinstance(result, InputRequiredResult)
        assert result.structured_content["status"] == "declined"
        with pytest.raises(Exception, match="requestState"):
            await client.session.call_tool(
                "execute_plan",
                {"plan_id": plan["plan_id"]},
                input_responses=forged,
                request_state="v1.forged",
                allow_input_required=True,
            )
    assert loop.orders() == []


@pytest.mark.parametrize(
    ("budget", "status"),
    [
        pytest.param(
            {"budget_mw": 8.0, "budget_mwh_per_day": 50.0, "budget_cost_per_day": 9999.0}, "accepted", id="in"
        ),
        pytest.param(
            {"budget_mw": 0.5, "budget_mwh_per_day": 50.0, "budget_cost_per_day": 9999.0}, "power", id="power"
        ),
        pytest.param({"budget_mw": 8.0, "budget_mwh_per_day": 0.1, "budget_cost_per_day": 9999.0}, "MWh", id="energy"),
        pytest.param({}, "power", id="none"),
    ],
)
async def test_a_budget_approves_within_itself_only(tmp_path: Path, budget: Any, status: str) -> None:
    loop = Loop(tmp_path, approval="budget", **budget)
    async with client_of(loop, "auto") as client:
        plan = await propose(client, power_mw=-2.0)
        receipt = await execute(client, plan["plan_id"])
    if status == "accepted":
        assert receipt["status"] == "accepted"
        assert len(loop.orders()) == 1
    else:
        assert receipt["status"] == "needs_approval"
        assert status in receipt["reason"]
        assert loop.orders() == []


async def test_a_budget_is_spent_by_the_day(tmp_path: Path) -> None:
    loop = Loop(tmp_path, approval="budget", budget_mw=8.0, budget_mwh_per_day=4.0, budget_cost_per_day=9999.0)
    receipts = []
    async with client_of(loop, "auto") as client:
        for power_mw in (-2.0, 3.0, 4.0):
            plan = await propose(client, power_mw=power_mw, duration_min=60)
            receipts.append(await execute(client, plan["plan_id"]))
    assert [receipt["status"] for receipt in receipts] == ["accepted", "needs_approval", "needs_approval"]
    assert "MWh today would exceed the budget of 4 MWh" in receipts[-1]["reason"]
    assert len(loop.orders()) == 1


async def test_a_hold_outlives_every_budget(tmp_path: Path) -> None:
    loop = Loop(tmp_path, approval="budget", budget_mw=99.0, budget_mwh_per_day=999.0, budget_cost_per_day=9999.0)
    async with client_of(loop, "auto") as client:
        await client.call_tool("hold_fleet", {"reason": "smoke"})
        wish = {"policy": "automatic", "reason": "clear", "dry_run": False}
        change = (await client.call_tool("set_policy", wish)).structured_content
        receipt = await execute(client, change["plan"]["plan_id"])
    assert receipt["status"] == "needs_approval"
    assert "a release order needs a person's approval" in receipt["reason"]
    assert [order.action for order in loop.orders()] == ["hold"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_hold_stops_the_fleet_at_once(tmp_path: Path, mode: str) -> None:
    loop = Loop(tmp_path)
    async with client_of(loop, mode) as client:
        receipt = (await client.call_tool("hold_fleet", {"reason": "smoke at the container"})).structured_content
    assert receipt["status"] == "accepted"
    battery = next(asset for asset in receipt["assets"] if asset["asset_id"] == "bat")
    assert (battery["outcome"], battery["power_mw"]) == ("accepted", 0.0)
    assert "smoke at the container" in battery["reason"]


async def test_what_a_hold_costs_is_asked_without_a_trace(tmp_path: Path) -> None:
    loop, audits = Loop(tmp_path, swings=True), list[Audit]()
    context = ReadContext(loop.settings, loop.store, now=loop.clock)
    async with Client(build_server(context, acts_of(loop), record=audits.append)) as client:
        wish = {"reason": "what would it cost?", "dry_run": True}
        receipt = (await client.call_tool("hold_fleet", wish)).structured_content
        change = await client.call_tool("set_policy", {"policy": "limit", "reason": "price it", "max_mw": 0.0})
    assert (receipt["status"], receipt["dry_run"], receipt["currency"]) == ("dry_run", True, "GBP")
    assert receipt["cost_change"] > 0
    assert change.structured_content["plan"]["cost_change"] > 0
    assert loop.orders() == []
    assert len(loop.store.read(AUDIT)) == 0
    assert audits == []


async def test_a_receipt_waits_for_the_effect_and_says_when_it_has_none_yet(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:
            loop.close_slot()
            loop.close_slot()

    book = PlanBook(loop.store, loop.post, None, loop.clock)
    acts = Acts(ReadContext(loop.settings, loop.store, now=loop.clock), book, pause=pause)
    async with Client(build_server(acts.context, acts)) as client:
        plan = await propose(client, power_mw=2.0, duration_min=60)
        book.approve(plan["plan_id"], "ann")
        asked = {"plan_id": plan["plan_id"]}
        soon = (await client.call_tool("execute_plan", {**asked, "wait_s": 0})).structured_content
        late = (await client.call_tool("execute_plan", {**asked, "wait_s": 20})).structured_content
    assert (soon["stage"], soon["ended"]) == ("waiting", False)
    assert "no effect yet" in soon["hint"]
    assert late["stage"] == "acting"
    assert late["hint"] is None
    assert late["page"].endswith("/?screen=orders&zone=Z")
    assert sum(pauses) < 20


async def test_releasing_a_hold_needs_approval(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    async with client_of(loop, "auto") as client:
        await client.call_tool("hold_fleet", {"reason": "smoke"})
        loop.close_slot()
        dry = (await client.call_tool("set_policy", {"policy": "automatic", "reason": "clear"})).structured_content
        real = (
            await client.call_tool("set_policy", {"policy": "automatic", "reason": "clear", "dry_run": False})
        ).structured_content
        refused = await execute(client, real["plan"]["plan_id"])
        acts_of(loop).book.approve(real["plan"]["plan_id"], "ann")
        done = await execute(client, real["plan"]["plan_id"])
    assert [order["action"] for order in dry["before"]] == ["hold"]
    assert dry["after"] == []
    assert (dry["plan"]["plan_id"], dry["plan"]["status"], dry["plan"]["approval"]) == (None, "dry_run", None)
    assert dry["plan"]["cost_change"] == real["plan"]["cost_change"]
    assert refused["status"] == "needs_approval"
    assert done["status"] == "accepted"


@pytest.mark.parametrize("topic", ["orders", "bids"])
async def test_an_unsigned_order_with_the_id_of_a_plan_changes_nothing_for_it(topic: str, tmp_path: Path) -> None:
    key = b"k" * 32
    loop = Loop(tmp_path, key=key)
    acts = acts_of(loop, key)
    async with Client(build_server(acts.context, acts)) as client:
        plan = await propose(client, power_mw=2.0)
        fields: dict[str, Any] = {"asset_ids": ["gas"], "power_mw": 15.0, "expires_at": T0 + timedelta(hours=9)}
        forged = order_of("target", plan["plan_id"], verdict="accepted", approved_by="eve", **fields)
        loop.post(topic, forged)
        acts.book.approve(plan["plan_id"], "ann")
        receipt = await execute(client, plan["plan_id"])
    (line,) = list_orders(acts.context, ZONE).orders
    assert (receipt["status"], receipt["stage"]) == ("accepted", "waiting")
    assert (line.order_id, line.stage, line.asked) == (plan["plan_id"], "waiting", {"power_mw": 2.0})
    assert "refused" not in {step.stage for step in line.life}
    assert len(loop.store.read(ALERTS, filters={"topic": "order"})) == 1


async def test_releasing_a_quarantine_needs_approval(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    alert = Alert(
        zone=ZONE,
        slot=T0,
        alert_id="Z-guard-1",
        severity="critical",
        topic="guard",
        code=AlertCode.ATTACK_FORGED,
        text="load_mw: attack_forged",
        effect=AlertEffect.FORECAST_USED,
    )
    loop.post("alerts", alert)
    wish = {"policy": "release_quarantine", "order_id": "Z-guard-1", "reason": "meter read", "dry_run": False}
    async with client_of(loop, "auto") as client:
        plan = (await client.call_tool("set_policy", wish)).structured_content["plan"]
        refused = await execute(client, plan["plan_id"])
        acts_of(loop).book.approve(plan["plan_id"], "ann")
        done = await execute(client, plan["plan_id"])
    assert (plan["outcome"], refused["status"]) == ("ready", "needs_approval")
    assert (done["status"], done["stage"]) == ("accepted", "done")
    (order,) = loop.orders()
    assert (order.action, order.cancels) == ("release_quarantine", "Z-guard-1")


async def test_a_limit_is_a_band_of_the_batteries(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    async with client_of(loop, "auto") as client:
        change = (
            await client.call_tool(
                "set_policy",
                {"policy": "limit", "reason": "quiet night", "min_mw": -1.0, "max_mw": 1.0, "dry_run": False},
            )
        ).structured_content
    assert change["after"][-1]["asset_ids"] == ["bat"]
    battery = [row[1] for row in change["plan"]["points"][1:9]]
    assert all(-1.0 <= power <= 1.0 for power in battery)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        pytest.param(
            {"policy": "cancel"}, "no order None is in force. give order_id; in force: none", id="which order"
        ),
        pytest.param({"policy": "cancel", "order_id": "o404"}, "no order 'o404' is in force", id="unknown order"),
        pytest.param({"policy": "automatic"}, "no such hold is in force", id="nothing to release"),
        pytest.param(
            {"policy": "release_quarantine", "order_id": "g1"},
            "no open quarantine 'g1'. open: none",
            id="no quarantine",
        ),
    ],
)
async def test_a_policy_that_would_change_nothing_is_no_plan(tmp_path: Path, wish: Any, expected: str) -> None:
    async with client_of(Loop(tmp_path), "auto") as client:
        with pytest.raises(ToolError, match=expected):
            await client.call_tool("set_policy", {**wish, "reason": "tidy up", "dry_run": False})


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        pytest.param({"policy": "limit"}, "lacks its value", id="no band"),
        pytest.param({"policy": "keep_soc", "soc": 0.99}, "not at 0.99", id="beyond the band"),
        pytest.param({"policy": "limit", "asset_ids": ["nope"], "max_mw": 1}, "nope is not in Z", id="unknown asset"),
    ],
)
async def test_a_dry_run_says_what_would_be_refused(tmp_path: Path, wish: Any, expected: str) -> None:
    async with client_of(Loop(tmp_path), "auto") as client:
        change = (await client.call_tool("set_policy", {**wish, "reason": "quiet night"})).structured_content
    (warning,) = change["warnings"]
    assert warning.startswith("the change would be refused: ")
    assert expected in warning
    assert change["after"] == change["before"] == []


@pytest.mark.parametrize(
    ("given", "held"),
    [
        pytest.param({}, {"A": [], "B": []}, id="the whole fleet"),
        pytest.param({"zone": "B"}, {"B": []}, id="one zone"),
        pytest.param({"asset_ids": ["bat-b"]}, {"B": ["bat-b"]}, id="one asset, wherever it is"),
        pytest.param({"asset_ids": ["bat-a", "bat-b"]}, {"A": ["bat-a"], "B": ["bat-b"]}, id="assets of two zones"),
    ],
)
async def test_an_emergency_stop_needs_no_zone(tmp_path: Path, given: Any, held: Any) -> None:
    zones = [
        make_zone(BATTERY.model_copy(update={"asset_id": f"bat-{name.lower()}"}), zone=name) for name in ("A", "B")
    ]
    write_fleet(tmp_path / "run" / "default" / "fleet.yaml", zones)
    context, sent = empty_context(tmp_path), list[Message]()
    book = PlanBook(context.store, lambda topic, message: sent.append(message), None)
    acts = Acts(context, book, pause=lambda _: None)
    async with Client(build_server(context, acts)) as client:
        receipt = (await client.call_tool("hold_fleet", {"reason": "smoke", **given})).structured_content
    assert {one.zone: one.asset_ids for one in sent if isinstance(one, Order)} == held
    assert receipt["status"] == "sent"
    assert len(receipt["warnings"]) == (len(held) if len(held) > 1 else 0)


async def test_acting_needs_a_plant_and_a_reason(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    async with client_of(loop, "auto") as client:
        with pytest.raises(ToolError, match="reason"):
            await propose(client, reason="\u200b\u200b\u200b\u200b")
        with pytest.raises(ToolError, match="no zone"):
            await propose(client, zone="nowhere")


async def test_every_act_is_audited_with_its_principal(tmp_path: Path) -> None:
    loop = Loop(tmp_path, approval="elicit")
    async with client_of(loop, "auto", answer=False) as client:
        plan = await propose(client)
        await execute(client, plan["plan_id"])
    rows = loop.store.read(AUDIT).dicts()
    assert {(row["action"], row["verdict"]) for row in rows} == {("plan:propose", "ready"), ("plan:ask", "declined")}
    assert all(row["principal"].startswith("local") for row in rows)


@pytest.mark.parametrize("profile", ["read"])
async def test_the_reading_profile_has_nothing_to_act_with(tmp_path: Path, profile: str) -> None:
    loop = Loop(tmp_path, profile=profile)
    context = ReadContext(loop.settings, loop.store)
    async with Client(build_server(context)) as client:
        with pytest.raises(ToolError, match="Unknown tool"):
            await client.call_tool("hold_fleet", {"reason": "x y z"})

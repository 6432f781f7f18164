"""An order is approved for so much: what it does is counted as it is delivered, and it ends when it did more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents.orders.approval import PLAN_LIFE, Approval, approve, order_digest
from agents.plant.order_account import OrderLimit, limit_of
from mcp_server.actions.actions import Acts
from mcp_server.queries.alerts import get_alerts
from mcp_server.queries.orders import list_orders, standing_orders
from tests.worlds.builders import BATTERY, PEAKER, ZONE
from tests.worlds.plant_loop import PLANT, WALL, Loop, acts_of
from vpp.messages import AlertCode, Order


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    """A plant after two slots, at a price of 100 per MWh that does not change."""
    return Loop(tmp_path)


def order_for(acts: Acts, hours: float, **fields: Any) -> Order:
    clock = acts.run_clock(PLANT)
    given = {"action": "target", "asset_ids": [PEAKER.asset_id], "power_mw": 6.0, **fields}
    return Order(
        zone=ZONE,
        order_id="o1",
        principal="agent",
        reason="test",
        issued_at=clock,
        starts_at=clock + PLANT.step.delta,
        expires_at=clock + timedelta(hours=hours),
        **given,
    )


def approved(order: Order, cost: float, **fields: Any) -> Order:
    given = Approval(order_digest(order), "boss", "operator", WALL, WALL + PLAN_LIFE, cost=cost, **fields)
    return approve(order, given, None)


def test_a_running_order_that_loses_more_than_it_was_approved_for_stops_with_an_alert(loop: Loop) -> None:
    acts = acts_of(loop)
    loop.post("orders", approved(order_for(acts, 12.0), 10.0))
    for _ in range(12):
        loop.close_slot()
    (line,) = list_orders(acts.context, ZONE, "o1").orders
    assert line.stage == "withdrawn"
    assert line.lost is not None
    assert 10.0 < line.lost < 1_000.0
    assert line.stage_reason is not None
    assert "approved for 10.00 at most" in line.stage_reason
    assert standing_orders(acts.context, ZONE) == []
    (alert,) = [one for one in get_alerts(acts.context, ZONE).alerts if one.code == AlertCode.ORDER_STOPPED]
    assert "o1" in alert.text


def test_an_order_within_its_approval_runs_to_its_end(loop: Loop) -> None:
    acts = acts_of(loop)
    loop.post("orders", approved(order_for(acts, 3.0), 100_000.0))
    for _ in range(8):
        loop.close_slot()
    (line,) = list_orders(acts.context, ZONE, "o1").orders
    assert line.stage == "done"
    assert line.moved_mwh is not None
    assert line.moved_mwh > 0.0


def test_an_order_that_a_budget_approved_stops_at_its_energy(loop: Loop) -> None:
    acts = acts_of(loop)
    order = order_for(acts, 12.0)
    given = Approval(order_digest(order), "agent", "budget", WALL, WALL + PLAN_LIFE, 6.0, 2.0, 100_000.0)
    signed = msgspec.structs.replace(approve(order, given, None), verdict="accepted")
    assert limit_of(signed) is not None
    loop.post("bids", signed)
    for _ in range(12):
        loop.close_slot()
    states = [m for t, m in loop.posted if t == "order_states"]
    assert states == []  # posted by the plant itself, not by us
    orders = loop.store.read("order_states", zone=ZONE).dicts()
    assert orders[-1]["stage"] == "withdrawn"
    assert 2.0 < orders[-1]["moved_mwh"] < 10.0


def test_an_order_without_a_priced_approval_has_no_limit(loop: Loop) -> None:
    order = order_for(acts_of(loop), 2.0)
    assert limit_of(order) is None
    assert limit_of(approve(order, Approval("d", "boss", "operator", WALL, WALL + PLAN_LIFE), None)) is None


@pytest.mark.parametrize(
    "asked",
    [
        {"asset_ids": [PEAKER.asset_id], "power_mw": 4.5},
        {"action": "band", "asset_ids": [PEAKER.asset_id], "power_mw": None, "min_mw": 4.0, "max_mw": 5.0},
        {"asset_ids": [BATTERY.asset_id], "power_mw": -2.0},
        {"action": "soc_target", "asset_ids": [BATTERY.asset_id], "power_mw": None, "soc": 0.5},
    ],
    ids=["target", "band", "charge", "soc"],
)
def test_the_whole_order_is_priced_to_its_expiry(loop: Loop, asked: dict[str, Any]) -> None:
    acts = acts_of(loop)
    inside = acts.priced(PLANT, order_for(acts, 4.0, **asked))
    # It starts at the end of the look-ahead, of which one step is planned.
    order = msgspec.structs.replace(order_for(acts, 47.0, **asked), starts_at=inside.starts[-1])
    long = acts.priced(PLANT, order)
    assert inside.moved_mwh is not None
    assert inside.max_loss is not None
    assert long.moved_mwh is not None
    assert long.max_loss is not None
    assert long.moved_mwh > 50.0
    assert long.max_loss > 5_000.0
    assert any("the rest counts with the most" in check.detail for check in long.checks)
    assert inside.moved_mwh < 50.0


def test_an_order_lives_no_longer_than_the_setting(loop: Loop) -> None:
    acts = acts_of(loop)
    proposal = acts.priced(PLANT, order_for(acts, 133.0))
    assert proposal.outcome == "refused"
    assert "an order lives 48 h at most" in proposal.reasons[0]
    loop.post("orders", approved(order_for(acts, 133.0), 1e9))
    (line,) = list_orders(acts.context, ZONE, "o1").orders
    assert line.stage == "refused"


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e5])
def test_an_excess_is_relative_to_what_was_approved(size: float) -> None:
    limit = OrderLimit(loss=10.0 * size, energy_mwh=size)
    assert limit.excess(10.0 * size * (1.0 + 1e-9), size * (1.0 + 1e-9), "EUR") is None
    assert (limit.excess(10.1 * size, size, "EUR") or "").startswith("it lost")
    assert (limit.excess(0.0, 1.01 * size, "EUR") or "").startswith("it moved")

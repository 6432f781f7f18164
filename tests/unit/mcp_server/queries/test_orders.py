"""The life of an order as people and agents see it, on a small plant in one process."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mcp_server.actions.actions import Acts
from mcp_server.queries.context import QuestionError
from mcp_server.queries.orders import list_orders, standing_orders
from tests.worlds.builders import BATTERY, ZONE
from tests.worlds.plant_loop import PLANT, Loop, acts_of
from vpp.messages import Order

B = BATTERY.asset_id


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    """A plant after two slots."""
    loop = Loop(tmp_path)
    loop.settings = loop.settings.model_copy(update={"one_person": True})
    return loop


def send(loop: Loop, acts: Acts, minutes: float = 60.0) -> str:
    order = acts.new_order(
        PLANT, "target", "agent", "test", asset_ids=[B], power_mw=1.0, **acts.times(PLANT, None, minutes).fields()
    )
    plan = acts.propose(order, "agent")
    assert plan.plan_id is not None
    acts.book.approve(plan.plan_id, "agent")
    acts.execute(plan.plan_id, "agent")
    return plan.plan_id


def stages(acts: Acts, order_id: str) -> list[str]:
    (line,) = list_orders(acts.context, ZONE, order_id).orders
    return [step.stage for step in line.life]


def test_an_order_is_followed_to_its_end(loop: Loop) -> None:
    acts = acts_of(loop)
    order_id = send(loop, acts)
    assert stages(acts, order_id) == ["accepted", "waiting"]
    loop.close_slot()
    assert stages(acts, order_id)[-1] in ("acting", "clamped")
    for _ in range(2):
        loop.close_slot()
    (line,) = list_orders(acts.context, ZONE, order_id).orders
    assert line.ended
    assert line.stage == "done"
    assert line.moved_mwh is not None
    assert [step.at for step in line.life] == sorted(step.at for step in line.life)
    assert list_orders(acts.context, ZONE, is_open=True).orders == []


def test_a_plan_whose_time_has_passed_expires_by_the_run_clock(loop: Loop) -> None:
    acts = acts_of(loop)
    order = acts.new_order(
        PLANT, "target", "agent", "test", asset_ids=[B], power_mw=1.0, **acts.times(PLANT, None, 30.0).fields()
    )
    plan_id = acts.propose(order, "agent").plan_id
    assert plan_id is not None
    acts.book.approve(plan_id, "agent")
    loop.close_slot()
    receipt = acts.execute(plan_id, "agent")
    assert receipt.status == "refused"
    assert "the run is past that" in (receipt.reason or "")
    (plan,) = acts.book.recent(ZONE)
    assert plan.status(loop.clock()) == "expired"


def test_an_order_that_is_over_when_it_is_sent_is_expired_and_not_waiting(loop: Loop) -> None:
    acts = acts_of(loop)
    clock = acts.run_clock(PLANT)
    late = Order(
        zone=ZONE,
        order_id="late",
        action="target",
        principal="x",
        reason="r",
        issued_at=clock,
        sent_at=clock + timedelta(hours=2),
        expires_at=clock + timedelta(hours=1),
        asset_ids=[B],
        power_mw=1.0,
        approved_by="x",
    )
    loop.post("orders", late)
    assert stages(acts, "late") == ["expired"]
    assert acts.receipt(late).status == "expired"
    short = Order(
        zone=ZONE,
        order_id="short",
        action="target",
        principal="x",
        reason="r",
        issued_at=clock,
        expires_at=clock + timedelta(minutes=30),
        asset_ids=[B],
        power_mw=1.0,
        approved_by="x",
    )
    loop.post("orders", short)
    assert stages(acts, "short") == ["accepted", "expired"]


def test_hold_and_release_of_one_moment_count_in_order_of_arrival(loop: Loop) -> None:
    acts = acts_of(loop)
    for number, action in enumerate(("hold", "release", "hold", "release", "hold")):
        # Ids that sort the other way round.
        order = acts.new_order(PLANT, action, "ann", f"round {number}")
        loop.post("orders", order_of(order, f"{9 - number}"))
    assert [order.order_id for order in standing_orders(acts.context, ZONE)] == ["5"]
    assert stages(acts, "9") == ["accepted", "acting", "withdrawn"]
    assert stages(acts, "8") == ["accepted", "done"]
    assert stages(acts, "5") == ["accepted", "acting"]


def order_of(order: Order, order_id: str) -> Order:
    """Return an order with another id, approved by ann."""
    return Order(
        zone=order.zone,
        order_id=order_id,
        action=order.action,
        principal="ann",
        reason=order.reason,
        issued_at=order.issued_at,
        approved_by="ann",
    )


def test_a_cancelled_order_is_withdrawn_with_who_and_why(loop: Loop) -> None:
    acts = acts_of(loop)
    order_id = send(loop, acts, 120.0)
    cancel = acts.new_order(PLANT, "cancel", "ann", "no longer needed", cancels=order_id)
    loop.post(
        "orders",
        Order(
            zone=ZONE,
            order_id="c1",
            action="cancel",
            principal="ann",
            reason=cancel.reason,
            issued_at=cancel.issued_at,
            approved_by="ann",
            cancels=order_id,
        ),
    )
    (line,) = list_orders(acts.context, ZONE, order_id).orders
    assert (line.stage, line.stage_reason) == ("withdrawn", "cancel by ann: no longer needed")


def test_starts_in_the_past_and_far_ahead_have_clear_answers(loop: Loop) -> None:
    acts = acts_of(loop)
    clock = acts.run_clock(PLANT)
    moved = acts.times(PLANT, clock - timedelta(hours=1), 240.0)
    assert moved.moved is not None
    assert moved.starts_at > clock
    assert acts.times(PLANT, None, 60.0).moved is None
    with pytest.raises(QuestionError, match="in the past"):
        acts.times(PLANT, clock - timedelta(days=2), 60.0)
    with pytest.raises(QuestionError, match="too far ahead"):
        acts.times(PLANT, clock.replace(year=2199), 60.0)
    with pytest.raises(QuestionError, match="is not between"):
        acts.times(PLANT, clock.replace(year=9999), 60.0)
    with pytest.raises(QuestionError, match="too long"):
        acts.times(PLANT, None, 60.0 * 49)


def test_an_unknown_order_is_said_with_the_nearest(loop: Loop) -> None:
    acts = acts_of(loop)
    order_id = send(loop, acts)
    with pytest.raises(QuestionError) as error:
        list_orders(acts.context, ZONE, order_id + "x")
    assert order_id in (error.value.hint or "")

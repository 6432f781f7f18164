"""Orders in force: safety before hold, hold before priority, of equal priority the later."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from msgspec.structs import replace

from agents.assets.fleet_state import FleetState
from agents.assets.registry import fleet_at_rest
from agents.plant.orders_in_force import Asked, admit, asked, unexpired, verdicts
from tests.worlds.builders import make_zone, order_of, slot_at
from vpp.messages import Order, OrderVerdict, PlanNote

STARTS: list[datetime] = [slot_at(i) for i in range(1, 5)]
HOURS = np.full(4, 0.5)


def ask(*orders: Order, state: FleetState | None = None) -> Asked:
    zone = make_zone()
    return asked(zone, orders, state or fleet_at_rest(zone), STARTS, HOURS)


def target(order_id: str, power: float, priority: int = 0, **given: object) -> Order:
    return order_of("target", order_id, asset_ids=["bat"], power_mw=power, priority=priority, **given)


def test_a_target_stands_from_its_start_to_its_expiry() -> None:
    bands = ask(target("a", 2.0, starts_at=slot_at(2), expires_at=slot_at(4))).bands
    assert list(bands.min_mw[0]) == [-np.inf, 2.0, 2.0, -np.inf]
    assert list(bands.max_mw[0]) == [np.inf, 2.0, 2.0, np.inf]
    assert np.isinf(bands.min_mw[1:]).all()


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        pytest.param([target("a", 1.0), target("b", 2.0)], 2.0, id="equal: the later"),
        pytest.param([target("a", 1.0, 5), target("b", 2.0)], 1.0, id="higher wins"),
        pytest.param([target("b", 2.0, 5), target("a", 1.0, 5)], 1.0, id="equal and high: the later"),
    ],
)
def test_the_higher_priority_rules_and_of_equals_the_later(orders: list[Order], expected: float) -> None:
    assert ask(*orders).bands.min_mw[0, 0] == expected


def test_a_hold_rules_every_order_and_sends_a_peaker_down_its_ramp() -> None:
    running = replace(
        fleet_at_rest(make_zone()), power_mw=np.array([3.0, 14.0, 0.0]), running_min=np.array([0, 60.0, 0])
    )
    text = ask(target("a", 2.0, 100), order_of("hold", "stop"), state=running)
    assert list(text.bands.fixed_mw[0]) == [0.0] * 4
    assert list(text.bands.fixed_mw[1]) == [6.0, 0.0, 0.0, 0.0]
    assert {order.order_id for order in text.ruling if order} == {"stop"}


def test_a_target_of_charge_is_due_at_its_expiry() -> None:
    bands = ask(order_of("soc_target", soc=0.8, expires_at=slot_at(3))).bands
    assert bands.soc_target[0] == 0.8
    assert bands.soc_target_step[0] == 1
    assert np.isnan(bands.soc_target[1:]).all()


def test_a_cancel_ends_one_order_and_a_release_ends_holds() -> None:
    hold, some = order_of("hold", "h"), order_of("hold", "g", asset_ids=["gas"])
    orders = [target("a", 1.0), hold, some]
    assert admit(orders, order_of("cancel", "c", cancels="a")) == [hold, some]
    assert admit(orders, order_of("release", "r")) == [orders[0]]
    assert admit(orders, order_of("release", "r", asset_ids=["gas"])) == [orders[0], hold]
    assert admit(orders, hold) == orders


def test_expired_orders_are_dropped() -> None:
    order = target("a", 1.0, expires_at=slot_at(2))
    assert unexpired([order], slot_at(1)) == [order]
    assert unexpired([order], slot_at(2)) == []


def test_verdicts_say_what_became_of_each_order() -> None:
    later = target("later", 1.0, starts_at=slot_at(3))
    beaten, winner = target("beaten", 1.0), target("winner", 4.0, 1)
    text = ask(later, beaten, winner)
    given = verdicts(make_zone(), text, np.array([3.0, 0.0, 0.0]), [])
    result = {v.order_id: (v.outcome, v.code) for v in given}
    assert result == {
        "later": ("superseded", "outranked"),
        "beaten": ("superseded", "outranked"),
        "winner": ("clamped", "limited"),
    }
    alone = verdicts(make_zone(), ask(later), np.zeros(3), [])
    assert (alone[0].outcome, alone[0].code) == ("waiting", "not_started")
    met = verdicts(make_zone(), ask(winner), np.array([4.0, 0.0, 0.0]), [])
    assert met == [OrderVerdict(order_id="winner", action="target", outcome="accepted")]


def test_a_missed_target_of_charge_is_clamped_with_what_is_reached() -> None:
    order = order_of("soc_target", soc=0.8, expires_at=slot_at(3), asset_ids=["bat"])
    other = PlanNote(code="soc_target_missed", asset_id="second", values={"soc": 0.1, "wanted_soc": 0.8})
    missed = PlanNote(code="soc_target_missed", asset_id="bat", values={"soc": 0.6, "wanted_soc": 0.8})
    (verdict,) = verdicts(make_zone(), ask(order), np.zeros(3), [other, missed])
    assert (verdict.outcome, verdict.code) == ("clamped", "out_of_reach")
    assert (verdict.asset_id, verdict.soc, verdict.wanted_soc) == ("bat", 0.6, 0.8)
    (verdict,) = verdicts(make_zone(), ask(order), np.zeros(3), [other])
    assert verdict.outcome == "accepted"

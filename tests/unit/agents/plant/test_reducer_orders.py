"""Orders at the plant: a hold acts at once, others from the next slot decided."""

from __future__ import annotations

from typing import Any

import pytest

from agents.plant.reducer import PlantReducer
from tests.worlds.builders import (
    BATTERY,
    LOAD,
    QUICK,
    make_zone,
    order_of,
    run,
    said_on,
    slot_at,
)
from tests.worlds.plant import bids, plant
from vpp.messages import (
    Order,
)


def accepted(action: str, order_id: str = "o1", **given: Any) -> Order:
    return order_of(action, order_id, verdict="accepted", **given)


def test_a_hold_acts_at_once_as_a_revision_and_until_released() -> None:
    messages = [*bids(0, net=840.0), *bids(1, net=900.0)]
    reducer = plant()
    state, before = run(reducer, messages)
    assert any(s.power_mw for s in said_on(before, "setpoints"))
    state, outputs = run(reducer, [accepted("hold")], state)
    (decision,) = said_on(outputs, "decisions")
    assert (decision.engine, decision.revision, decision.for_slot) == ("hold", 1, slot_at(2))
    assert [(s.slot, s.power_mw, s.revision) for s in said_on(outputs, "setpoints")] == [(slot_at(2), 0.0, 1)] * 3
    state, outputs = run(reducer, bids(2, net=900.0), state)
    assert {s.asset_id: s.power_mw for s in said_on(outputs, "assets")}["bat"] == 0.0
    assert [s.power_mw for s in said_on(outputs, "setpoints")][:2] == [0.0, 0.0]
    state, outputs = run(reducer, [accepted("release", "o2"), *bids(3, net=900.0)], state)
    assert said_on(outputs, "setpoints")[0].power_mw > 0.0


def test_a_hold_of_one_asset_leaves_the_others_alone() -> None:
    reducer = plant()
    state, _ = run(reducer, bids(0, net=840.0))
    state, outputs = run(reducer, [accepted("hold", asset_ids=["gas"])], state)
    assert [s.asset_id for s in said_on(outputs, "setpoints")] == ["gas"]
    assert set(state.plan.setpoints) == {"bat", "gas", "shed"}


def test_a_repeated_hold_is_reported_once() -> None:
    reducer = plant()
    state, _ = run(reducer, bids(0))
    state, _ = run(reducer, [accepted("hold"), accepted("release", "o2")], state)
    assert run(reducer, [accepted("hold")], state)[1] == []
    assert state.standing.orders == []


def test_an_order_acts_from_the_next_slot_decided() -> None:
    target = accepted("target", asset_ids=["bat"], power_mw=-2.0, expires_at=slot_at(4))
    reducer = PlantReducer(make_zone(BATTERY, QUICK, LOAD), explore=False)
    state, outputs = run(reducer, [*bids(0), target])
    assert not said_on(outputs[-1:], "setpoints")
    state, outputs = run(reducer, bids(1), state)
    assert said_on(outputs, "setpoints")[0].power_mw == pytest.approx(-2.0, abs=1e-5)
    (decision,) = said_on(outputs, "decisions")
    assert [(v.order_id, v.action, v.outcome) for v in decision.verdicts] == [("o1", "target", "accepted")]


def test_an_expired_order_is_gone_from_the_slot_of_its_expiry() -> None:
    target = accepted("target", asset_ids=["bat"], power_mw=-2.0, expires_at=slot_at(2))
    reducer = PlantReducer(make_zone(BATTERY, QUICK, LOAD), explore=False)
    state, outputs = run(reducer, [target, *bids(0), *bids(1)])
    first, second = said_on(outputs, "decisions")
    assert [order.order_id for order in first.orders] == ["o1"]
    assert second.orders == []
    assert state.standing.orders == []


def test_refused_orders_are_not_weighed() -> None:
    state, _ = run(plant(), [order_of("hold", verdict="refused"), order_of("hold", "o2")])
    assert state.standing.orders == []

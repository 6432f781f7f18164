"""The fleet under the plant: new and lost assets, money, and physics whatever the grid does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.plant.reducer import PlantReducer
from tests.worlds.builders import (
    BATTERY,
    HALF_HOUR,
    LOAD,
    QUICK,
    ZONE,
    actor_bid_at,
    closed_slot,
    make_zone,
    run,
    said_on,
    slot_at,
    trader_bid_at,
)
from tests.worlds.plant import bids, plant, week
from vpp.messages import (
    AssetReading,
    Decision,
    LedgerEntry,
    Message,
    Setpoint,
)


def test_an_asset_added_after_the_start_joins_at_rest() -> None:
    small = plant(make_zone(BATTERY))
    state, _ = run(small, week(2))
    saved_state = dict(small.changes(state))
    larger = plant(make_zone(BATTERY, QUICK, BATTERY.model_copy(update={"asset_id": "new", "soc_start": 0.3})))
    state = larger.load(ZONE, saved_state.get)
    _, outputs = run(larger, bids(2), state)
    assert {s.asset_id: s.soc for s in said_on(outputs, "assets")}["new"] == 0.3


def test_a_run_that_goes_on_starts_from_its_last_state_of_charge() -> None:
    _, outputs = run(plant(start_soc={"bat": 0.7}), bids(0))
    assert said_on(outputs, "assets")[0].soc == 0.7


def test_an_asset_out_of_reach_is_not_planned_and_reported() -> None:
    away = bids(1, net=900.0, assets={"bat": AssetReading(available=False, power_mw=4.0)})
    _, outputs = run(PlantReducer(make_zone(BATTERY, QUICK, LOAD), explore=False), [*bids(0, net=840.0), *away])
    last = said_on(outputs, "setpoints")[-3:]
    assert [s.power_mw for s in last if s.asset_id == "bat"] == [0.0]
    assert any("cannot be reached" in a.text for a in said_on(outputs, "alerts"))


def test_money_is_energy_times_price_less_costs() -> None:
    _, outputs = run(PlantReducer(make_zone(BATTERY, QUICK, LOAD), explore=False), week(12))
    rows = [m for m in said_on(outputs, "ledger") if isinstance(m, LedgerEntry)]
    energy = {(s.slot, s.asset_id): s.energy_mwh for s in said_on(outputs, "assets")}
    price = {slot_at(i): 100.0 + i for i in range(12)}
    income = sum(energy[r.slot, r.asset_id] * price[r.slot] for r in rows if r.asset_id != "zone")
    costs = sum(r.wear_cost + r.fuel_cost + r.start_cost + r.penalty for r in rows)
    assert sum(r.pnl for r in rows) == pytest.approx(income - costs, abs=1e-9)


@hypothesis_settings(max_examples=6, deadline=None)
@given(nets=st.lists(st.floats(-200.0, 1200.0), min_size=3, max_size=5), price=st.floats(-500.0, 3000.0))
def test_whatever_the_grid_does_setpoints_keep_physics(nets: list[float], price: float) -> None:
    zone = make_zone(BATTERY, QUICK, LOAD)
    messages: list[Message] = []
    for index, net in enumerate(nets):
        seen = closed_slot(index, net, price)
        messages += [
            actor_bid_at(index, [net / 10.0] * 8, observation=seen),
            trader_bid_at(index, [price] * 8, observation=seen, stored_value_per_mwh=[price] * 4),
        ]
    _, outputs = run(PlantReducer(zone, explore=False), messages)
    for status in said_on(outputs, "assets"):
        if status.asset_id == "bat":
            assert 0.1 - 1e-12 <= status.soc <= 0.9 + 1e-12
            assert -4.0 <= status.power_mw <= 4.0
    for setpoint in said_on(outputs, "setpoints"):
        assert isinstance(setpoint, Setpoint)
        assert setpoint.valid_until - setpoint.slot == HALF_HOUR
    for decision in said_on(outputs, "decisions"):
        assert isinstance(decision, Decision)
        assert decision.for_slot - decision.slot == timedelta(minutes=30)

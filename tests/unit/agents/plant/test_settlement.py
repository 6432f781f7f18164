"""A slot settled by hand: energy, money, penalties, and what a correction changes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.plant.ledger import SettledSlot, entries, money_of, no_action_shed_mw, penalty, trades
from agents.plant.settlement import follow, settle_slot
from agents.plant.state import AssetKept, Planned, fleet_at_start
from tests.worlds.builders import BATTERY, PEAKER, closed_slot, make_zone
from vpp.fleet.assets import CurtailableRenewable
from vpp.messages import AssetReading

CURVE = [(40.0, -2.0), (50.0, 0.0), (60.0, 3.0)]


def test_a_discharge_by_hand() -> None:
    zone = make_zone()
    planned = {"bat": Planned(2.0)}
    settlement = settle_slot(zone, closed_slot(1, 560.0, 120.0), 1, fleet_at_start(zone, {}), planned)
    status = settlement.statuses[0]
    assert (status.power_mw, status.energy_mwh, status.planned_mw, status.source) == (2.0, 1.0, 2.0, "twin")
    assert status.soc == pytest.approx(0.5 - 1.0 / 0.8 / 10.0)
    before = SettledSlot(0, 50.0, 100.0, {"bat": 0.0, "gas": 0.0, "shed": 0.0})
    money = money_of(zone, settlement.slot, before)
    assert money["bat"].revenue == 120.0
    assert money["bat"].wear_cost == 5.0
    assert money["bat"].pnl == 115.0
    assert money["zone"].penalty == 125.0
    assert money["zone"].penalty_no_action == 375.0
    (trade,) = trades(zone, settlement.slot, money)
    assert (trade.side, trade.energy_mwh, trade.revenue) == ("sell", 1.0, 120.0)


def test_a_charge_pays_and_wears_nothing() -> None:
    zone = make_zone()
    settlement = settle_slot(zone, closed_slot(1, 500.0, 50.0), 1, fleet_at_start(zone, {}), {"bat": Planned(-4.0)})
    assert settlement.statuses[0].soc == pytest.approx(0.5 + 2.0 * 0.8 / 10.0)
    money = money_of(zone, settlement.slot, None)
    assert (money["bat"].revenue, money["bat"].wear_cost, money["bat"].pnl) == (-100.0, 0.0, -100.0)


def test_a_peaker_pays_fuel_and_one_start() -> None:
    zone = make_zone()
    first = settle_slot(zone, closed_slot(0), 0, fleet_at_start(zone, {}), {"gas": Planned(8.0)})
    second = settle_slot(zone, closed_slot(1), 1, first.assets, {"gas": Planned(15.0)})
    a, b = (money_of(zone, s.slot, None)["gas"] for s in (first, second))
    assert (a.energy_mwh, a.fuel_cost, a.start_cost, a.pnl) == (4.0, 640.0, 50.0, 400.0 - 640.0 - 50.0)
    assert (b.energy_mwh, b.fuel_cost, b.start_cost) == (7.5, 1200.0, 0.0)


def test_a_peaker_ramps_no_faster_than_it_can() -> None:
    zone = make_zone()
    settlement = settle_slot(zone, closed_slot(0), 0, fleet_at_start(zone, {}), {"gas": Planned(15.0)})
    assert settlement.statuses[1].power_mw == 8.0


def test_at_the_cap_load_is_shed_with_and_without_the_plant() -> None:
    zone = make_zone()
    settlement = settle_slot(zone, closed_slot(1, 900.0, 100.0), 1, fleet_at_start(zone, {}), {"bat": Planned(1.0)})
    assert settlement.slot.power_mw == {"bat": 1.0, "gas": 0.0, "shed": 3.0}
    assert settlement.slot.grid_mw == 86.0
    money = money_of(zone, settlement.slot, None)
    assert (money["shed"].energy_mwh, money["shed"].fuel_cost, money["shed"].revenue) == (1.5, 450.0, 150.0)
    assert money["shed"].penalty_no_action == 0.0
    assert money["zone"].penalty == 0.0


def test_beyond_all_shedding_the_cap_costs() -> None:
    zone = make_zone()
    settlement = settle_slot(zone, closed_slot(1, 940.0, 100.0), 1, fleet_at_start(zone, {}), {"bat": Planned(1.0)})
    money = money_of(zone, settlement.slot, None)
    assert money["zone"].penalty == 500.0 * 0.5 * 1.0
    assert money["zone"].penalty_no_action == 500.0 * 0.5 * 2.0


def test_the_twin_follows_the_curve_at_the_seen_net_load() -> None:
    planned = Planned(0.0, CURVE)
    assert [follow(planned, net) for net in (30.0, 45.0, 55.0, 99.0)] == [-2.0, -1.0, 1.5, 3.0]


def test_a_slot_that_was_not_seen_settles_on_the_planned_point() -> None:
    zone = make_zone()
    settlement = settle_slot(
        zone, closed_slot(1, None, None), 1, fleet_at_start(zone, {}), {"bat": Planned(1.0, CURVE)}
    )
    assert settlement.slot.power_mw["bat"] == 1.0
    money = money_of(zone, settlement.slot, SettledSlot(0, 50.0, 1.0, {"bat": 0.0}))
    assert money["bat"].revenue is None
    assert money["bat"].pnl == -2.5
    assert money["zone"].penalty == 0.0


def test_measured_power_and_charge_go_before_the_twin() -> None:
    zone = make_zone()
    seen = closed_slot(1, assets={"bat": AssetReading(power_mw=3.0), "gas": AssetReading(power_mw=6.0)})
    settlement = settle_slot(zone, seen, 1, fleet_at_start(zone, {}), {"bat": Planned(1.0)})
    bat, gas, _ = settlement.statuses
    assert (bat.power_mw, bat.planned_mw, bat.source) == (3.0, 1.0, "measured")
    assert bat.soc == pytest.approx(0.5 - 1.5 / 0.8 / 10.0)
    assert (gas.power_mw, settlement.assets["gas"].running_min) == (6.0, 30.0)
    message = closed_slot(2, assets={"bat": AssetReading(soc=0.3)})
    assert settle_slot(zone, message, 2, settlement.assets, {}).statuses[0].soc == 0.3


def test_an_asset_out_of_reach_counts_from_the_next_slot_on() -> None:
    zone = make_zone()
    seen = closed_slot(1, assets={"bat": AssetReading(available=False)})
    settlement = settle_slot(zone, seen, 1, fleet_at_start(zone, {}), {"bat": Planned(2.0)})
    assert (settlement.statuses[0].power_mw, settlement.statuses[0].available) == (2.0, False)
    after = settle_slot(zone, closed_slot(2), 2, settlement.assets, {"bat": Planned(2.0)})
    assert after.statuses[0].power_mw == 0.0


def test_a_renewable_is_cut_by_no_more_than_it_gives() -> None:
    wind = CurtailableRenewable(asset_id="wind", channel="wind_mw", curtail_cost_per_mwh=10.0)
    zone = make_zone(BATTERY, wind)
    seen = closed_slot(1)
    seen.values["wind_mw"] = 30.0
    settlement = settle_slot(zone, seen, 1, fleet_at_start(zone, {}), {"wind": Planned(-5.0)})
    assert settlement.slot.power_mw["wind"] == -3.0
    money = money_of(zone, settlement.slot, None)["wind"]
    assert (money.revenue, money.fuel_cost) == (-150.0, 15.0)


def test_without_any_price_channel_the_flat_price_settles() -> None:
    zone = make_zone(energy_price_flat_per_mwh=60.0)
    seen = closed_slot(1)
    del seen.values["price_per_mwh"]
    settlement = settle_slot(zone, seen, 1, fleet_at_start(zone, {}), {"bat": Planned(2.0)})
    assert money_of(zone, settlement.slot, None)["bat"].revenue == 60.0


def test_a_corrected_price_is_written_as_the_difference() -> None:
    zone = make_zone(BATTERY)
    old = SettledSlot(1, 50.0, None, {"bat": 2.0})
    new = SettledSlot(1, 50.0, 120.0, {"bat": 2.0}, revision=1)
    was, now = money_of(zone, old, None), money_of(zone, new, None)
    (entry,) = entries(zone, new, now, was)
    assert (entry.revision, entry.energy_mwh, entry.revenue, entry.wear_cost, entry.pnl) == (1, 0.0, 120.0, 0.0, 120.0)
    (trade,) = trades(zone, new, now, was)
    assert (trade.revision, trade.energy_mwh, trade.revenue) == (1, 0.0, 120.0)


@given(
    values=st.lists(
        st.tuples(st.floats(-50.0, 150.0) | st.none(), st.floats(-500.0, 3000.0) | st.none()), min_size=2, max_size=6
    ),
    power=st.floats(-4.0, 4.0),
)
def test_entries_of_a_slot_always_sum_to_its_latest_evaluation(
    values: list[tuple[float | None, float | None]], power: float
) -> None:
    zone = make_zone()
    before = SettledSlot(0, 48.0, 1.0, {"bat": 0.0, "gas": 0.0, "shed": 0.0})
    slots = [
        SettledSlot(1, net, price, {"bat": power, "gas": 3.0, "shed": 1.0}, revision=k)
        for k, (net, price) in enumerate(values)
    ]
    money = [money_of(zone, slot, before) for slot in slots]
    rows = entries(zone, slots[0], money[0])
    for k in range(1, len(slots)):
        rows += entries(zone, slots[k], money[k], money[k - 1])
    for asset_id, last in money[-1].items():
        mine = [row for row in rows if row.asset_id == asset_id]
        assert math.isclose(math.fsum(row.pnl for row in mine), last.pnl, rel_tol=1e-12, abs_tol=1e-9)
        assert math.isclose(math.fsum(row.penalty for row in mine), last.penalty, rel_tol=1e-12, abs_tol=1e-9)
        revenue = math.fsum(row.revenue or 0.0 for row in mine)
        assert math.isclose(revenue, last.revenue or 0.0, rel_tol=1e-12, abs_tol=1e-9)


@given(
    soc=st.floats(0.1, 0.9),
    wanted=st.lists(st.floats(-20.0, 20.0), min_size=1, max_size=8),
    net=st.floats(-500.0, 1500.0),
)
def test_state_of_charge_stays_in_its_band_and_energy_balances(soc: float, wanted: list[float], net: float) -> None:
    zone = make_zone(BATTERY, PEAKER)
    assets = {**fleet_at_start(zone, {}), "bat": AssetKept(soc=soc)}
    for index, power in enumerate(wanted):
        start = assets["bat"].soc
        settlement = settle_slot(
            zone, closed_slot(index, net), index, assets, {"bat": Planned(power), "gas": Planned(power)}
        )
        assets = settlement.assets
        bat = assets["bat"]
        assert bat.soc is not None
        assert start is not None
        assert 0.1 <= bat.soc <= 0.9
        inside = bat.power_mw / 0.8 if bat.power_mw > 0 else bat.power_mw * 0.8
        assert (start - bat.soc) * 10.0 == pytest.approx(inside * 0.5, abs=1e-9)
        assert 0.0 <= assets["gas"].power_mw <= 15.0


def test_no_action_sheds_in_file_order_up_to_capacity() -> None:
    assert no_action_shed_mw(make_zone(), 89.0) == {"shed": 3.0}
    assert no_action_shed_mw(make_zone(), 99.0) == {"shed": 6.0}
    assert no_action_shed_mw(make_zone(), None) == {"shed": 0.0}


def test_an_export_beyond_its_cap_costs() -> None:
    limits = make_zone().limits.model_copy(update={"export_cap_mw": 20.0})
    zone = make_zone(limits=limits)
    assert penalty(zone, -25.0, -25.0) == 500.0 * 0.5 * 5.0

"""Frequency droop: dead band, slope, fast reserve, and what the twin makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from agents.assets.frequency_droop import at
from agents.assets.registry import type_of
from agents.plant.ledger import money_of
from agents.plant.reducer import PlantReducer
from agents.plant.settlement import follow, settle_slot
from agents.plant.state import Planned, fleet_at_start
from tests.worlds.builders import (
    BATTERY,
    LOAD,
    QUICK,
    ZONE,
    actor_bid_at,
    make_zone,
    order_of,
    run,
    said_on,
    slot_at,
    trader_bid_at,
)
from vpp.domain import FREQUENCY, PRICE
from vpp.fleet.assets import Asset
from vpp.fleet.schema import FrequencyResponse, Zone
from vpp.messages import Message, Setpoint, SlotClosed

DROOP = BATTERY.model_copy(update={"droop_mw_per_hz": 2.0})
NORMAL = FrequencyResponse(dead_band_hz=0.02)
PLANT = make_zone(DROOP, QUICK, LOAD, frequency=NORMAL)


def seen(
    index: int, hertz: float | None, net: float | None = 500.0, quality: dict[str, str] | None = None
) -> SlotClosed:
    values = {"load_mw": net, PRICE: 100.0, FREQUENCY: hertz}
    return SlotClosed(
        zone=ZONE, slot=slot_at(index), step_min=30, values=values, net_load_mw=net, quality=quality or {}
    )


def frequency_curve(zone: Zone, asset: Asset) -> list[tuple[float, float]]:
    """The asset's own response to frequency."""
    return type_of(asset).frequency_curve(zone, asset)


@pytest.mark.parametrize(
    ("hertz", "added"),
    [
        pytest.param(50.0, 0.0, id="nominal"),
        pytest.param(49.98, 0.0, id="edge of the dead band"),
        pytest.param(50.02, 0.0, id="upper edge"),
        pytest.param(49.88, 0.2, id="under"),
        pytest.param(50.12, -0.2, id="over"),
        pytest.param(49.6, 0.76, id="above the fast reserve"),
        pytest.param(49.5, 8.0, id="fast reserve: all it can swing"),
        pytest.param(48.0, 8.0, id="far under"),
        pytest.param(60.0, -8.0, id="far over"),
        pytest.param(None, 0.0, id="not measured"),
    ],
)
def test_power_added_by_frequency(hertz: float | None, added: float) -> None:
    assert at(frequency_curve(PLANT, DROOP), hertz) == pytest.approx(added, abs=1e-6)


def test_no_droop_without_a_slope_or_a_measured_frequency() -> None:
    assert frequency_curve(PLANT, BATTERY) == []
    assert frequency_curve(make_zone(DROOP, channels=("load_mw",)), DROOP) == []
    assert frequency_curve(make_zone(DROOP, channels=("load_mw", FREQUENCY)), DROOP)
    slow = make_zone(DROOP, frequency=FrequencyResponse(dead_band_hz=0.02, fast_reserve_hz=None))
    assert at(frequency_curve(slow, DROOP), 49.5) == pytest.approx(0.96)


@given(st.floats(45.0, 55.0), st.floats(45.0, 55.0))
def test_a_lower_frequency_never_gets_less(one: float, other: float) -> None:
    curve = frequency_curve(PLANT, DROOP)
    low, high = min(one, other), max(one, other)
    assert at(curve, low) >= at(curve, high)
    assert [hz for hz, _ in curve] == sorted({hz for hz, _ in curve})


def test_the_twin_adds_the_droop_and_it_is_settled() -> None:
    planned = {"bat": Planned(1.0, frequency_curve=frequency_curve(PLANT, DROOP))}
    settlement = settle_slot(PLANT, seen(1, 49.88), 1, fleet_at_start(PLANT, {}), planned)
    assert settlement.statuses[0].power_mw == pytest.approx(1.2)
    assert settlement.statuses[0].planned_mw == 1.0
    assert money_of(PLANT, settlement.slot, None)["bat"].revenue == pytest.approx(0.6 * 100.0)
    full = settle_slot(PLANT, seen(1, 49.4), 1, fleet_at_start(PLANT, {}), planned)
    assert full.statuses[0].power_mw == DROOP.discharge_mw
    empty = settle_slot(PLANT, seen(1, 49.4), 1, fleet_at_start(PLANT, {"bat": DROOP.soc_min}), planned)
    assert empty.statuses[0].power_mw == 0.0


def test_an_answer_is_settled_by_the_ticks_and_not_by_their_mean() -> None:
    planned = {"bat": Planned(1.0, frequency_curve=frequency_curve(PLANT, DROOP))}
    ticks = structs.replace(seen(1, 49.99), frequency_shares=[(49.4, 0.1), (50.0, 0.8), (50.3, 0.1)])
    settlement = settle_slot(PLANT, ticks, 1, fleet_at_start(PLANT, {}), planned)
    added = 0.1 * 8.0 - 0.1 * 2.0 * (0.3 - 0.02)
    assert settlement.statuses[0].power_mw == pytest.approx(1.0 + added)
    assert settlement.slot.frequency_mwh == {"bat": pytest.approx(0.5 * added)}
    money = money_of(PLANT, settlement.slot, None)["bat"]
    assert money.frequency_mwh == pytest.approx(0.5 * added)
    assert money.energy_mwh == pytest.approx(0.5 * (1.0 + added))
    calm = settle_slot(PLANT, seen(1, 49.99), 1, fleet_at_start(PLANT, {}), planned)
    assert calm.slot.frequency_mwh == {}


def test_what_physics_clips_of_an_answer_is_not_settled() -> None:
    planned = {"bat": Planned(DROOP.discharge_mw, frequency_curve=frequency_curve(PLANT, DROOP))}
    settlement = settle_slot(PLANT, seen(1, 49.4), 1, fleet_at_start(PLANT, {}), planned)
    assert settlement.slot.frequency_mwh.get("bat", 0.0) == 0.0


def test_a_frequency_meter_that_stands_still_moves_nothing() -> None:
    planned = {"bat": Planned(1.0, frequency_curve=frequency_curve(PLANT, DROOP))}
    stuck = seen(1, 49.4, quality={FREQUENCY: "flat"})
    assert settle_slot(PLANT, stuck, 1, fleet_at_start(PLANT, {}), planned).statuses[0].power_mw == 1.0
    assert follow(planned["bat"], 50.0) == 1.0


def setpoints(zone: Zone, *slots: SlotClosed, hold: bool = False) -> list[Setpoint]:
    messages: list[Message] = []
    for index, slot in enumerate(slots):
        messages += [actor_bid_at(index, observation=slot), trader_bid_at(index, observation=slot)]
    if hold:
        messages.insert(0, order_of("hold", verdict="accepted", asset_ids=["bat"]))
    _, outputs = run(PlantReducer(zone, explore=False), messages)
    return [s for s in said_on(outputs, "setpoints") if s.asset_id == "bat"]


def test_setpoints_carry_the_droop_unless_the_battery_is_held_or_the_plant_blind() -> None:
    assert setpoints(PLANT, seen(0, 50.0))[-1].frequency_curve == frequency_curve(PLANT, DROOP)
    assert setpoints(PLANT, seen(0, 50.0), hold=True)[-1].frequency_curve == []
    blind = setpoints(PLANT, seen(0, 50.0), seen(1, 50.0, None), seen(2, 50.0, None))
    assert [bool(s.frequency_curve) for s in blind] == [True, False, False]

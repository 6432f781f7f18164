"""A drift of the charge in small steps is found; an aged, lossy or corrected battery is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.assets.soc_drift import ALLOWED, SocDrift
from agents.plant.settlement import settle_slot
from agents.plant.state import Planned, fleet_at_start
from tests.worlds.builders import closed_slot, make_zone
from vpp.messages import AssetReading

HOURS = 0.5
ZONE = make_zone()


def month(*, seed: int, capacity: float, losses: float, leak_per_day: float, jump: float, swing_h: float) -> bool:
    """Return whether a drift is found in a month of an honest battery with whole percents and weekly corrections."""
    rng, evidence = np.random.default_rng(seed), SocDrift()
    soc = before = 0.5
    correction = 0.0
    for _ in range(30 * 48):
        implied = rng.uniform(-1.0, 1.0) * HOURS / swing_h
        true = implied / capacity - abs(implied) * losses - leak_per_day * HOURS / 24.0
        if not 0.05 <= soc + true <= 0.95:
            implied, true = 0.0, 0.0
        soc += true
        if rng.random() < HOURS / (24.0 * 7.0):
            correction = float(rng.choice([-1.0, 1.0])) * jump
        correction *= 0.999
        reading = round(min(max(soc + correction, 0.0), 1.0), 2)
        evidence, before = evidence.after(reading - before, implied, HOURS), reading
        if evidence.is_found:
            return True
    return False


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    capacity=st.floats(0.72, 1.05),
    losses=st.floats(-0.03, 0.06),
    leak_per_day=st.floats(0.0, 0.04),
    jump=st.floats(0.0, 0.04),
    swing_h=st.floats(1.0, 8.0),
)
def test_no_honest_battery_drifts(
    seed: int, capacity: float, losses: float, leak_per_day: float, jump: float, swing_h: float
) -> None:
    assert not month(seed=seed, capacity=capacity, losses=losses, leak_per_day=leak_per_day, jump=jump, swing_h=swing_h)


@pytest.mark.parametrize("per_slot", [0.02, -0.02, 0.03])
@pytest.mark.parametrize("slots_before", [0, 48 * 7])
def test_steps_within_tolerance_that_add_up_are_found_and_the_energy_is_used(
    per_slot: float, slots_before: int
) -> None:
    assets, truth, forged = fleet_at_start(ZONE, {"bat": 0.5}), 0.5, 0.0
    rng = np.random.default_rng(3)
    for i in range(1, slots_before + 25):
        power = float(rng.uniform(-0.4, 0.4)) + 0.4 * (truth - 0.5)
        before = assets["bat"]
        plain = AssetReading(power_mw=power)
        assets_true = settle_slot(ZONE, closed_slot(i, assets={"bat": plain}), i, assets, {"bat": Planned(power)})
        moved = (assets_true.assets["bat"].soc or 0.0) - (before.soc or 0.0)
        truth += moved
        forged += per_slot if i > slots_before else 0.0
        reading = AssetReading(power_mw=power, soc=min(max(truth + forged, 0.0), 1.0))
        assets = settle_slot(ZONE, closed_slot(i, assets={"bat": reading}), i, assets, {"bat": Planned(power)}).assets
        if assets["bat"].conduct.soc_held:
            break
    assert i > slots_before
    assert abs(forged) <= ALLOWED + 0.1
    assert assets["bat"].soc == pytest.approx(truth, abs=0.06)
    assert assets["bat"].conduct.soc_reading == reading.soc


def test_a_reading_that_is_accepted_after_all_begins_a_new_sum() -> None:
    evidence = SocDrift(drift=0.3, net=0.2, moved=0.5, xx=2.0, rx=0.1)
    again = evidence.restarted()
    assert (again.drift, again.net, again.moved, again.xx, again.rx) == (0.0, 0.0, 0.0, 2.0, 0.1)
    assert not again.is_found

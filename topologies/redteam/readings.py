"""Forged states of charge and prices, and their detection by the SoC check and the value gate.

SoC is checked where the plant settles: a reading that departs from the energy that was measured is found once the plant
continues by that energy. A price is found once the gate refuses it; inside the limits of its market it is believed.
"""

from __future__ import annotations

import math

import numpy as np

from agents.assets.twin import deliver
from agents.plant.settlement import settle_slot
from agents.plant.state import asset_at_rest
from features.quality import Checks, gate
from topologies.sources.attacks import Attack
from vpp.domain import PRICE
from vpp.fleet.schema import Zone
from vpp.messages import AssetReading, SlotClosed
from vpp.numerics.arrays import Floats

SOC = "soc"
WARM_UP_H = 168.0
"""The battery runs for a week before the attack."""
READINGS: tuple[Attack, ...] = (
    *(Attack(f"soc {size} %", "soc", size, SOC) for size in (5, 15, 30)),
    Attack("soc ramp 30 %", "soc_ramp", 30, SOC),
    Attack("soc freeze", "soc_freeze", None, SOC),
    Attack("price x 2", "price", 100, PRICE),
    Attack("price x 100", "price", 9900, PRICE),
)
"""``size_pct``: of the battery's energy, reached at once or as a ramp; of the price."""


def minutes_to_find(attack: Attack, zone: Zone, prices: Floats, slots: int, n: int, seed: int) -> Floats:
    """Return the minutes until each of ``n`` forgeries is found, NaN if it is not; empty if there is nothing.

    Args:
        attack: One of ``READINGS``.
        zone: Its first battery and its market are attacked.
        prices: True prices of the test, per MWh, shape (slots,), NaN missing; empty: the zone has none.
        slots: Length of an attack.
        n: How many.
        seed: Chance.
    """
    rng = np.random.default_rng((seed, READINGS.index(attack)))
    if attack.channel == PRICE:
        prices = prices[np.isfinite(prices)]
        firsts = [_price_found(attack, zone, prices, slots, rng) for _ in range(n if prices.size > slots else 0)]
    else:
        firsts = [_soc_found(attack, zone, slots, rng) for _ in range(n if zone.batteries else 0)]
    return np.array([math.nan if slot is None else (slot + 1) * zone.step_min for slot in firsts], dtype=np.float64)


def _price_found(attack: Attack, zone: Zone, prices: Floats, slots: int, rng: np.random.Generator) -> int | None:
    """Return the first forged slot whose price the gate refuses."""
    start = int(rng.integers(prices.size - slots))
    factor = 1.0 + (attack.size_pct or 0.0) / 100.0
    checks = Checks()
    for k in range(slots):
        if gate(PRICE, float(prices[start + k]) * factor, zone, checks) is not None:
            return k
    return None


def _soc_found(attack: Attack, zone: Zone, slots: int, rng: np.random.Generator) -> int | None:
    """Return the first forged slot in which the plant continues by measured energy; the battery moves at random."""
    battery = zone.batteries[0]
    alone = zone.model_copy(update={"assets": (battery,)})
    before = asset_at_rest(battery, {battery.asset_id: float(rng.uniform(battery.soc_min, battery.soc_max))})
    truth, sign = before.state(), 1.0 if rng.random() < 0.5 else -1.0
    frozen, warm_up = truth.soc, round(WARM_UP_H / zone.step.hours)
    for k in range(-warm_up, slots):
        power_mw = float(rng.uniform(-battery.charge_mw, battery.discharge_mw))
        delivered = deliver(battery, truth, power_mw, zone.step.hours)
        truth = delivered.state
        soc = truth.soc
        if k >= 0:
            size = sign * (attack.size_pct or 0.0) / 100.0
            ramp = (k + 1) / slots if attack.kind == "soc_ramp" else 1.0
            soc = frozen if attack.kind == "soc_freeze" else min(max(soc + size * ramp, 0.0), 1.0)
        else:
            frozen = soc
        reading = AssetReading(power_mw=delivered.power_mw, soc=soc)
        observation = SlotClosed(
            zone=zone.zone,
            slot=zone.step.start(k + warm_up),
            step_min=zone.step_min,
            values={},
            net_load_mw=None,
            assets={battery.asset_id: reading},
        )
        settled = settle_slot(alone, observation, k + warm_up, {battery.asset_id: before}, {})
        before = settled.assets[battery.asset_id]
        if k >= 0 and before.conduct.soc_held:
            return k
    return None

"""Share of perfect foresight that a battery earned on a day, and the causes of the loss.

Bound of a day: the best path at the day's actual prices from the energy really in store when it began. Energy left at
its end counts, in bound and in what was earned alike, at the day's median price less discharge losses. With the value
V_h(e) of that programme (Bellman) every slot's loss is ``V_h(e) - cash - V_h+1(e')`` for what was really done; these
losses sum to bound less value exactly, so each can be booked on what ruled its slot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from agents.assets.contract import StorageParameters
from vpp.numerics import storage_dp
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import UnitBattery

POINTS = 181
CAUSES = ("forecast", "constraint", "latency", "hold")
_LEFT_OVER = 0.95


@dataclass(frozen=True, slots=True)
class Slot:
    """One settled slot of a battery, and what its decision expected.

    ``price``: actual price per MWh, NaN missing. ``before_mwh``, ``after_mwh``: energy in store. ``cash``: revenue
    less wear, corrections included. ``expected``: prices that the decision weighed, its own slot first; empty if
    there was no decision. ``step_h``: hours of each of them. ``late``: it rested on an old bid, or on none.
    ``held``: an order ruled the battery.
    """

    price: float
    before_mwh: float
    after_mwh: float
    cash: float
    expected: Floats = field(default_factory=lambda: np.zeros(0))
    step_h: Floats = field(default_factory=lambda: np.zeros(0))
    late: bool = False
    held: bool = False


@dataclass(frozen=True, slots=True)
class Capture:
    """Money of a battery's day, or of several days together.

    ``value``: cash and the change of stored energy's worth. ``bound``: the same under perfect foresight of the day.
    ``losses``: ``bound - value`` by cause, summing to it: ``forecast`` (what trading alone on the expected prices would
    have lost), ``latency`` (the same where a bid was old or missing), ``constraint`` and ``hold`` (what the plant did
    otherwise than that, for limits, service and physics, or because of an order; negative where it happened to pay).
    """

    value: float
    bound: float
    losses: dict[str, float]

    @property
    def pct(self) -> float | None:
        """Percent of the bound that was earned; None if there was nothing to earn."""
        return 100.0 * self.value / self.bound if self.bound > 0 else None


def capture_of_day(battery: StorageParameters, slots: Sequence[Slot], hours: float) -> Capture:
    """Return a day's capture.

    Args:
        battery: The battery; where its two powers differ, the bound may use the greater both ways.
        slots: The day's settled slots, in order.
        hours: Length of a slot.
    """
    power = max(battery.charge_mw, battery.discharge_mw)
    unit = UnitBattery(
        energy_mwh=(battery.soc_max - battery.soc_min) * battery.energy_mwh / power,
        charge_efficiency=battery.charge_efficiency,
        discharge_efficiency=battery.discharge_efficiency,
        wear_per_mwh=battery.wear_cost_per_mwh,
    )
    cell = unit.cell(POINTS)
    empty = battery.soc_min * battery.energy_mwh

    def place(stored_mwh: float) -> float:
        return min(max((stored_mwh - empty) / power / cell[0], 0.0), POINTS - 1.0)

    prices = np.array([slot.price for slot in slots])
    finite = prices[np.isfinite(prices)]
    worth = battery.discharge_efficiency * float(np.median(finite)) if finite.size else 0.0
    after = np.asarray(np.arange(POINTS) * cell[0] * worth, dtype=np.float64)
    total = dict.fromkeys(CAUSES, 0.0)
    terms: list[float] = []
    for slot in reversed(slots):
        before = storage_dp.back(after, slot.price, hours, cell)
        start, end = place(slot.before_mwh), place(slot.after_mwh)
        best = storage_dp.at(before, start)
        lost = power * (best - storage_dp.at(after, end)) - slot.cash
        traded = _traded(unit, slot, start, hours)
        expected = power * (best - storage_dp.at(after, traded) - storage_dp.cash(traded - start, slot.price, cell))
        if math.isnan(slot.price) or slot.expected.size == 0:
            expected = 0.0
        total["latency" if slot.late else "forecast"] += expected
        total["hold" if slot.held else "constraint"] += lost - expected
        terms.append(slot.cash)
        after = before
    if not slots:
        return Capture(0.0, 0.0, total)
    end_loss = power * cell[0] * worth * (place(slots[-1].after_mwh) - place(slots[0].before_mwh))
    value = math.fsum([*terms, end_loss])
    return Capture(value, value + math.fsum(total.values()), total)


def _traded(unit: UnitBattery, slot: Slot, start: float, hours: float) -> float:
    """Return where trading alone on the expected prices would have taken the energy, in points of the day's grid."""
    if slot.expected.size == 0 or math.isnan(slot.price):
        return start
    cell = unit.cell(POINTS)
    worth = _LEFT_OVER * unit.discharge_efficiency * float(np.mean(slot.expected))
    final = np.asarray(np.arange(POINTS) * cell[0] * worth, dtype=np.float64)
    value = storage_dp.before_steps(slot.expected[1:], slot.step_h[1:], final, cell)
    return float(storage_dp.move_to(value, slot.expected[0], hours, start, cell))


def together(parts: Sequence[Capture]) -> Capture:
    """Return several captures as one."""
    return Capture(
        value=math.fsum(part.value for part in parts),
        bound=math.fsum(part.bound for part in parts),
        losses={cause: math.fsum(part.losses[cause] for part in parts) for cause in CAUSES},
    )
